// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "float_bits.hpp"
#include "host_device.hpp"
#include "token.hpp"

namespace copyspec::inline v0 {

/// A token's place in an order of its row, as one integer: greater for a greater value (a logit, a score), of equal
/// ones for the lower token. Each token has its own, 0 and all ones are none's.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline std::uint64_t rank_of(float value, Token token) noexcept {
  return std::uint64_t{ordered_bits(value)} << 32U | static_cast<std::uint32_t>(~token);
}

[[nodiscard]] COPYSPEC_HOST_DEVICE inline Token token_of_rank(std::uint64_t rank) noexcept {
  return static_cast<Token>(~static_cast<std::uint32_t>(rank));
}

/// The value, with -0 as +0.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float value_of_rank(std::uint64_t rank) noexcept {
  return value_of_ordered(static_cast<std::uint32_t>(rank >> 32U));
}

}  // namespace copyspec::inline v0
