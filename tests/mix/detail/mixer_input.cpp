// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/mixer_input.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

using copyspec::Source;
using copyspec::Token;
using copyspec::detail::ContextState;
using copyspec::detail::MixerInput;
using copyspec::detail::PointerState;
using copyspec::detail::SuccessorCounts;

namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

// SuccessorCounts with given counts, the latest first. Of what decays, more is observed before.
SuccessorCounts with_counts(std::vector<std::pair<Token, std::uint32_t>> const& wanted) {
  SuccessorCounts successors;
  for (auto entry = wanted.rbegin(); entry != wanted.rend(); ++entry)
    for (std::uint32_t i = 0; i < entry->second; ++i) successors.observe(entry->first);
  return successors;
}

// The state of a context about a candidate.
std::uint32_t state_about(SuccessorCounts const& successors, Token candidate) {
  std::uint32_t own = 0;
  for (std::size_t i = 0; i < successors.size(); ++i)
    if (successors.token(i) == candidate) own = successors.count(i);
  return ContextState::of(own, successors.total() - own, successors.size() > 0 && successors.token(0) == candidate);
}

// The class that a count belongs to.
int count_class(std::uint32_t count) {
  if (count <= 3) return static_cast<int>(count);
  if (count <= 6) return 4;
  return count <= 12 ? 5 : 6;
}

constexpr std::uint32_t greatest = std::numeric_limits<std::uint32_t>::max();

constexpr std::array<std::uint32_t, 33> lengths{0,  1,  2,  3,  4,  5,  6,   7,    8,        9,        10,
                                                11, 12, 13, 15, 16, 17, 18,  20,   24,       25,       30,
                                                32, 33, 40, 63, 64, 65, 100, 1000, 1U << 20, 1U << 31, greatest};

}  // namespace

TEST_CASE("without evidence nothing is known") {
  MixerInput const evidence;
  for (SuccessorCounts const& successors : evidence.successors) CHECK(successors.size() == 0);
  for (MixerInput::Vote const& vote : evidence.votes) CHECK(vote.token < 0);
  CHECK_FALSE(evidence.history);
  // As many contexts as are kept of the own text, and what a history adds.
  CHECK(evidence.successors.size() == copyspec::detail::ContextHashes::count + 3);
  CHECK(evidence.votes.size() == 2 + 2);
}

TEST_CASE(
    "a token is from the text of the longest match that points to it, or else of the longest context it followed") {
  Random random(7);
  // By input: how long, and which text; what is first wins among equals.
  constexpr std::array<std::pair<int, Source>, MixerInput::contexts> contexts{{{1, Source::context},
                                                                               {2, Source::context},
                                                                               {1, Source::context},
                                                                               {1, Source::context},
                                                                               {1, Source::history},
                                                                               {2, Source::history},
                                                                               {3, Source::history}}};
  std::map<Source, int> seen;
  for (int round = 0; round < 20000; ++round) {
    MixerInput evidence;
    for (std::size_t i = 0; i < MixerInput::pointers; ++i) {
      if (below(random, 3) > 0) continue;
      bool const own = i < MixerInput::own_pointers;
      evidence.votes[i] = {.token = static_cast<Token>(below(random, 6)),
                           .length = static_cast<std::uint32_t>(below(random, 5)),
                           .source = !own                    ? Source::history
                                     : below(random, 2) == 0 ? Source::reference
                                                             : Source::context};
    }
    for (SuccessorCounts& successors : evidence.successors)
      for (std::size_t i = below(random, 4); i > 0; --i) successors.observe(static_cast<Token>(below(random, 6)));
    for (Token token = 0; token < 6; ++token) {
      int longest = -1;
      Source expected = Source::context;
      for (MixerInput::Vote const& vote : evidence.votes)
        if (vote.token == token && static_cast<int>(vote.length) > longest) {
          longest = static_cast<int>(vote.length);
          expected = vote.source;
        }
      bool named = longest >= 0;
      for (SuccessorCounts const& successors : evidence.successors) named = named || successors.has(token);
      if (!named) continue;
      if (longest < 0)
        for (int length = 1; length <= 3; ++length)
          for (std::size_t c = MixerInput::contexts; c-- > 0;)
            for (std::size_t s = 0; s < evidence.successors[c].size(); ++s)
              if (contexts[c].first == length && evidence.successors[c].token(s) == token)
                expected = contexts[c].second;
      REQUIRE(evidence.source_of(token) == expected);
      ++seen[expected];
    }
  }
  for (Source const source : {Source::context, Source::reference, Source::history}) CHECK(seen[source] > 1000);
}

