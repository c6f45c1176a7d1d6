// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "../core/version.hpp"
#include "../detail/host_device.hpp"
#include "../detail/reproducible_math.hpp"
#include "sampling_options.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The filters of `SamplingOptions` as thresholds for a row. Trivially copyable.
struct FilterRule {
  /// A share of one: no mass is filtered out.
  static constexpr std::uint64_t whole = std::uint64_t{1} << 32U;
  /// No limit on the distance.
  static constexpr float anywhere = std::numeric_limits<float>::infinity();

  float scale = 1;                      ///< Multiplies the logits that the filters see.
  std::size_t top_k = 0;                ///< Zero keeps all tokens.
  std::uint64_t typical_share = whole;  ///< Mass for typical-p, in units of 2^-32.
  std::uint64_t top_share = whole;      ///< Mass for top-p, in units of 2^-32.
  float farthest = anywhere;            ///< Greatest distance of a scaled logit below the greatest one (min-p).

  /// Whether any token may be filtered out.
  [[nodiscard]] COPYSPEC_HOST_DEVICE bool any() const noexcept {
    return top_k > 0 || typical_share < whole || top_share < whole || farthest < anywhere;
  }

  /// The thresholds for valid `options`.
  [[nodiscard]] static FilterRule of(SamplingOptions const& options) noexcept {
    FilterRule rule;
    if (options.temperature_first && options.temperature > 0) rule.scale = 1 / options.temperature;
    if (options.top_k > 0) rule.top_k = static_cast<std::size_t>(options.top_k);
    rule.typical_share = static_cast<std::uint64_t>(options.typical_p * static_cast<double>(whole));
    rule.top_share = static_cast<std::uint64_t>(options.top_p * static_cast<double>(whole));
    if (options.min_p > 0) rule.farthest = static_cast<float>(-reproducible_log(options.min_p));
    return rule;
  }
};

/// A share of a mass, in units of 2^-32, rounded down; at least 1, so that some token reaches it.
[[nodiscard]] COPYSPEC_HOST_DEVICE constexpr std::uint64_t part_of(std::uint64_t mass, std::uint64_t share) noexcept {
  std::uint64_t const part = (mass >> 32U) * share + (((mass & 0xFFFFFFFFU) * share) >> 32U);
  return part > 1 ? part : 1;
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
