// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/learnt_numbers.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "support/copying_text.hpp"

using copyspec::detail::CopySurvival;
using copyspec::detail::InputStates;
using copyspec::detail::LearntNumbers;
using copyspec::detail::MixerWeights;
using copyspec::detail::StateMap;

namespace {

constexpr std::size_t first_weight = 1;
constexpr std::size_t first_state = 1 + MixerWeights::number_count();
constexpr std::size_t first_of_copies = first_state + StateMap::number_count(InputStates::count);

// Numbers that a mixer may have learnt, all different from one another.
std::vector<float> possible_numbers() {
  std::vector<float> numbers{LearntNumbers::layout};
  for (std::size_t i = first_weight; i < first_state; ++i) numbers.push_back(static_cast<float>(i) / 1000);
  for (std::size_t state = 0; state < InputStates::count; ++state) {
    float const part = static_cast<float>(state + 1) / static_cast<float>(InputStates::count + 1);
    numbers.insert(numbers.end(), {0.01F + 0.9F * part, 1 + 200 * part});
  }
  numbers.insert(numbers.end(), {2.5F, 31.5F});
  return numbers;
}

struct Learnt {
  MixerWeights weights;
  InputStates inputs;
  CopySurvival survival;

  [[nodiscard]] std::vector<float> pack() const { return LearntNumbers::pack(weights, inputs.states(), survival); }
  void unpack(std::vector<float> const& numbers, std::string const& where) {
    LearntNumbers::unpack(numbers, where, weights, inputs.states(), survival);
  }
};

// What is said of numbers that are refused, which change nothing.
std::string refusal(std::vector<float> const& numbers) {
  Learnt learnt;
  learnt.unpack(possible_numbers(), "");
  std::string message;
  try {
    learnt.unpack(numbers, "the/file");
  } catch (copyspec::Error const& error) {
    CHECK(error.code() == copyspec::ErrorCode::file);
    message = error.what();
    CHECK(message.starts_with("the/file: "));
  }
  REQUIRE(learnt.pack() == possible_numbers());
  return message;
}

}  // namespace

TEST_CASE("numbers that are unpacked are those that are packed, in the same places") {
  Learnt learnt;
  learnt.unpack(possible_numbers(), "");
  CHECK(learnt.pack() == possible_numbers());
  CHECK(LearntNumbers::size() == possible_numbers().size());
  // Of the parts, in their order.
  std::vector<float> weights;
  learnt.weights.append_to(weights);
  CHECK(weights.front() == 0.001F);
  std::vector<float> states;
  learnt.inputs.states().append_to(states);
  CHECK(states.back() == possible_numbers()[first_of_copies - 1]);
  std::vector<float> copies;
  learnt.survival.append_to(copies);
  CHECK(copies == std::vector<float>{2.5F, 31.5F});
  CHECK(1 + weights.size() + states.size() + copies.size() == LearntNumbers::size());
}

TEST_CASE("what a mixer has at first is packed after its layout, and taken back") {
  Learnt const fresh;
  CHECK(fresh.pack().front() == LearntNumbers::layout);
  Learnt other;
  other.unpack(possible_numbers(), "");
  other.unpack(fresh.pack(), "");
  CHECK(other.pack() == fresh.pack());
}

TEST_CASE("learnt numbers of another count are refused with both counts, and change nothing") {
  std::size_t const size = LearntNumbers::size();
  for (std::size_t const other : {std::size_t{0}, std::size_t{1}, size - 1, size + 1}) {
    std::vector<float> numbers = possible_numbers();
    numbers.resize(other, 0.5F);
    CHECK(refusal(numbers) ==
          "the/file: has " + std::to_string(other) + " learnt numbers, a mixer has " + std::to_string(size));
  }
}

TEST_CASE("learnt numbers of another layout are refused, and change nothing") {
  for (float const layout : {0.0F, 1.0F, 3.0F, -1.0F, std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> numbers = possible_numbers();
    numbers[0] = layout;
    CHECK(refusal(numbers).find(", layout 2.000000 is known") != std::string::npos);
  }
}

TEST_CASE("a number that cannot have been learnt is refused by its place, and changes nothing") {
  Random random(1);
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  for (int round = 0; round < 40; ++round) {
    std::vector<float> numbers = possible_numbers();
    // The first of two is named.
    std::size_t const first = first_weight + below(random, numbers.size() - first_weight);
    std::size_t const second = first + below(random, numbers.size() - first);
    numbers[first] = below(random, 2) == 0 ? nan : -2e6F;
    numbers[second] = nan;
    CHECK(refusal(numbers).find(": learnt number " + std::to_string(first) + " is ") != std::string::npos);
  }
  for (std::size_t const at :
       {first_weight, first_state - 1, first_state, first_of_copies - 1, first_of_copies, first_of_copies + 1}) {
    std::vector<float> numbers = possible_numbers();
    numbers[at] = nan;
    CHECK(refusal(numbers).find(": learnt number " + std::to_string(at) + " is ") != std::string::npos);
  }
  // What is a weight is no share, and what is a share is no count.
  for (std::size_t const at : {first_state - 1, first_state, first_state + 1}) {
    std::vector<float> numbers = possible_numbers();
    numbers[at] = at == first_state ? 5.0F : at < first_state ? 5.0F : 0.5F;
    if (at < first_state) {
      Learnt learnt;
      learnt.unpack(numbers, "");
      CHECK(learnt.pack() == numbers);
    } else {
      CHECK(refusal(numbers).find("learnt number " + std::to_string(at)) != std::string::npos);
    }
  }
}

TEST_CASE("how long copies go on is learnt in numbers from 0 to 32, and others are refused by their place") {
  constexpr float infinite = std::numeric_limits<float>::infinity();
  CHECK(first_of_copies + 2 == LearntNumbers::size());
  for (std::size_t const at : {first_of_copies, first_of_copies + 1}) {
    for (float const bad :
         {-0.001F, -1.0F, 32.001F, 1000.0F, infinite, -infinite, std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<float> numbers = possible_numbers();
      numbers[at] = bad;
      CHECK(refusal(numbers).find(": learnt number " + std::to_string(at) + " is ") != std::string::npos);
    }
    for (float const good : {0.0F, 0.5F, 32.0F}) {
      std::vector<float> numbers = possible_numbers();
      numbers[at] = good;
      Learnt learnt;
      learnt.unpack(numbers, "");
      CHECK(learnt.pack() == numbers);
    }
  }
}

TEST_CASE("what was learnt of copies comes back, and is not what is known at first") {
  Learnt learnt;
  for (int i = 0; i < 500; ++i) learnt.survival.observe(40, i % 50 != 0);
  Learnt other;
  REQUIRE(learnt.survival.rate() != other.survival.rate());
  other.unpack(learnt.pack(), "");
  CHECK(other.survival.rate() == learnt.survival.rate());
  CHECK(other.survival(100) == learnt.survival(100));
  CHECK(other.pack() == learnt.pack());
  // And it goes on from there.
  learnt.survival.observe(64, false);
  other.survival.observe(64, false);
  CHECK(other.survival.rate() == learnt.survival.rate());
}
