// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "exact_math.hpp"

namespace copyspec::inline v0 {

/// How far below the greatest logit of a row one lies, in the units of `scale`: the difference times that.
[[nodiscard]] inline float distance_below(float greatest, float logit, float scale) noexcept {
  return logit == greatest ? 0.0F : (greatest - logit) * scale;
}

/// The sum of `exact_weight(distance_below(greatest, logit, scale))` over a row with that greatest logit: what its
/// softmax divides by. O(row). No allocation.
[[nodiscard]] inline std::uint64_t row_mass(std::span<float const> row, float greatest, float scale) noexcept {
  std::uint64_t sum = 0;
  for (float const logit : row) sum += exact_weight(distance_below(greatest, logit, scale));
  return sum;
}

}  // namespace copyspec::inline v0
