// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/state_map.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"

using copyspec::detail::StateMap;

namespace {

std::vector<float> numbers_of(StateMap const& map) {
  std::vector<float> numbers;
  map.append_to(numbers);
  return numbers;
}

double share_of(StateMap const& map, std::size_t state) {
  return static_cast<double>(numbers_of(map)[2 * state]);
}

bool same_bits(float one, float other) {
  return std::bit_cast<std::uint32_t>(one) == std::bit_cast<std::uint32_t>(other);
}

void check_same(StateMap const& one, StateMap const& other) {
  REQUIRE(std::ranges::equal(numbers_of(one), numbers_of(other), same_bits));
  for (std::size_t state = 0; state < one.size(); ++state)
    REQUIRE(same_bits(one.log_odds(state), other.log_odds(state)));
}

std::vector<StateMap::Outcome> random_outcomes(Random& random, std::size_t count, std::size_t states) {
  std::vector<StateMap::Outcome> outcomes(count);
  for (StateMap::Outcome& outcome : outcomes) {
    std::size_t const candidates = 1 + below(random, 8);
    outcome = {.state = static_cast<std::uint16_t>(below(random, states)),
               .candidates = static_cast<float>(candidates),
               .came = static_cast<float>(below(random, candidates + 1))};
  }
  return outcomes;
}

void repeat(StateMap& map, StateMap::Outcome const& outcome, int times) {
  for (int i = 0; i < times; ++i) map.learn(std::array{outcome});
}

}  // namespace

TEST_CASE("a share is the mean of its outcomes and of a prior that weighs as one candidate and a half") {
  Random random(1);
  constexpr std::array<float, 4> priors{0.1F, 0.3F, 0.5F, 0.9F};
  for (int round = 0; round < 50; ++round) {
    StateMap map(priors);
    std::array<double, 4> candidates{};
    std::array<double, 4> came{};
    for (int step = 0; step < 100; ++step) {
      // No share comes near its bounds: of each two candidates one comes.
      auto const state = static_cast<std::uint16_t>(below(random, 4));
      map.learn(std::array{StateMap::Outcome{.state = state, .candidates = 2, .came = 1}});
      candidates[state] += 2;
      came[state] += 1;
      double const expected = (1.5 * static_cast<double>(priors[state]) + came[state]) / (1.5 + candidates[state]);
      REQUIRE(share_of(map, state) == doctest::Approx(expected).epsilon(1e-5));
    }
  }
}

TEST_CASE("after 255 candidates a share is a moving mean, which forgets") {
  StateMap map(std::array{0.5F});
  repeat(map, {.state = 0, .candidates = 1, .came = 1}, 100000);
  double expected = share_of(map, 0);
  CHECK(expected == doctest::Approx(0.998));
  for (int step = 0; step < 1000; ++step) {
    repeat(map, {.state = 0, .candidates = 1, .came = 0}, 1);
    expected = std::max(expected * (1 - 1 / 255.5), 0.002);
    REQUIRE(share_of(map, 0) == doctest::Approx(expected).epsilon(1e-3));
  }
  CHECK(share_of(map, 0) < 0.03);
}

TEST_CASE("log-odds are those of the share, before and after learning") {
  Random random(2);
  std::vector<float> priors(40);
  for (float& prior : priors) prior = 0.01F + 0.02F * static_cast<float>(below(random, 49));
  StateMap map(priors);
  for (int step = 0; step < 300; ++step) {
    for (std::size_t state = 0; state < map.size(); ++state) {
      double const share = share_of(map, state);
      REQUIRE(std::abs(static_cast<double>(map.log_odds(state)) - std::log(share / (1 - share))) < 1e-5);
    }
    map.learn(random_outcomes(random, below(random, 100), map.size()));
  }
}

TEST_CASE("outcomes learnt together are those learnt one after another, bit for bit, however often a state occurs") {
  Random random(3);
  for (std::size_t const states : {1U, 3U, 500U}) {
    std::vector<float> const priors(states, 0.3F);
    StateMap together(priors);
    StateMap one_by_one(priors);
    for (std::size_t count = 0; count < 200; ++count) {
      auto const outcomes = random_outcomes(random, count, states);
      together.learn(outcomes);
      for (StateMap::Outcome const& outcome : outcomes) one_by_one.learn(std::array{outcome});
      check_same(together, one_by_one);
    }
  }
}

TEST_CASE("only the states that are learnt from change") {
  StateMap map(std::array{0.2F, 0.4F, 0.6F});
  StateMap const before = map;
  repeat(map, {.state = 1, .candidates = 1, .came = 1}, 5);
  for (std::size_t const state : {0U, 2U}) {
    CHECK(same_bits(map.log_odds(state), before.log_odds(state)));
    CHECK(share_of(map, state) == share_of(before, state));
  }
  CHECK(map.log_odds(1) > before.log_odds(1));
}

TEST_CASE("a map goes on from the numbers of another, bit for bit, and they are possible ones") {
  Random random(4);
  std::vector<float> const priors(30, 0.5F);
  StateMap map(priors);
  for (int step = 0; step < 500; ++step) map.learn(random_outcomes(random, 20, map.size()));
  std::vector<float> const numbers = numbers_of(map);
  REQUIRE(numbers.size() == StateMap::number_count(map.size()));
  for (std::size_t i = 0; i < numbers.size(); ++i) REQUIRE(StateMap::is_possible(i, numbers[i]));
  StateMap other(priors);
  other.assign(numbers);
  check_same(other, map);
  for (int step = 0; step < 50; ++step) {
    auto const outcomes = random_outcomes(random, 20, map.size());
    map.learn(outcomes);
    other.learn(outcomes);
    check_same(other, map);
  }
}

TEST_CASE("numbers that no map gives are known") {
  for (float const share : {0.002F, 0.5F, 0.998F}) CHECK(StateMap::is_possible(0, share));
  for (float const share : {0.0F, 0.001F, 0.999F, 1.0F, -0.5F, std::numeric_limits<float>::quiet_NaN()})
    CHECK_FALSE(StateMap::is_possible(2, share));
  for (float const seen : {1.0F, 1.5F, 255.0F}) CHECK(StateMap::is_possible(1, seen));
  for (float const seen : {0.0F, 0.5F, 256.0F, std::numeric_limits<float>::quiet_NaN()})
    CHECK_FALSE(StateMap::is_possible(3, seen));
}

TEST_CASE("a state map takes 12 bytes a state, allocated when it is made") {
  std::vector<float> const priors(1000, 0.5F);
  StateMap map(priors);
  CHECK(map.memory_bytes() == 12 * priors.size());
  Random random(5);
  auto const outcomes = random_outcomes(random, 100, priors.size());
  std::vector<float> const numbers = numbers_of(map);
  std::size_t const before = allocations();
  map.learn(outcomes);
  map.assign(numbers);
  CHECK(allocations() == before);
}
