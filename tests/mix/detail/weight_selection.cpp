// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/weight_selection.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "support/random_input.hpp"

using copyspec::Token;
using copyspec::detail::MixerInput;
using copyspec::detail::PointerState;
using copyspec::detail::Prediction;
using copyspec::detail::WeightSelection;

namespace {

Prediction selected(MixerInput const& input) {
  Prediction prediction;
  WeightSelection::select(input, prediction);
  return prediction;
}

// What a group of sets is selected by.
using Key = std::tuple<std::uint32_t, std::uint32_t>;

Key lengths(MixerInput const& input, std::size_t first) {
  MixerInput::Vote const& longest = input.votes[first];
  MixerInput::Vote const& recovered = input.votes[first + 1];
  return {longest.token < 0 ? 0 : PointerState::length_class(longest.length), recovered.token < 0    ? 0
                                                                              : recovered.length < 4 ? 1
                                                                              : recovered.length < 8 ? 2
                                                                                                     : 3};
}

std::uint32_t order(MixerInput const& input, std::size_t first) {
  if (input.successors[first + 1].size() > 0) return 2;
  return input.successors[first].size() > 0 ? 1 : 0;
}

std::array<Key, Prediction::weight_sets> keys_of(MixerInput const& input) {
  return {lengths(input, 0), Key{input.hits % 16, 0}, Key{static_cast<std::uint32_t>(input.newest), 0},
          Key{order(input, 0), input.history ? order(input, 4) : 0}, lengths(input, 2)};
}

constexpr std::size_t newest_group = 2;

}  // namespace

TEST_CASE("groups of sets follow one another") {
  std::size_t first = 0;
  for (std::size_t group = 0; group < Prediction::weight_sets; ++group) {
    CHECK(WeightSelection::first_sets[group] == first);
    first += WeightSelection::group_sizes[group];
  }
  CHECK(WeightSelection::first_sets.back() == first);
}

TEST_CASE("inputs have a set of a group in common if and only if what selects it is the same") {
  Random random(1);
  std::array<std::map<Key, std::uint32_t>, Prediction::weight_sets> sets;
  for (int round = 0; round < 50000; ++round) {
    MixerInput input = random_input(random);
    // Often few tokens, for short lengths.
    if (round % 2 == 0)
      for (MixerInput::Vote& vote : input.votes) vote.length %= 70;
    Prediction const prediction = selected(input);
    auto const keys = keys_of(input);
    for (std::size_t group = 0; group < Prediction::weight_sets; ++group) {
      std::uint32_t const set = prediction.sets[group];
      REQUIRE(set >= WeightSelection::first_sets[group]);
      REQUIRE(set < WeightSelection::first_sets[group + 1]);
      REQUIRE(sets[group].try_emplace(keys[group], set).first->second == set);
    }
  }
  for (std::size_t group = 0; group < Prediction::weight_sets; ++group) {
    CAPTURE(group);
    std::set<std::uint32_t> different;
    for (auto const& [key, set] : sets[group]) different.insert(set);
    CHECK(different.size() == sets[group].size());
    if (group != newest_group) CHECK(different.size() == WeightSelection::group_sizes[group]);
  }
}

TEST_CASE("newest tokens are spread over all sets of their group") {
  std::map<std::uint32_t, std::size_t> uses;
  for (Token newest = 0; newest < 32 * 1024; ++newest) ++uses[selected({.newest = newest}).sets[newest_group]];
  CHECK(uses.size() == WeightSelection::group_sizes[newest_group]);
  for (auto const& [set, count] : uses) CHECK(count < 32 * 2);
}

TEST_CASE("a candidate's biases depend on its token, and on the newest token and its own, in this order") {
  auto const biases = [](Token newest, Token token) {
    Prediction prediction;
    prediction.size = 3;
    prediction.candidates[1].token = 7;
    prediction.candidates[2].token = token;
    WeightSelection::select({.newest = newest}, prediction);
    return std::pair(prediction.candidates[2].token_bias, prediction.candidates[2].pair_bias);
  };
  std::size_t same_token = 0;
  std::size_t same_pair = 0;
  std::size_t same_swapped = 0;
  std::set<std::uint32_t> tokens;
  std::set<std::uint32_t> pairs;
  for (Token token = 1; token <= 20000; ++token) {
    auto const [token_bias, pair_bias] = biases(5, token);
    REQUIRE(token_bias < WeightSelection::token_biases);
    REQUIRE(pair_bias < WeightSelection::pair_biases);
    REQUIRE(biases(token, token).first == token_bias);
    tokens.insert(token_bias);
    pairs.insert(pair_bias);
    if (biases(5, token + 1).first == token_bias) ++same_token;
    if (biases(6, token).second == pair_bias) ++same_pair;
    if (biases(token, 5).second == pair_bias) ++same_swapped;
  }
  // As many as by chance, at most.
  CHECK(same_token < 50);
  CHECK(same_pair < 50);
  CHECK(same_swapped < 50);
  CHECK(tokens.size() > WeightSelection::token_biases * 9 / 10);
  CHECK(pairs.size() > WeightSelection::pair_biases / 2);
}

TEST_CASE("what is no candidate is left as it is") {
  Prediction prediction;
  prediction.size = 1;
  prediction.candidates[1] = {.token = 4, .token_bias = 77, .pair_bias = 88};
  WeightSelection::select({.newest = 3}, prediction);
  CHECK(prediction.candidates[1].token_bias == 77);
  CHECK(prediction.candidates[1].pair_bias == 88);
}