TEST_CASE("the state of a context is that of its counts, whatever was observed") {
  Random random(1);
  std::map<std::uint32_t, std::tuple<int, int, bool>> meaning;
  std::map<std::tuple<int, int, bool>, std::uint32_t> state_of;
  for (int round = 0; round < 4000; ++round) {
    SuccessorCounts successors;
    std::size_t const vocabulary = 1 + below(random, 5);
    for (std::size_t i = 1 + below(random, 120); i > 0; --i)
      successors.observe(static_cast<Token>(std::min(below(random, vocabulary), below(random, vocabulary))));
    for (Token candidate = 0; candidate <= 5; ++candidate) {
      std::uint32_t own = 0;
      std::uint32_t rivals = 0;
      for (std::size_t i = 0; i < successors.size(); ++i)
        (successors.token(i) == candidate ? own : rivals) += successors.count(i);
      std::tuple const means(count_class(own), count_class(rivals), successors.token(0) == candidate);
      std::uint32_t const state = state_about(successors, candidate);
      REQUIRE(state < ContextState::count);
      // One state, one meaning, and the other way around.
      REQUIRE(meaning.try_emplace(state, means).first->second == means);
      REQUIRE(state_of.try_emplace(means, state).first->second == state);
    }
  }
  CHECK(meaning.size() > 50);
}

TEST_CASE("the classes of a count are 0, 1, 2, 3, up to 6, up to 12, and above") {
  auto const state = [](std::uint32_t count) { return state_about(with_counts({{5, count}}), 5); };
  for (std::uint32_t count = 2; count <= SuccessorCounts::max_count; ++count) {
    CAPTURE(count);
    bool const begins = count <= 4 || count == 7 || count == 13;
    CHECK((state(count) != state(count - 1)) == begins);
  }
  CHECK(state(30) == state(31));
}

