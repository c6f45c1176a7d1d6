// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/mix/detail/mixer.hpp>
#include <copyspec/mix/detail/mixer_input.hpp>
#include <copyspec/mix/detail/prediction.hpp>

#include <random>

#include "mixer_evidence.hpp"
#include "mixer_probe.hpp"
#include "uniform.hpp"

namespace copyspec_test {

using copyspec::Token;
using copyspec::detail::Mixer;
using copyspec::detail::MixerInput;
using copyspec::detail::Prediction;

// A text in which the first pointer is right in so many cases, and the second in others.
struct Source {
  double first;
  double second;

  Token operator()(std::mt19937_64& random, MixerInput const& evidence) const {
    double const drawn = uniform(random);
    if (drawn < first) return evidence.votes[0].token;
    return drawn < first + second ? evidence.votes[1].token : 100000;
  }
};

struct Measured {
  double first = 0;   // mean chance of what the first pointer points to
  double second = 0;  // and the second
  double loss = 0;
};

// Has `mixer` learn from so many tokens of a source.
inline Measured run(Mixer& mixer, std::mt19937_64& random, Source const& source, int steps) {
  Measured sum;
  for (int i = 0; i < steps; ++i) {
    MixerInput const evidence = two_votes(random);
    Prediction const prediction = predict(mixer, evidence);
    Token const token = source(random, evidence);
    sum.first += static_cast<double>(chance(prediction, evidence.votes[0].token)) / steps;
    sum.second += static_cast<double>(chance(prediction, evidence.votes[1].token)) / steps;
    sum.loss += loss(prediction, token) / steps;
    mixer.learn(prediction, token);
  }
  return sum;
}

}  // namespace copyspec_test
