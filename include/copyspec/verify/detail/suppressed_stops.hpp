// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../sampling_turn.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The stop tokens of a turn, which are not drawn before its `min_new_tokens`. Allocates when constructed only.
class SuppressedStops {
 public:
  /// Suppresses nothing.
  SuppressedStops() = default;
  explicit SuppressedStops(SamplingTurn const& turn) {
    if (turn.min_new_tokens == 0) return;
    tokens_.assign(turn.stop_tokens.begin(), turn.stop_tokens.end());
    std::size_t const most = std::numeric_limits<std::size_t>::max() - turn.answer;
    end_ = turn.answer + std::min(turn.min_new_tokens, most);
  }

  /// Whether stop tokens are suppressed in the row that decides the token at `position`. O(1).
  [[nodiscard]] bool at(std::size_t position) const noexcept { return position < end_ && !tokens_.empty(); }

  /// Excludes the stop tokens from a row, but leaves NaNs, which make it invalid. O(stop tokens).
  void exclude(std::span<float> row) const noexcept {
    for (Token const token : tokens_) {
      if (token < 0 || static_cast<std::size_t>(token) >= row.size()) continue;
      float& logit = row[static_cast<std::size_t>(token)];
      if (logit == logit) logit = -std::numeric_limits<float>::infinity();
    }
  }

 private:
  std::vector<Token> tokens_;
  std::size_t end_ = 0;  // the first position at which they may be drawn
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
