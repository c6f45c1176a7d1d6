// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/mixer_weights.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"

using copyspec::detail::MixerWeights;
using copyspec::detail::Prediction;
using copyspec::detail::WeightSelection;

namespace {

using Numbers = std::vector<float>;

Numbers numbers_of(MixerWeights const& weights) {
  Numbers numbers;
  weights.append_to(numbers);
  return numbers;
}

// Where a weight and a bias stand among the numbers.
std::size_t at_weight(std::uint32_t set, std::size_t feature) {
  return set * Prediction::features + feature;
}
constexpr std::size_t first_token_bias = WeightSelection::first_sets.back() * Prediction::features;
constexpr std::size_t first_pair_bias = first_token_bias + WeightSelection::token_biases;

float around_zero(Random& random, float most) {
  return most * (static_cast<float>(below(random, 2001)) / 1000 - 1);
}

// Of any features, sets and biases; candidates may have a bias in common.
Prediction random_prediction(Random& random) {
  Prediction prediction;
  prediction.size = 1 + below(random, Prediction::max_candidates);
  prediction.history = below(random, 2) == 0;
  for (std::size_t group = 0; group < Prediction::weight_sets; ++group)
    prediction.sets[group] = static_cast<std::uint32_t>(WeightSelection::first_sets[group] +
                                                        below(random, WeightSelection::group_sizes[group]));
  for (auto& lanes : prediction.x)
    for (float& x : lanes) x = around_zero(random, 6);
  for (std::size_t c = 0; c < prediction.size; ++c) {
    prediction.candidates[c].token_bias = static_cast<std::uint32_t>(below(random, 3));
    prediction.candidates[c].pair_bias =
        static_cast<std::uint32_t>(WeightSelection::pair_biases - 1 - below(random, 3));
  }
  return prediction;
}

Prediction::Lanes random_errors(Random& random, std::size_t size) {
  Prediction::Lanes errors{};
  for (std::size_t c = 0; c < size; ++c) errors[c] = around_zero(random, 1);
  return errors;
}

// How many features count, and how many sets.
std::size_t features(Prediction const& prediction) {
  return prediction.history ? 13 : 8;
}
std::size_t sets(Prediction const& prediction) {
  return prediction.history ? 5 : 4;
}

}  // namespace

TEST_CASE("at first all inputs count for a third, once, and nothing else does") {
  Numbers const numbers = numbers_of(MixerWeights());
  REQUIRE(numbers.size() == MixerWeights::number_count());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    std::size_t const feature = i % Prediction::features;
    bool const constant = feature == Prediction::own_inputs || feature == Prediction::own_inputs + 1;
    bool const in_first_group = i < at_weight(WeightSelection::first_sets[1], 0);
    REQUIRE(numbers[i] == (in_first_group && !constant ? 0.3F : 0.0F));
  }
}

TEST_CASE("a score is the sum of all weights times features, and of the biases, in plain arithmetic") {
  Random random(1);
  MixerWeights weights;
  for (int round = 0; round < 300; ++round) {
    Prediction const prediction = random_prediction(random);
    Numbers const numbers = numbers_of(weights);
    auto const scores = weights.scores(prediction);
    for (std::size_t c = 0; c < prediction.size; ++c) {
      double expected = static_cast<double>(numbers[first_token_bias + prediction.candidates[c].token_bias]) +
                        static_cast<double>(numbers[first_pair_bias + prediction.candidates[c].pair_bias]);
      for (std::size_t k = 0; k < sets(prediction); ++k)
        for (std::size_t f = 0; f < features(prediction); ++f)
          expected +=
              static_cast<double>(numbers[at_weight(prediction.sets[k], f)]) * static_cast<double>(prediction.x[f][c]);
      REQUIRE(static_cast<double>(scores[c]) == doctest::Approx(expected).epsilon(1e-4));
    }
    weights.learn(prediction, random_errors(random, prediction.size));
  }
}

TEST_CASE("learning moves each weight and bias by its rate, the error and the feature, and no other") {
  Random random(2);
  // Of the match lengths, the recent hits, the newest token, the known contexts, the match lengths in a history.
  constexpr std::array<double, 5> rates{0.0025, 0.004, 0.015, 0.004, 0.0025};
  MixerWeights weights;
  for (int round = 0; round < 300; ++round) {
    Prediction const prediction = random_prediction(random);
    auto const errors = random_errors(random, prediction.size);
    Numbers const before = numbers_of(weights);
    std::vector<double> expected(before.begin(), before.end());
    for (std::size_t c = 0; c < prediction.size; ++c) {
      auto const error = static_cast<double>(errors[c]);
      expected[first_token_bias + prediction.candidates[c].token_bias] += 0.2 * error;
      expected[first_pair_bias + prediction.candidates[c].pair_bias] += 0.2 * error;
      for (std::size_t k = 0; k < sets(prediction); ++k)
        for (std::size_t f = 0; f < features(prediction); ++f)
          expected[at_weight(prediction.sets[k], f)] += rates[k] * error * static_cast<double>(prediction.x[f][c]);
    }
    weights.learn(prediction, errors);
    Numbers const after = numbers_of(weights);
    for (std::size_t i = 0; i < after.size(); ++i) {
      if (expected[i] == static_cast<double>(before[i])) REQUIRE(after[i] == before[i]);
      REQUIRE(static_cast<double>(after[i]) == doctest::Approx(expected[i]).epsilon(1e-4));
    }
  }
}

TEST_CASE("weights go on from the numbers of others, which are possible ones") {
  Random random(3);
  MixerWeights weights;
  for (int round = 0; round < 300; ++round) {
    Prediction const prediction = random_prediction(random);
    weights.learn(prediction, random_errors(random, prediction.size));
  }
  Numbers const numbers = numbers_of(weights);
  CHECK(std::ranges::all_of(numbers, MixerWeights::is_possible));
  MixerWeights other;
  other.assign(numbers);
  CHECK(numbers_of(other) == numbers);
  for (int round = 0; round < 100; ++round) {
    Prediction const prediction = random_prediction(random);
    auto const scores = weights.scores(prediction);
    auto const same = other.scores(prediction);
    for (std::size_t c = 0; c < prediction.size; ++c) REQUIRE(scores[c] == same[c]);
  }
}

TEST_CASE("weights that cannot have been learnt are known") {
  for (float const number : {0.0F, 1e6F, -1e6F}) CHECK(MixerWeights::is_possible(number));
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (float const number : {1.1e6F, -1.1e6F, infinity, -infinity, std::numeric_limits<float>::quiet_NaN()})
    CHECK_FALSE(MixerWeights::is_possible(number));
}

TEST_CASE("weights take some 160 KiB, allocated when they are made") {
  MixerWeights weights;
  CHECK(weights.memory_bytes() > 140 * 1024);
  CHECK(weights.memory_bytes() < 170 * 1024);
  Random random(4);
  Prediction const prediction = random_prediction(random);
  Numbers const numbers = numbers_of(weights);
  std::size_t const before = allocations();
  weights.learn(prediction, weights.scores(prediction));
  weights.assign(numbers);
  CHECK(allocations() == before);
}
