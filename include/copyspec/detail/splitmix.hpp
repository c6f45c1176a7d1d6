// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// 2^64 divided by the golden ratio. Odd, so that multiplication by it is a bijection, and its bits show no pattern.
inline constexpr std::uint64_t golden_ratio = 0x9e3779b97f4a7c15;

/// A bijection of 64-bit words in which every bit of the result depends on every bit of `x`: the finaliser of
/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). The same on every machine.
[[nodiscard]] constexpr std::uint64_t splitmix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
