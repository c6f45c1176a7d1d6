// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "float_bits.hpp"
#include "host_device.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A token's rank in its row as one integer: greater for a greater value (a logit or a score), and for the lower token
/// if values are equal. Unique for each token. Zero and all ones belong to no token.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline std::uint64_t order_key_of(float value, Token token) noexcept {
  return std::uint64_t{ordered_bits(value)} << 32U | static_cast<std::uint32_t>(~token);
}

/// The token.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline Token token_of_order_key(std::uint64_t rank) noexcept {
  return static_cast<Token>(~static_cast<std::uint32_t>(rank));
}

/// The value, with -0 as +0.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float value_of_order_key(std::uint64_t rank) noexcept {
  return value_of_ordered(static_cast<std::uint32_t>(rank >> 32U));
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
