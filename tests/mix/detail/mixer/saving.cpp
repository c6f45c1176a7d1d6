// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/mixer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/mix/detail/mixer_input.hpp>
#include <copyspec/mix/detail/prediction.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "support/mixer_evidence.hpp"
#include "support/mixer_probe.hpp"
#include "support/uniform.hpp"

using copyspec::Token;
using copyspec::detail::Mixer;
using copyspec::detail::MixerInput;
using copyspec::detail::Prediction;
using copyspec_test::any_evidence;
using copyspec_test::any_token;
using copyspec_test::below;
using copyspec_test::predict;
using copyspec_test::tokens_of;

namespace {

using Random = std::mt19937_64;

// A mixer that has learnt from whatever came.
Mixer experienced(std::uint64_t seed, std::size_t steps) {
  Random random(seed);
  Mixer mixer;
  for (std::size_t i = 0; i < steps; ++i) {
    MixerInput const evidence = any_evidence(random);
    Prediction const prediction = predict(mixer, evidence);
    bool const guessed = prediction.size > 0 && below(random, 3) > 0;
    mixer.learn(prediction,
                guessed ? prediction.candidates[below(random, prediction.size)].token : any_token(random, 12));
  }
  return mixer;
}

bool same_bits(std::span<float const> left, std::span<float const> right) {
  return std::ranges::equal(
      left, right, {}, [](float x) { return std::bit_cast<std::uint32_t>(x); },
      [](float x) { return std::bit_cast<std::uint32_t>(x); });
}

// What is said of numbers that are refused, by a mixer that stays as it is.
std::string refusal(std::vector<float> const& numbers) {
  Mixer mixer = experienced(5, 20);
  std::vector<float> const before = mixer.learnt();
  std::string message;
  try {
    mixer.set_learnt(numbers, "the/file");
  } catch (copyspec::Error const& error) {
    message = error.what();
    CHECK(message.starts_with("the/file: "));
  }
  REQUIRE(same_bits(mixer.learnt(), before));
  return message;
}

}  // namespace

TEST_CASE("a mixer that takes in what another has learnt predicts and learns as that one, bit for bit") {
  for (std::size_t const steps : {0U, 1U, 3000U}) {
    CAPTURE(steps);
    Mixer mixer = experienced(1, steps);
    std::vector<float> const learnt = mixer.learnt();
    CHECK(learnt.size() == Mixer::learnt_size());
    Mixer other = experienced(2, 500);
    other.set_learnt(learnt, "");
    CHECK(same_bits(other.learnt(), learnt));
    Random random(3);
    for (std::size_t i = 0; i < 1000; ++i) {
      MixerInput const evidence = any_evidence(random);
      Prediction const prediction = predict(mixer, evidence);
      Prediction const same = predict(other, evidence);
      REQUIRE(tokens_of(prediction) == tokens_of(same));
      for (std::size_t c = 0; c < prediction.size; ++c)
        REQUIRE(prediction.candidates[c].probability == same.candidates[c].probability);
      Token const token = any_token(random, 12);
      mixer.learn(prediction, token);
      other.learn(same, token);
    }
    CHECK(same_bits(other.learnt(), mixer.learnt()));
  }
}

TEST_CASE("numbers of another count or layout are refused, and nothing is changed") {
  std::vector<float> const numbers = Mixer().learnt();
  for (std::size_t const size : {std::size_t{0}, std::size_t{1}, numbers.size() - 1, numbers.size() + 1}) {
    std::vector<float> other = numbers;
    other.resize(size, 0.5F);
    CHECK(refusal(other).find("has " + std::to_string(size) + " learnt numbers, a mixer has " +
                              std::to_string(numbers.size())) != std::string::npos);
  }
  for (float const layout : {0.0F, 1.0F, 3.0F, -1.0F, std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> other = numbers;
    other[0] = layout;
    CHECK(refusal(other).find("of layout") != std::string::npos);
  }
}

TEST_CASE("numbers that cannot have been learnt are refused wherever they stand, and nothing is changed") {
  std::vector<float> const numbers = experienced(4, 100).learnt();
  std::size_t const states = 7 * copyspec::detail::ContextState::count + 4 * copyspec::detail::PointerState::count;
  std::size_t const first_of_copies = numbers.size() - 2;
  std::size_t const first_share = first_of_copies - 2 * states;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  auto const refused = [&](std::size_t at, float number) {
    std::vector<float> other = numbers;
    other[at] = number;
    return refusal(other).find("learnt number " + std::to_string(at) + " is ") != std::string::npos;
  };
  for (float const number : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity, 3e38F, -2e6F})
    for (std::size_t const at : {std::size_t{1}, first_share / 2, first_share - 1, first_share, first_share + 1,
                                 first_of_copies - 2, first_of_copies - 1, first_of_copies, first_of_copies + 1})
      CHECK(refused(at, number));
  for (float const share : {0.0F, -0.5F, 0.001F, 0.999F, 1.0F}) CHECK(refused(first_share, share));
  for (float const seen : {0.0F, 0.5F, 256.0F}) CHECK(refused(first_share + 1, seen));
  for (float const number : {-0.5F, 32.5F})
    for (std::size_t const at : {first_of_copies, first_of_copies + 1}) CHECK(refused(at, number));
  std::vector<float> extreme = numbers;
  for (std::size_t i = 1; i < first_share; ++i) extreme[i] = i % 2 == 0 ? 1e6F : -1e6F;
  Mixer mixer;
  mixer.set_learnt(extreme, "");
  Random random(6);
  for (std::size_t i = 0; i < 300; ++i) {
    Prediction const prediction = predict(mixer, any_evidence(random));
    for (std::size_t c = 0; c < prediction.size; ++c) {
      REQUIRE(prediction.candidates[c].probability >= 0);
      REQUIRE(prediction.candidates[c].probability <= 1);
    }
  }
}
