// SPDX-License-Identifier: MIT
#include <copyspec/verify/detail/accept_chain.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace {

using copyspec::LogitsView;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;
using copyspec::detail::RowToken;
using Tokens = std::vector<Token>;

// Accepts the draft at the end of `tokens`, where a row holds the token that it gives, -1 if it is invalid, or -2 if
// all of it is excluded.
struct Walk {
  std::size_t rows_read = 0;
  std::vector<Tokens> before = {};

  Verdict operator()(std::vector<float> const& rows, Tokens const& tokens, std::size_t length) {
    auto const token_of = [&](std::span<float const> row, std::span<Token const> context) -> RowToken {
      ++rows_read;
      before.emplace_back(context.begin(), context.end());
      if (row[0] == -2) return {.status = VerdictStatus::all_excluded};
      return RowToken::of(row[0] < 0 ? std::nullopt : std::optional(static_cast<Token>(row[0])));
    };
    return copyspec::detail::accept_chain(LogitsView<float>(rows.data(), rows.size(), 1), tokens, length, token_of);
  }
};

bool same(Verdict const& a, Verdict const& b) {
  return a.accepted == b.accepted && a.next == b.next && a.status == b.status;
}

}  // namespace

TEST_CASE("a draft is accepted up to the first token that its row does not give") {
  Walk walk;
  CHECK(same(walk({5, 6, 7, 8}, {1, 2, 5, 6, 9}, 2), {.accepted = 2, .next = 7}));
  CHECK(walk.rows_read == 3);
}

TEST_CASE("after a draft that is right throughout comes the token of the last row") {
  Walk walk;
  CHECK(same(walk({5, 6, 7}, {1, 5, 6}, 1), {.accepted = 2, .next = 7}));
  CHECK(same(Walk()({4}, {1, 2}, 2), {.accepted = 0, .next = 4}));
}

TEST_CASE("each row is given the tokens before it") {
  Walk walk;
  CHECK(walk({5, 6, 7}, {1, 2, 5, 6}, 2).accepted == 2);
  CHECK(walk.before == std::vector<Tokens>{{1, 2}, {1, 2, 5}, {1, 2, 5, 6}});
}

TEST_CASE("a row that gives no token ends the walk where it comes") {
  CHECK(same(Walk()({5, -1, 7}, {5, 6}, 0), {.accepted = 1, .next = 0, .status = VerdictStatus::invalid_row}));
  CHECK(same(Walk()({5, 6, -1}, {5, 6}, 0), {.accepted = 2, .next = 0, .status = VerdictStatus::invalid_row}));
  CHECK(same(Walk()({5, -2, 7}, {5, 6}, 0), {.accepted = 1, .next = 0, .status = VerdictStatus::all_excluded}));
  CHECK(same(Walk()({5, 6, -1}, {4, 6}, 0), {.accepted = 0, .next = 5}));
}
