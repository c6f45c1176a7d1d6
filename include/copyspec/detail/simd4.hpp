// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

// Four floats at once, in one register of any machine with such registers, with exponential and logarithm in a few
// multiplications. The compilers' own vectorisers make the same sums several times as slow.

/// Four floats with elementwise operators (the vector extension of GCC and Clang).
using Four = float __attribute__((vector_size(16)));
/// Four integers. Comparing `Four` yields all ones or zero per element.
using FourWhole = std::int32_t __attribute__((vector_size(16)));

/// Loads the four numbers at `from`, of any alignment.
[[nodiscard]] inline Four load_four(float const* from) noexcept {
  Four four;
  std::memcpy(&four, from, sizeof four);
  return four;
}

/// Stores four numbers at `to`, of any alignment.
inline void store_four(float* to, Four four) noexcept {
  std::memcpy(to, &four, sizeof four);
}

/// e to the power of each `x` within [-80, 80], to within a relative 3e-7.
///
/// Splits x = n log 2 + r with |r| <= log(2) / 2, takes e^r from its Taylor series, and adds n to the exponent.
[[nodiscard]] inline Four fast_exp(Four x) noexcept {
  // Adding and subtracting this rounds a small number to the nearest integer.
  constexpr float rounding = 12582912.0F;  // 1.5 * 2^23
  Four const shifted = x * 1.44269504F + rounding;
  Four const n = shifted - rounding;
  Four const r = (x - n * 0.693145752F) - n * 1.42860677e-6F;  // log 2 in two parts, for the bits of n
  Four const series = 1 + r * (1 + r * (0.5F + r * (1.0F / 6 + r * (1.0F / 24 + r * (1.0F / 120 + r * (1.0F / 720))))));
  return reinterpret_cast<Four>(reinterpret_cast<FourWhole>(series) + (reinterpret_cast<FourWhole>(shifted) << 23));
}

/// The natural logarithm of each `x`, positive normal numbers, to within 2e-7 of the result, or of one if that is
/// greater.
///
/// Splits x = m 2^n with m between sqrt(1/2) and sqrt(2), and takes log m from the series of the inverse hyperbolic
/// tangent of (m - 1) / (m + 1).
[[nodiscard]] inline Four fast_log(Four x) noexcept {
  constexpr std::int32_t least = 0x3f3504f3;  // sqrt(1/2)
  FourWhole const bits = reinterpret_cast<FourWhole>(x) - least;
  Four const n = __builtin_convertvector(bits >> 23, Four);
  Four const m = reinterpret_cast<Four>((bits & 0x7fffff) + least);
  Four const t = (m - 1) / (m + 1);
  Four const s = t * t;
  return n * 0.693147181F + 2 * t * (1 + s * (1.0F / 3 + s * (0.2F + s * (1.0F / 7 + s * (1.0F / 9)))));
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
