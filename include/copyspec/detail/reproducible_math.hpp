// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "../core/assert.hpp"
#include "../core/version.hpp"
#include "host_device.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Logarithm and exponential whose every bit is the same on every host and device. They consist of integer operations
/// and of operations that IEEE 754 rounds in exactly one way. Every multiply-add is an explicit fused one, so that no
/// compiler can fuse in one place and not in another.

inline constexpr double log_of_two = 0x1.62e42fefa39efp-1;

/// log((1 + s) / (1 - s)) = 2 atanh(s) for |s| <= 0.1716, by its series. Relative error at most 1e-13.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline double reproducible_log_ratio(double s) noexcept {
  double const square = s * s;
  double sum = 1.0 / 15;
  sum = std::fma(square, sum, 1.0 / 13);
  sum = std::fma(square, sum, 1.0 / 11);
  sum = std::fma(square, sum, 1.0 / 9);
  sum = std::fma(square, sum, 1.0 / 7);
  sum = std::fma(square, sum, 1.0 / 5);
  sum = std::fma(square, sum, 1.0 / 3);
  double const twice = 2 * s;
  return std::fma(twice * square, sum, twice);
}

/// The natural logarithm of `x`, a positive normal number. Relative error at most 1e-13.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline double reproducible_log(double x) noexcept {
  COPYSPEC_ASSERT(x >= 0x1p-1022 && x <= 0x1.fffffffffffffp+1023, "a positive normal number");
  constexpr double root_of_two = 0x1.6a09e667f3bcdp+0;
  std::uint64_t bits = 0;
  std::memcpy(&bits, &x, sizeof(bits));
  double exponent = static_cast<double>(bits >> 52U) - 1023;
  bits = (bits & 0xFFFFFFFFFFFFFU) | 0x3FF0000000000000U;
  double mantissa = 0;
  std::memcpy(&mantissa, &bits, sizeof(mantissa));
  if (mantissa > root_of_two) {
    mantissa /= 2;
    ++exponent;
  }
  return std::fma(exponent, log_of_two, reproducible_log_ratio((mantissa - 1) / (mantissa + 1)));
}

/// Weights are in units of 2^-40.
inline constexpr unsigned weight_bits = 40;

/// exp(-distance) for a distance >= 0, to within one unit of 2^-40 plus a relative 2e-6. An integer, so sums do not
/// depend on their order. Infinity and NaN have weight 0.
[[nodiscard]] COPYSPEC_HOST_DEVICE constexpr std::uint64_t reproducible_weight(float distance) noexcept {
  // distance / log 2, in units of 2^-25; from 41 on, the weight is zero.
  float const halvings = distance * 1.44269504F;
  auto const fixed = static_cast<std::uint32_t>((halvings < 41 ? halvings : 41.0F) * 0x1p25F);
  // 2^-f of the fraction f, as 2^g / 2 with g = 1 - f: a polynomial through Chebyshev nodes, by Horner's rule, to
  // within 5e-9.
  std::uint64_t const g = 0xFFFFFFFFU - ((fixed & 0x1FFFFFFU) << 7U);
  std::uint64_t power = 1330509 + ((234782 * g) >> 32U);
  power = 10398316 + ((power * g) >> 32U);
  power = 59571873 + ((power * g) >> 32U);
  power = 257945486 + ((power * g) >> 32U);
  power = 744260852 + ((power * g) >> 32U);
  power = 1073741826 + ((power * g) >> 32U);
  return (power << (weight_bits - 31)) >> (fixed >> 25U);
}

/// The natural logarithm of a sum of weights, which is not zero.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline double log_of_weights(std::uint64_t sum) noexcept {
  return std::fma(-static_cast<double>(weight_bits), log_of_two, reproducible_log(static_cast<double>(sum)));
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
