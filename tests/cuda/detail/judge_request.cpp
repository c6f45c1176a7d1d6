// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/judge_request.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "copyspec/cuda/detail/greedy_rule.hpp"
#include "cuda/support/batch.hpp"
#include "cuda/support/host_team.hpp"

using copyspec::Token;
using copyspec::cuda::VerifyLimits;
using copyspec::cuda::VerifyStatus;
using copyspec::detail::BestWord;
using copyspec::detail::DraftView;
using copyspec::detail::GreedyRule;
using copyspec::detail::judge_request;
using copyspec::detail::refuse_request;
using copyspec::detail::RunningBest;
using copyspec::detail::scratch_bytes;

namespace {

constexpr VerifyLimits limits{.max_requests = 2, .max_draft_length = 3};

BestWord word(std::uint32_t token) {
  RunningBest best;
  best.offer(1.0F, token);
  return best.word();
}

// Says which row gave each token.
struct RowRule : GreedyRule {
  std::vector<std::size_t>* entries;
  void emit(std::size_t place, std::uint32_t request, std::size_t entry, HostTeam const&) const {
    CHECK(place / (limits.max_draft_length + 1) == request);
    entries->at(place) = entry;
  }
};

Verdicts judge(std::vector<Token> const& tokens, std::vector<std::int32_t> const& parents,
               std::vector<BestWord> const& own, std::uint32_t team_size) {
  std::size_t const first = limits.max_draft_length + 1;
  std::vector<BestWord> words(2 * first, 0);
  std::ranges::copy(own, words.begin() + first);
  std::vector<std::uint32_t> decisions(2 * first, 0);
  std::fill_n(decisions.begin() + first, own.size(), 5);
  std::vector<std::size_t> entries(2 * first, 77);
  Verdicts verdicts = poisoned(limits);
  HostTeam team(team_size, scratch_bytes(limits.max_draft_length), team_size - 1);
  judge_request({.tokens = tokens.data(),
                 .parents = parents.empty() ? nullptr : parents.data(),
                 .length = static_cast<std::uint32_t>(tokens.size())},
                10, {.words = words.data(), .decisions = decisions.data()}, view(verdicts), limits, 1,
                RowRule{{}, &entries}, team);
  CHECK(std::ranges::all_of(words, [](BestWord left) { return left == 0; }));
  CHECK(std::ranges::all_of(decisions, [](std::uint32_t left) { return left == 0; }));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    bool const said = i >= first && verdicts.emitted[i] != -1;
    std::size_t const node =
        said && i > first ? static_cast<std::size_t>(verdicts.path[limits.max_draft_length + i - first - 1]) + 1 : 0;
    CHECK(entries[i] == (i < first ? 77 : said ? first + node : copyspec::detail::no_entry));
  }
  return verdicts;
}

}  // namespace

TEST_CASE("a verdict, what is emitted and the path are those of the request, to the end of its room") {
  for (std::uint32_t const team : {1U, 2U, 7U}) {
    Verdicts const chain = judge({4, 5}, {}, {word(4), word(6), word(7)}, team);
    CHECK(chain.verdicts[0].accepted == poison);
    CHECK(chain.verdicts[1].accepted == 1);
    CHECK(chain.verdicts[1].next == 6);
    CHECK(chain.verdicts[1].status == VerifyStatus::ok);
    CHECK(chain.emitted == std::vector<Token>{poison, poison, poison, poison, 4, 6, -1, -1});
    CHECK(chain.path == std::vector<std::int32_t>{poison, poison, poison, 0, -1, -1});
    Verdicts const tree = judge({4, 5, 8}, {-1, -1, 1}, {word(5), word(0), word(8), word(9)}, team);
    CHECK(tree.emitted == std::vector<Token>{poison, poison, poison, poison, 5, 8, 9, -1});
    CHECK(tree.path == std::vector<std::int32_t>{poison, poison, poison, 1, 2, -1});
  }
}

TEST_CASE("a row without a token leaves what was accepted before it") {
  Verdicts const verdicts = judge({4, 5}, {}, {word(4), 0, word(7)}, 2);
  CHECK(verdicts.verdicts[1].accepted == 1);
  CHECK(verdicts.verdicts[1].next == -1);
  CHECK(verdicts.verdicts[1].status == VerifyStatus::invalid_row);
  CHECK(verdicts.emitted[4] == 4);
  CHECK(verdicts.emitted[5] == -1);
}

TEST_CASE("what cannot be judged is refused, even where no row would come to it") {
  for (std::uint32_t const team : {1U, 3U}) {
    CHECK(judge({4, 10}, {}, {word(1), word(1), word(1)}, team).verdicts[1].status == VerifyStatus::bad_token);
    CHECK(judge({4, -1}, {}, {word(1), word(1), word(1)}, team).verdicts[1].status == VerifyStatus::bad_token);
    Verdicts const tree = judge({4, 5}, {-1, 1}, {word(4), word(1), word(1)}, team);
    CHECK(tree.verdicts[1].status == VerifyStatus::bad_tree);
    CHECK(tree.verdicts[1].accepted == 0);
    CHECK(tree.emitted[4] == -1);
  }
}

TEST_CASE("outputs that nobody wants are not written") {
  std::vector<copyspec::cuda::BatchVerdict> verdicts(2);
  std::vector<BestWord> words = {word(3)};
  std::vector<std::uint32_t> decisions(1);
  GreedyRule const rule;
  HostTeam team(2, scratch_bytes(3));
  judge_request({}, 10, {.words = words.data(), .decisions = decisions.data()}, {.verdicts = verdicts.data()}, limits,
                0, rule, team);
  CHECK(verdicts[0].next == 3);
  refuse_request(VerifyStatus::bad_offsets, {.verdicts = verdicts.data()}, limits, 1, rule, team);
  CHECK(verdicts[1].status == VerifyStatus::bad_offsets);
}
