// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/candidate_set.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <random>
#include <vector>

using copyspec::Token;
using copyspec::detail::CandidateSet;
using copyspec::detail::MixerInput;
using copyspec::detail::Prediction;
using copyspec::detail::SuccessorCounts;

TEST_CASE("candidates are the first different tokens by rank, and each input knows which it names") {
  std::mt19937_64 random(1);
  std::size_t full = 0;
  for (int round = 0; round < 20000; ++round) {
    auto const kinds = static_cast<std::size_t>(1 + random() % 20);
    auto const any_token = [&] { return static_cast<Token>(random() % kinds); };
    MixerInput evidence{.history = random() % 2 == 0};
    for (MixerInput::Vote& vote : evidence.votes) vote.token = random() % 3 == 0 ? -1 : any_token();
    for (SuccessorCounts& successors : evidence.successors)
      for (std::size_t i = random() % 6; i > 0; --i) successors.observe(any_token());

    std::size_t const pointers = evidence.history ? 4 : 2;
    std::size_t const contexts = evidence.history ? 7 : 4;
    std::vector<Token> expected;
    auto const add = [&](Token token) {
      if (std::ranges::find(expected, token) == expected.end()) expected.push_back(token);
    };
    for (std::size_t i = 0; i < pointers; ++i)
      if (evidence.votes[i].token >= 0) add(evidence.votes[i].token);
    for (std::size_t rank = 0; rank < SuccessorCounts::capacity; ++rank)
      for (std::size_t context = 0; context < contexts; ++context)
        if (rank < evidence.successors[context].size()) add(evidence.successors[context].token(rank));
    auto const place = [&](Token token) {
      auto const at = static_cast<std::size_t>(std::ranges::find(expected, token) - expected.begin());
      return std::min<std::size_t>(at, CandidateSet::none);
    };

    CandidateSet named(evidence);
    std::array<Prediction::Candidate, Prediction::max_candidates> candidates;
    std::size_t const size = named.candidates(candidates);
    REQUIRE(size == std::min(expected.size(), Prediction::max_candidates));
    for (std::size_t c = 0; c < size; ++c) REQUIRE(candidates[c].token == expected[c]);
    for (std::size_t i = 0; i < pointers; ++i)
      if (evidence.votes[i].token >= 0) REQUIRE(named.of_vote(i) == place(evidence.votes[i].token));
    for (std::size_t context = 0; context < contexts; ++context)
      for (std::size_t rank = 0; rank < evidence.successors[context].size(); ++rank)
        REQUIRE(named.of_successor(context, rank) == place(evidence.successors[context].token(rank)));
    full += expected.size() > Prediction::max_candidates ? 1U : 0U;
  }
  CHECK(full > 1000);
}
