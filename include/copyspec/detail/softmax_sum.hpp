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

/// How far below the greatest logit of a row one lies, in the units of `scale`: the difference times that.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float distance_below(float greatest, float logit, float scale) noexcept {
  return logit == greatest ? 0.0F : (greatest - logit) * scale;
}

/// A logit below which none is as near to `greatest` as `distance`.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float least_within(float greatest, float distance, float scale) noexcept {
  if (std::isinf(greatest)) return greatest;
  float const below = distance / scale;
  return std::fma(std::abs(greatest) + below, -1e-6F, greatest - below);
}

/// The sum of `reproducible_weight(distance_below(greatest, logit, scale))` over a row with that greatest logit: what
/// its softmax divides by. O(row). No allocation.
[[nodiscard]] inline std::uint64_t softmax_sum(std::span<float const> row, float greatest, float scale) noexcept {
  std::uint64_t sum = 0;
  for (float const logit : row) sum += reproducible_weight(distance_below(greatest, logit, scale));
  return sum;
}

/// The logarithm of a row's mass of scale 1. The greatest logit alone has a mass of one, up to what a weight is rounded
/// by, so it is not below zero.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline double log_of_softmax_sum(std::uint64_t mass) noexcept {
  double const log = log_of_weights(mass);
  return log > 0 ? log : 0;
}

/// The log-probability of a logit, in a row of that mass.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float logprob_of(float greatest, float logit, double log_mass) noexcept {
  double const below = logit == greatest ? 0.0 : double{greatest} - double{logit};
  return static_cast<float>(-below - log_mass);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
