// SPDX-License-Identifier: MIT
#include <copyspec/detail/reproducible_math.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <random>

using copyspec::detail::log_of_weights;
using copyspec::detail::reproducible_log;
using copyspec::detail::reproducible_log_ratio;
using copyspec::detail::reproducible_weight;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();
constexpr long double unit = 0x1p-40L;

// How far `value` is off, as a share of what it should be.
long double off(double value, long double expected) {
  return expected == 0 ? std::abs(static_cast<long double>(value)) : std::abs(value / expected - 1);
}

// A hash of many numbers.
class Digest {
 public:
  void add(std::uint64_t number) { value_ = std::rotl(value_ ^ number, 23) * 0x9E3779B97F4A7C15U; }
  void add(double number) { add(std::bit_cast<std::uint64_t>(number)); }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 1;
};

}  // namespace

TEST_CASE("a logarithm is within 1e-13 of itself, from the least normal number to the greatest") {
  long double worst = 0;
  std::mt19937_64 random(1);
  for (int exponent = -1022; exponent <= 1023; ++exponent) {
    for (int i = 0; i < 20; ++i) {
      double const x = std::ldexp(1 + static_cast<double>(random() >> 12U) * 0x1p-52, exponent);
      worst = std::max(worst, off(reproducible_log(x), std::log(static_cast<long double>(x))));
    }
  }
  for (double x = 0.4; x < 3; x += 1e-5)
    worst = std::max(worst, off(reproducible_log(x), std::log(static_cast<long double>(x))));
  for (double near = 1e-15; near < 0.1; near *= 1.1) {
    worst = std::max(worst, off(reproducible_log(1 + near), std::log(static_cast<long double>(1 + near))));
    worst = std::max(worst, off(reproducible_log(1 - near), std::log(static_cast<long double>(1 - near))));
  }
  for (double const x : {0x1p-1022, 0x1.fffffffffffffp+1023, 0x1.6a09e667f3bcdp+0, 0x1.6a09e667f3bcep+0})
    worst = std::max(worst, off(reproducible_log(x), std::log(static_cast<long double>(x))));
  CHECK(worst < 1e-13L);
  CHECK(reproducible_log(1) == 0.0);
}

TEST_CASE("a logarithm of a ratio is within 1e-13 of itself") {
  long double worst = 0;
  for (int i = -100000; i <= 100000; ++i) {
    double const s = 0.1716 * i / 100000;
    long double const exact = s;
    worst = std::max(worst, off(reproducible_log_ratio(s), std::log1p(2 * exact / (1 - exact))));
  }
  for (double s = 1e-300; s < 0.1716; s *= 3)
    worst = std::max(worst, off(reproducible_log_ratio(s), std::log1p(2 * static_cast<long double>(s) / (1 - s))));
  CHECK(worst < 1e-13L);
  CHECK(reproducible_log_ratio(0) == 0.0);
}

TEST_CASE("a weight is within a unit, and 2e-6 of it, of its exponential") {
  long double worst = 0;
  auto const look = [&](float distance) {
    long double const expected = std::exp(-static_cast<long double>(distance));
    long double const difference = std::abs(static_cast<long double>(reproducible_weight(distance)) * unit - expected);
    worst = std::max(worst, (difference - unit) / expected);
  };
  for (float distance = 0; distance < 30; distance += 1e-4F) look(distance);
  for (float distance = 1e-9F; distance < 40; distance *= 1.001F) look(distance);
  CHECK(worst < 2e-6L);
  CHECK(std::abs(static_cast<double>(reproducible_weight(0)) * 0x1p-40 - 1) < 1e-8);
}

TEST_CASE("a farther distance has no greater weight, up to the error of both") {
  auto previous = static_cast<double>(reproducible_weight(0));
  bool falls = true;
  for (float distance = 0; distance < 30; distance += 1e-4F) {
    auto const weight = static_cast<double>(reproducible_weight(distance));
    falls = falls && weight <= previous * (1 + 4e-6) + 2;
    previous = std::min(previous, weight);
  }
  CHECK(falls);
}

TEST_CASE("what is too far, infinitely far, or no number, has no weight") {
  CHECK(reproducible_weight(27) > 0);
  for (float const distance : {28.5F, 29.0F, 100.0F, 1e30F, std::numeric_limits<float>::max(), infinite,
                               std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN()})
    CHECK(reproducible_weight(distance) == 0);
}

TEST_CASE("the logarithm of a sum of weights is that of the sum") {
  std::mt19937_64 random(2);
  double worst = 0;
  for (int round = 0; round < 100000; ++round) {
    std::uint64_t const sum = (random() >> (random() % 64)) | 1U;
    long double const expected = std::log(static_cast<long double>(sum) * unit);
    worst = std::max(worst, static_cast<double>(std::abs(log_of_weights(sum) - expected)));
  }
  CHECK(worst < 1e-12);
  CHECK(std::abs(log_of_weights(std::uint64_t{1} << 40U)) < 1e-14);
  CHECK(log_of_weights(1) == doctest::Approx(-40 * std::log(2.0)));
}

TEST_CASE("every machine and compiler computes the same bits") {
  std::mt19937_64 random(3);
  Digest logs;
  Digest ratios;
  Digest weights;
  Digest sums;
  for (int round = 0; round < 100000; ++round) {
    double const share = static_cast<double>(random() >> 11U) * 0x1p-53;
    logs.add(reproducible_log(std::ldexp(1 + share, static_cast<int>(random() % 2046) - 1022)));
    ratios.add(reproducible_log_ratio((2 * share - 1) * 0.1716));
    weights.add(reproducible_weight(static_cast<float>(30 * share)));
    sums.add(log_of_weights((random() >> (random() % 64)) | 1U));
  }
  CHECK(logs.value() == 0x04B9E1E971590822);
  CHECK(ratios.value() == 0xA36A7C97E987AB57);
  CHECK(weights.value() == 0x006572EF041FFE31);
  CHECK(sums.value() == 0xAFD0672B5A1E455E);
}
