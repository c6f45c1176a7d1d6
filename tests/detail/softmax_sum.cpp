// SPDX-License-Identifier: MIT
#include <copyspec/detail/softmax_sum.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <random>
#include <vector>

#include "support/rows.hpp"

using copyspec::detail::distance_below;
using copyspec::detail::least_within;
using copyspec::detail::reproducible_weight;
using copyspec::detail::softmax_sum;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("a distance is the difference, scaled, and that of equal infinities zero") {
  CHECK(distance_below(3, 1, 0.5F) == 1.0F);
  CHECK(distance_below(3, 3, 2) == 0.0F);
  CHECK(distance_below(infinite, infinite, 2) == 0.0F);
  CHECK(distance_below(infinite, 5, 2) == infinite);
  CHECK(distance_below(5, -infinite, 0.001F) == infinite);
  CHECK(distance_below(std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest(), 1) == infinite);
}

TEST_CASE("no logit within a distance is below the bound of it, and the bound is near") {
  Random random(6);
  auto const any_of = [&](std::initializer_list<float> values) { return values.begin()[below(random, values.size())]; };
  std::normal_distribution<float> normal;
  std::size_t at_bound = 0;
  for (int round = 0; round < 400000; ++round) {
    float const size = any_of({1e-45F, 1e-38F, 1e-3F, 1, 1, 1, 30, 1e6F, 1e30F});
    float const scale = any_of({1, 1, 1e-3F, 1 / 0.7F, 1 / 1.3F, 1e3F});
    float const greatest = round % 16 == 0 ? 0 : size * normal(random);
    float const logit = greatest - std::abs(size * any_of({1, 1, 1e-6F, 20}) * normal(random));
    // The logit is at this distance exactly.
    float const distance = distance_below(greatest, logit, scale);
    float const least = least_within(greatest, distance, scale);
    REQUIRE(least <= logit);
    REQUIRE(!(distance_below(greatest, least, scale) >
              distance + 4e-6F * (distance + std::abs(greatest) * scale) + 4 * std::numeric_limits<float>::min()));
    // Nor is one of the next ones.
    float next = logit;
    for (int i = 0; i < 4; ++i) {
      next = std::nextafter(next, -infinite);
      if (distance_below(greatest, next, scale) > distance) break;
      ++at_bound;
      REQUIRE(least <= next);
    }
  }
  CHECK(at_bound > 10000);
  CHECK(least_within(infinite, 3, 1) == infinite);
  CHECK(least_within(5, infinite, 1) == -infinite);
  CHECK(least_within(std::numeric_limits<float>::lowest(), 30, 1e-3F) <= std::numeric_limits<float>::lowest());
}

TEST_CASE("a mass is the sum of the exponentials") {
  Random random(1);
  for (int round = 0; round < 1000; ++round) {
    std::size_t const length = 1 + below(random, 300);
    std::vector<float> const row = random_row(random, length);
    float const greatest = *std::ranges::max_element(row);
    float const scale = std::exp(static_cast<float>(below(random, 7)) - 3);
    long double expected = 0;
    for (float const logit : row)
      expected += logit == greatest ? 1 : std::exp((static_cast<long double>(logit) - greatest) * scale);
    auto const mass = static_cast<long double>(softmax_sum(row, greatest, scale)) * 0x1p-40L;
    REQUIRE(std::abs(mass - expected) < 2.2e-6L * expected + static_cast<long double>(length) * 0x1p-40L);
  }
}

TEST_CASE("a mass does not depend on the order of the row") {
  Random random(2);
  std::vector<float> row = normal_row(random, 5000, 4);
  float const greatest = *std::ranges::max_element(row);
  std::uint64_t const mass = softmax_sum(row, greatest, 1);
  for (int round = 0; round < 20; ++round) {
    std::ranges::shuffle(row, random);
    CHECK(softmax_sum(row, greatest, 1) == mass);
  }
}

TEST_CASE("the greatest alone counts beside what is infinitely far") {
  CHECK(softmax_sum(std::vector<float>{-infinite, 2, -infinite}, 2, 1) == reproducible_weight(0));
  CHECK(softmax_sum(std::vector<float>{infinite, 2, infinite, -infinite}, infinite, 1) == 2 * reproducible_weight(0));
}

TEST_CASE("the mass of the longest row fits") {
  constexpr std::size_t length = 1U << 20U;
  std::vector<float> const row(length, -7.5F);
  CHECK(softmax_sum(row, -7.5F, 1) == length * reproducible_weight(0));
}
