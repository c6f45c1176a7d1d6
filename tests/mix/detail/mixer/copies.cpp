// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/mixer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/mix/detail/copy_survival.hpp>
#include <copyspec/mix/detail/mixer_input.hpp>
#include <copyspec/mix/detail/prediction.hpp>

#include <cstddef>
#include <cstdint>
#include <random>

#include "support/mixer_evidence.hpp"
#include "support/mixer_probe.hpp"
#include "support/uniform.hpp"

using copyspec::Token;
using copyspec::detail::CopySurvival;
using copyspec::detail::Mixer;
using copyspec::detail::MixerInput;
using copyspec::detail::Prediction;
using copyspec_test::any_evidence;
using copyspec_test::below;
using copyspec_test::predict;
using copyspec_test::successors_of;

namespace {

MixerInput::Vote vote(Token token, std::uint32_t length) {
  return {.token = token, .length = length, .history = 7};
}

// What a mixer learns of how long copies go on, from this one prediction.
float rate_after(MixerInput const& input, Token token) {
  Mixer mixer;
  mixer.learn(predict(mixer, input), token);
  return mixer.survival().rate();
}

float rate_after(std::uint32_t length, bool went_on) {
  CopySurvival survival;
  survival.observe(length, went_on);
  return survival.rate();
}

}  // namespace

TEST_CASE("a mixer learns whether the longest match went on, in the own text or, if there is none, in the history") {
  CHECK(Mixer().survival().rate() == 1);
  MixerInput input;
  input.votes[0] = vote(5, 40);
  CHECK(rate_after(input, 5) == rate_after(40, true));
  CHECK(rate_after(input, 6) == rate_after(40, false));
  // Other votes do not count beside it.
  input.history = true;
  input.votes[1] = vote(6, 70);
  input.votes[2] = vote(6, 90);
  input.votes[3] = vote(6, 100);
  CHECK(rate_after(input, 5) == rate_after(40, true));
  CHECK(rate_after(input, 6) == rate_after(40, false));
  input.votes[0] = {};
  CHECK(rate_after(input, 6) == rate_after(90, true));
  CHECK(rate_after(input, 5) == rate_after(90, false));
  // Without a history, what is in its place does not count.
  input.history = false;
  CHECK(rate_after(input, 6) == 1);
  input.history = true;
  input.votes[2] = {};
  CHECK(rate_after(input, 6) == 1);
  CHECK(rate_after(input, 5) == 1);
}

TEST_CASE("a mixer learns nothing of copies where nothing is known or no text is being copied") {
  CHECK(rate_after(MixerInput(), 5) == 1);
  MixerInput input;
  input.successors[0] = successors_of({5, 5, 5});
  CHECK(rate_after(input, 5) == 1);
  CHECK(rate_after(input, 6) == 1);
}

TEST_CASE("what a mixer has learnt of copies is what counting gives") {
  std::mt19937_64 random(9);
  Mixer mixer;
  CopySurvival counted;
  for (int i = 0; i < 5000; ++i) {
    MixerInput const input = any_evidence(random);
    Prediction const prediction = predict(mixer, input);
    Token const token = static_cast<Token>(below(random, 12));
    mixer.learn(prediction, token);
    MixerInput::Vote const& own = input.votes[0];
    MixerInput::Vote const& other = input.votes[MixerInput::own_pointers];
    if (own.token >= 0)
      counted.observe(own.length, own.token == token);
    else if (input.history && other.token >= 0)
      counted.observe(other.length, other.token == token);
    REQUIRE(mixer.survival().rate() == counted.rate());
  }
  CHECK(counted.rate() != 1);
}
