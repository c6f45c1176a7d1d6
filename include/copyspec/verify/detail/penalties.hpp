// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../sampling_options.hpp"
#include "token_counts.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Subtracts the penalties from the logits of the tokens in `counts`, all of which are below the length of `row`.
/// O(tokens in `counts`). No allocation.
inline void apply_penalties(std::span<float> row, TokenCounts const& counts, PenaltyOptions const& options) {
  counts.for_each([&](Token token, std::uint32_t count) {
    float& logit = row[static_cast<std::size_t>(token)];
    logit = logit > 0 ? logit / options.repetition : logit * options.repetition;
    logit = std::fma(-options.frequency, static_cast<float>(count), logit) - options.presence;
  });
}

/// Finds the repetitions that `DryOptions` penalise and subtracts the penalties. O(window) per row, and a sort of the
/// repetitions found. Allocates in `reserve`, and twice the need for windows longer than any before. Threads: one call
/// at a time.
class DryPenalty {
 public:
  /// Afterwards, windows of up to `tokens` allocate nothing.
  void reserve(std::size_t tokens) {
    if (tokens <= lengths_.size()) return;
    lengths_.resize(tokens);
    repetitions_.reserve(tokens);
  }

  /// Penalises the row after the tokens `before`.
  void apply(std::span<float> row, std::span<Token const> before, DryOptions const& options) {
    std::span const newest = before.last(std::min(before.size(), options.window));
    std::size_t const limit = reach(newest, options.breakers);
    if (newest.size() > lengths_.size()) reserve(2 * newest.size());
    if (limit == 0 || limit < options.allowed_length) return;
    measure(newest, limit);
    repetitions_.clear();
    // The repetition that ends `back` tokens before the end was followed by this token.
    for (std::size_t back = 1; back < newest.size(); ++back) {
      Token const next = newest[newest.size() - back];
      if (lengths_[back] == 0 || lengths_[back] < options.allowed_length) continue;
      if (next >= 0 && static_cast<std::size_t>(next) < row.size()) repetitions_.emplace_back(next, lengths_[back]);
    }
    std::ranges::sort(repetitions_);
    for (std::size_t i = 0; i < repetitions_.size(); ++i) {
      auto const& [token, length] = repetitions_[i];
      // Of the entries of one token, the longest repetition comes last.
      if (i + 1 < repetitions_.size() && repetitions_[i + 1].first == token) continue;
      row[static_cast<std::size_t>(token)] -= penalty(length - options.allowed_length, options);
    }
  }

 private:
  // Finite, so that an infinite logit does not become a NaN.
  static float penalty(std::size_t beyond, DryOptions const& options) noexcept {
    constexpr float most = std::numeric_limits<float>::max();
    return std::clamp(options.multiplier * std::pow(options.base, static_cast<float>(beyond)), -most, most);
  }

  // How many of the newest tokens come after the last breaker or position without a token.
  static std::size_t reach(std::span<Token const> newest, std::span<Token const> breakers) noexcept {
    std::size_t reach = 0;
    for (; reach < newest.size(); ++reach) {
      Token const token = newest[newest.size() - 1 - reach];
      if (token < 0 || std::ranges::find(breakers, token) != breakers.end()) break;
    }
    return reach;
  }

  // lengths_[back]: the length, at most `limit`, of the longest common suffix of the tokens and the tokens without the
  // newest `back`. The Z algorithm (Gusfield, "Algorithms on strings, trees and sequences", 1997), read from the end.
  void measure(std::span<Token const> newest, std::size_t limit) {
    std::size_t const size = newest.size();
    auto const at = [&](std::size_t i) { return newest[size - 1 - i]; };
    std::size_t begin = 0;
    std::size_t end = 0;  // the match that reaches farthest
    for (std::size_t i = 1; i < size; ++i) {
      std::size_t length = i < end ? std::min(end - i, lengths_[i - begin]) : 0;
      while (length < limit && i + length < size && at(length) == at(i + length)) ++length;
      lengths_[i] = length;
      if (i + length > end) {
        begin = i;
        end = i + length;
      }
    }
  }

  std::vector<std::size_t> lengths_;
  std::vector<std::pair<Token, std::size_t>> repetitions_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
