// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include "../core/version.hpp"
#include "host_device.hpp"
#include "reproducible_math.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The distance of a logit below the greatest logit of its row: the difference times `scale`.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float distance_below(float greatest, float logit, float scale) noexcept {
  return logit == greatest ? 0.0F : (greatest - logit) * scale;
}

/// A lower bound: every logit below it is farther than `distance` from `greatest`.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float least_within(float greatest, float distance, float scale) noexcept {
  if (std::isinf(greatest)) return greatest;
  // Distances of less than the least normal number are rounded by more than their slack.
  float const below = (distance + 0x1p-126F) / scale;
  return std::fma(std::abs(greatest) + below, -1e-6F, greatest - below);
}

/// The sum of `reproducible_weight(distance_below(greatest, logit, scale))` over a row whose greatest logit is
/// `greatest`: the denominator of its softmax, up to a factor. O(row). No allocation.
[[nodiscard]] inline std::uint64_t softmax_sum(std::span<float const> row, float greatest, float scale) noexcept {
  std::uint64_t sum = 0;
  for (float const logit : row) sum += reproducible_weight(distance_below(greatest, logit, scale));
  return sum;
}

/// The logarithm of a softmax sum at scale 1. The greatest logit alone contributes one, up to the rounding of weights,
/// so the result is clamped to at least zero.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline double log_of_softmax_sum(std::uint64_t mass) noexcept {
  double const log = log_of_weights(mass);
  return log > 0 ? log : 0;
}

/// The log-probability of a logit in a row with this logarithm of its softmax sum.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float logprob_of(float greatest, float logit, double log_mass) noexcept {
  double const below = logit == greatest ? 0.0 : double{greatest} - double{logit};
  return static_cast<float>(-below - log_mass);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
