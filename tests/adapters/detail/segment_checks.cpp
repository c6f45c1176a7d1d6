// SPDX-License-Identifier: MIT
#include <copyspec/adapters/detail/segment_checks.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "support/error_of.hpp"

namespace {

using copyspec::Error;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::TreeSegment;
using copyspec::detail::require_segment;
using copyspec::detail::SegmentLimits;

struct EngineError : Error {
  using Error::Error;
};

constexpr SegmentLimits limits{.vocabulary_size = 64, .context_limit = 10, .negative_token = ", which is an image"};

// What is refused, or nothing.
template <class AnySegment>
std::string refusal(AnySegment const& segment, std::size_t held = 0, std::size_t branches = 2) {
  return copyspec_test::error_of<EngineError>(
      [&] { (void)require_segment<EngineError>(segment, held, branches, limits); });
}

}  // namespace

TEST_CASE("what an engine can take is let through, and its branches are counted") {
  std::vector<Token> const tokens{1, 63, 0, 5, 6};
  CHECK(refusal(Segment{SequenceId{3}, tokens, 5}) == "");
  CHECK(refusal(Segment{SequenceId{3}, tokens, 0}, 5) == "");
  std::vector<std::int32_t> const parents{-1, -1, 1};
  TreeSegment const tree{SequenceId{3}, tokens, 4, parents};
  CHECK(require_segment<EngineError>(tree, 0, 2, limits) == 1);
  CHECK(require_segment<EngineError>(tree, 0, 1, limits) == 1);
}

TEST_CASE("what it cannot take is refused by name") {
  std::vector<Token> tokens{1, 2, 3};
  Segment segment{SequenceId{3}, tokens, 1};
  CHECK(refusal(segment, 8) == "sequence 3 would grow to 11 tokens, beyond the context limit of 10");
  tokens[1] = 64;
  CHECK(refusal(segment) == "token 1 fed to sequence 3 is 64, outside the vocabulary of 64");
  tokens[1] = -7;
  CHECK(refusal(segment) == "token 1 fed to sequence 3 is -7, which is an image");
  tokens[1] = 2;
  segment.rows = 4;
  CHECK(refusal(segment) ==
        "what is fed of sequence 3 is no tree after a token, or has more than the 2 branches that are left");
}

TEST_CASE("a tree that is none, or has too many branches, is refused") {
  std::vector<Token> const tokens{1, 2, 3, 4};
  std::string const none = "what is fed of sequence 0 is no tree after a token, or has more than the ";
  auto const tree = [&](std::vector<std::int32_t> const& parents, std::size_t rows, std::size_t branches) {
    return refusal(TreeSegment{SequenceId{0}, tokens, rows, parents}, 0, branches);
  };
  CHECK(tree({-1, -1}, 3, 1) == "");
  CHECK(tree({-1, -1}, 3, 0) == none + "0 branches that are left");
  CHECK(tree({-1, 1}, 3, 2) == none + "2 branches that are left");
  CHECK(tree({-1, -2}, 3, 2) == none + "2 branches that are left");
  CHECK(tree({-1, 0}, 2, 2) == none + "2 branches that are left");
  CHECK(tree({-1, 0, 1, 2}, 5, 2) == none + "2 branches that are left");
}
