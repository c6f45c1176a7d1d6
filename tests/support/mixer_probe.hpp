// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/mix/detail/mixer.hpp>
#include <copyspec/mix/detail/mixer_input.hpp>
#include <copyspec/mix/detail/prediction.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tokens.hpp"

namespace copyspec_test {

using copyspec::Token;
using copyspec::detail::Mixer;
using copyspec::detail::MixerInput;
using copyspec::detail::Prediction;

inline Prediction predict(Mixer const& mixer, MixerInput const& evidence) {
  Prediction prediction;
  mixer.predict(evidence, prediction);
  return prediction;
}

inline float chance(Prediction const& prediction, Token token) {
  for (std::size_t i = 0; i < prediction.size; ++i)
    if (prediction.candidates[i].token == token) return prediction.candidates[i].probability;
  return 0;
}

inline float chance(Mixer const& mixer, MixerInput const& evidence, Token token) {
  return chance(predict(mixer, evidence), token);
}

// What `token` cost in nats; what is no candidate shares what is left.
inline double loss(Prediction const& prediction, Token token) {
  double left = 1;
  for (std::size_t i = 0; i < prediction.size; ++i) left -= static_cast<double>(prediction.candidates[i].probability);
  double const given = static_cast<double>(chance(prediction, token));
  return -std::log(given > 0 ? given : left);
}

inline Tokens tokens_of(Prediction const& prediction) {
  Tokens tokens;
  for (std::size_t i = 0; i < prediction.size; ++i) tokens.push_back(prediction.candidates[i].token);
  return tokens;
}

inline void check_valid(Prediction const& prediction) {
  float total = 0;
  REQUIRE(prediction.size <= Prediction::max_candidates);
  for (std::size_t i = 0; i < prediction.size; ++i) {
    float const chance = prediction.candidates[i].probability;
    REQUIRE(std::isfinite(chance));
    REQUIRE(chance > 0);
    REQUIRE(chance <= prediction.candidates[prediction.best].probability);
    for (std::size_t f = 0; f < prediction.feature_count(); ++f) REQUIRE(std::abs(prediction.x[f][i]) < 6.3F);
    total += chance;
  }
  REQUIRE(total < 1);
}

inline std::span<std::uint32_t const> sets_of(Prediction const& prediction) {
  return std::span(prediction.sets).first(prediction.set_count());
}

inline std::vector<std::uint32_t> states_of(Prediction const& prediction, std::size_t candidate) {
  std::vector<std::uint32_t> states;
  for (std::size_t input = 0; input < prediction.input_count(); ++input)
    states.push_back(prediction.states[input][candidate]);
  return states;
}

inline std::vector<float> features_of(Prediction const& prediction, std::size_t candidate) {
  std::vector<float> features;
  for (std::size_t f = 0; f < prediction.feature_count(); ++f) features.push_back(prediction.x[f][candidate]);
  return features;
}

inline void check_same(Prediction const& a, Prediction const& b) {
  REQUIRE(tokens_of(a) == tokens_of(b));
  if (a.size == 0) return;
  REQUIRE(a.best == b.best);
  REQUIRE(std::ranges::equal(sets_of(a), sets_of(b)));
  for (std::size_t c = 0; c < a.size; ++c) {
    REQUIRE(a.candidates[c].probability == b.candidates[c].probability);
    REQUIRE(std::ranges::equal(states_of(a, c), states_of(b, c)));
    REQUIRE(std::ranges::equal(features_of(a, c), features_of(b, c)));
  }
}

}  // namespace copyspec_test
