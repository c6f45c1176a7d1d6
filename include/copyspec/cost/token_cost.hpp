// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What a token has cost lately, in passes of one row: of some fifty steps, each of which counts two per cent less than
/// the one after it. It is what one more token in a draft is worth.
///
/// O(1). No allocation. Threads: one call at a time.
class TokenCost {
 public:
  /// A step said so many tokens and cost so much.
  void observe(std::size_t tokens, double cost) noexcept {
    constexpr double decay = 0.98;
    tokens_ = tokens_ * decay + static_cast<double>(tokens);
    cost_ = cost_ * decay + cost;
  }

  /// At first, and at most, `plain`, which is what plain decoding takes.
  [[nodiscard]] double operator()(double plain) const noexcept {
    return tokens_ > 0 ? std::min(cost_ / tokens_, plain) : plain;
  }

 private:
  double tokens_ = 0;
  double cost_ = 0;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