TEST_CASE("the layout of the states is pinned, which what is expected of them is read from") {
  // Count 2 of the latest, count 1 of a rival.
  static_assert(ContextState::count == 98);
  CHECK(state_about(with_counts({{5, 2}, {6, 1}}), 5) == (2 * 7 + 1) * 2 + 1);
  CHECK(state_about(with_counts({{5, 2}, {6, 1}}), 6) == (1 * 7 + 2) * 2);
  CHECK(state_about(with_counts({{5, 2}, {6, 1}}), 7) == 3 * 2);
  CHECK(state_about(SuccessorCounts(), 7) == 0);
  static_assert(PointerState::count == 1024);
  CHECK(PointerState::of({.token = 5, .length = 7, .misses = 2, .history = 0b1010'1101}, true) ==
        ((7 * 4 + 2) * 8 + 5) * 2 + 1);
}

TEST_CASE("token 0 is the latest only if it was seen") {
  CHECK(state_about(with_counts({{0, 1}}), 0) % 2 == 1);
  CHECK(state_about(with_counts({{0, 1}}), 1) % 2 == 0);
  CHECK(state_about(with_counts({{1, 1}, {0, 1}}), 0) == (1 * 7 + 1) * 2);
}

TEST_CASE("the state of a pointer is that of its length, misses, last three outcomes and vote") {
  std::set<std::uint32_t> states;
  std::map<std::uint32_t, std::tuple<std::uint32_t, int, int, bool>> meaning;
  for (std::uint32_t const length : lengths) {
    for (int misses = 0; misses < 256; ++misses) {
      for (int history = 0; history < 256; history += misses < 5 ? 1 : 17) {
        for (Token const candidate : {5, 6}) {
          std::uint32_t const state = PointerState::of({.token = 5,
                                                        .length = length,
                                                        .misses = static_cast<std::uint8_t>(misses),
                                                        .history = static_cast<std::uint8_t>(history)},
                                                       candidate == 5);
          REQUIRE(state < PointerState::count);
          std::tuple const means(PointerState::length_class(length), std::min(misses, 3), history % 8, candidate == 5);
          REQUIRE(meaning.try_emplace(state, means).first->second == means);
        }
      }
    }
  }
  // Every state is that of some pointer.
  CHECK(meaning.size() == PointerState::count);
}

TEST_CASE("classes of lengths are fine where matches are short, and there are no more than said") {
  for (std::uint32_t length = 0; length <= 8; ++length) CHECK(PointerState::length_class(length) == length);
  std::vector<std::uint32_t> first;
  for (std::uint32_t length = 1; length < 1000; ++length) {
    std::uint32_t const step = PointerState::length_class(length) - PointerState::length_class(length - 1);
    REQUIRE(step <= 1);
    if (step == 1) first.push_back(length);
  }
  CHECK(first == std::vector<std::uint32_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 17, 25, 33, 64});
  CHECK(first.size() + 1 == PointerState::lengths);
  CHECK(PointerState::length_class(greatest) == PointerState::lengths - 1);
}

TEST_CASE("what is expected before anything was learnt is a chance") {
  for (std::uint32_t state = 0; state < ContextState::count; ++state) {
    for (float const trust : {0.01F, 0.5F, 0.73F, 1.0F}) {
      CAPTURE(state);
      CAPTURE(trust);
      CHECK(ContextState::prior(state, trust) > 0);
      CHECK(ContextState::prior(state, trust) < 1);
    }
  }
  for (std::uint32_t state = 0; state < PointerState::count; ++state) {
    CAPTURE(state);
    CHECK(PointerState::prior(state) > 0);
    CHECK(PointerState::prior(state) < 1);
  }
}

TEST_CASE("more is expected of what was seen more often, is the latest, and has fewer rivals") {
  auto const prior = [](std::uint32_t own, std::uint32_t rivals, std::uint32_t latest) {
    return ContextState::prior((own * 7 + rivals) * 2 + latest, 0.7F);
  };
  for (std::uint32_t rivals = 0; rivals < 7; ++rivals) {
    for (std::uint32_t own = 1; own < 7; ++own) {
      CHECK(prior(own, rivals, 1) > prior(own, rivals, 0));
      CHECK(prior(own, rivals, 0) > prior(0, rivals, 0));
      for (std::uint32_t const latest : {0U, 1U}) {
        if (own > 1) CHECK(prior(own, rivals, latest) > prior(own - 1, rivals, latest));
        if (rivals > 0) CHECK(prior(own, rivals, latest) < prior(own, rivals - 1, latest));
      }
    }
  }
  // As much as the context is trusted.
  for (std::uint32_t state = 14; state < ContextState::count; ++state)
    CHECK(ContextState::prior(state, 0.4F) < ContextState::prior(state, 0.6F));
}

TEST_CASE("more is expected of a longer match, and less after misses") {
  auto const prior = [](std::uint32_t length, std::uint32_t misses, std::uint32_t points) {
    return PointerState::prior((length * 32 + misses * 8 + 5) * 2 + points);
  };
  for (std::uint32_t misses = 0; misses < 4; ++misses) {
    for (std::uint32_t length = 0; length < PointerState::lengths; ++length) {
      // One that has just failed twice says nothing yet.
      if (length > 0 || misses < 2) CHECK(prior(length, misses, 1) > prior(length, misses, 0));
      if (length > 0) CHECK(prior(length, misses, 1) > prior(length - 1, misses, 1));
      if (length > 0) CHECK(prior(length, misses, 0) <= prior(length - 1, misses, 0));
      if (misses > 0) CHECK(prior(length, misses, 1) < prior(length, misses - 1, 1));
      if (misses > 0) CHECK(prior(length, misses, 0) >= prior(length, misses - 1, 0));
    }
  }
  CHECK(prior(3, 0, 1) > 0.5F);
  CHECK(prior(15, 0, 1) > 0.8F);
}
