// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/chain_drafts.hpp>

#include <doctest/doctest.h>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

using copyspec::Draft;
using copyspec::GreedyVerifier;
using copyspec::Sequence;
using copyspec::SequenceId;
using copyspec::Token;
using Toy = copyspec::testing::ToyModel<float>;

namespace {

struct Scripted {
  std::vector<Token> tokens;
  [[nodiscard]] Draft propose(std::span<Token const>, std::span<Token> space) const {
    std::ranges::copy(tokens, space.begin());
    return {tokens.size()};
  }
  static void truncate(std::size_t) {}
};

}  // namespace

TEST_CASE("a chain is fed up to the first token that is outside the vocabulary, and truncated without a path") {
  using Drafts = copyspec::detail::ChainDrafts<Scripted, GreedyVerifier, copyspec::LogitsOf<Toy>>;
  copyspec::EngineLimits const limits{.vocabulary_size = 8};
  Sequence sequence(SequenceId{0}, 100);
  sequence.begin(std::vector<Token>{1, 2}, 20);
  Drafts::Own own;
  auto const drafted = [&](std::vector<Token> tokens) {
    Scripted proposer{std::move(tokens)};
    std::span<Token> const space = sequence.draft_space(10);
    Draft const draft = Drafts::propose(proposer, own, sequence.context(), space);
    CHECK(draft.length == proposer.tokens.size());
    return Drafts::feedable(limits, own, sequence.context(), space.first(draft.length));
  };
  CHECK(drafted({}) == 0);
  CHECK(drafted({7, 8, 7}) == 1);
  CHECK(drafted({-1, 7}) == 0);
  CHECK(drafted({3, 4, 5}) == 3);
  Drafts::add(sequence.next_segment(3, 10), own, 1);
  CHECK(Drafts::tree_segments(limits).empty());
  sequence.accept({.accepted = 1, .next = 6}, [](std::span<Token const>) { return copyspec::StopDecision{}; });
  copyspec::Truncation const truncation = Drafts::truncation(own, sequence);
  CHECK(truncation.sequence == SequenceId{0});
  CHECK(truncation.length == 3);
  CHECK(truncation.path.empty());
}
