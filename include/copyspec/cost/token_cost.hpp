// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The recent cost of a generated token, in passes of one row: an average over about fifty steps, where each step
/// weighs two per cent less than the one after it. One more accepted draft token saves this much.
///
/// O(1). No allocation, no failure. Threads: one call at a time.
class TokenCost {
 public:
  /// Takes in a step that generated `tokens` tokens at this `cost`.
  void observe(std::size_t tokens, double cost) noexcept {
    constexpr double decay = 0.98;
    tokens_ = tokens_ * decay + static_cast<double>(tokens);
    cost_ = cost_ * decay + cost;
  }

  /// The average cost. Never more than `plain`, the cost of a token in plain decoding; equal to it before any
  /// observation.
  [[nodiscard]] double operator()(double plain) const noexcept {
    return tokens_ > 0 ? std::min(cost_ / tokens_, plain) : plain;
  }

 private:
  double tokens_ = 0;
  double cost_ = 0;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
