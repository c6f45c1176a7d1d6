// SPDX-License-Identifier: MIT
#include <copyspec/cuda/judge_request.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "batch.hpp"
#include "host_team.hpp"

using copyspec::Token;
using copyspec::cuda::BestWord;
using copyspec::cuda::DraftView;
using copyspec::cuda::judge_request;
using copyspec::cuda::refuse_request;
using copyspec::cuda::RunningBest;
using copyspec::cuda::scratch_bytes;
using copyspec::cuda::VerifyLimits;
using copyspec::cuda::VerifyStatus;

namespace {

constexpr VerifyLimits limits{.max_requests = 2, .max_draft_length = 3};

BestWord word(std::uint32_t token) {
  RunningBest best;
  best.offer(1.0F, token);
  return best.word();
}

Verdicts judge(std::vector<Token> const& tokens, std::vector<std::int32_t> const& parents, std::vector<BestWord> words,
               std::uint32_t team_size) {
  std::vector<std::uint32_t> decisions(words.size(), 5);
  Verdicts verdicts = poisoned(limits);
  HostTeam team(team_size, scratch_bytes(limits.max_draft_length), team_size - 1);
  judge_request({.tokens = tokens.data(),
                 .parents = parents.empty() ? nullptr : parents.data(),
                 .length = static_cast<std::uint32_t>(tokens.size())},
                10, words.data(), decisions.data(), view(verdicts), limits, 1, team);
  CHECK(std::ranges::all_of(words, [](BestWord left) { return left == 0; }));
  CHECK(std::ranges::all_of(decisions, [](std::uint32_t left) { return left == 0; }));
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
  HostTeam team(2, scratch_bytes(3));
  judge_request({}, 10, words.data(), decisions.data(), {.verdicts = verdicts.data()}, limits, 0, team);
  CHECK(verdicts[0].next == 3);
  refuse_request(VerifyStatus::bad_offsets, {.verdicts = verdicts.data()}, limits, 1, team);
  CHECK(verdicts[1].status == VerifyStatus::bad_offsets);
}
