// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>

#include "../core/version.hpp"
#include "host_device.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The float with these bits.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float float_from_bits(std::uint32_t bits) noexcept {
  float value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// The bits of a float.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline std::uint32_t bits_of_float(float value) noexcept {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/// Maps `value`, which is not a NaN, to an integer that compares as the values do; both zeros map to the same.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline std::uint32_t ordered_bits(float value) noexcept {
  std::uint32_t const bits = bits_of_float(value == 0.0F ? 0.0F : value);
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

/// The inverse of `ordered_bits`, with -0 as +0.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float value_of_ordered(std::uint32_t ordered) noexcept {
  return float_from_bits((ordered & 0x80000000U) != 0 ? ordered & 0x7FFFFFFFU : ~ordered);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
