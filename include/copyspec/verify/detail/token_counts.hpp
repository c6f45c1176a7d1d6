// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Counts how often each token occurs among the newest tokens of a growing context.
///
/// O(1) per added token; O(window), at most the context, when the context is shorter than at the last call. Memory: 12
/// bytes per vocabulary token, whatever the window. Allocates in `reset` only. Threads: one call at a time.
class TokenCounts {
 public:
  /// Forgets everything. From then on, counts tokens below `vocabulary` among the newest `window`.
  void reset(std::size_t vocabulary, std::size_t window) {
    counts_.assign(vocabulary, 0);
    places_.resize(vocabulary);
    counted_.clear();
    counted_.reserve(std::min(vocabulary, window));
    window_ = window;
    first_ = 0;
    size_ = 0;
  }

  /// Counts the newest of `tokens`. These begin with the tokens of the last call, or are fewer than those.
  void follow(std::span<Token const> tokens) noexcept {
    if (tokens.size() < size_ || tokens.size() - size_ > window_) {
      for (Token const token : counted_) counts_[static_cast<std::size_t>(token)] = 0;
      counted_.clear();
      size_ = tokens.size() - std::min(tokens.size(), window_);
      first_ = size_;
    }
    for (; size_ < tokens.size(); ++size_) {
      if (size_ - first_ == window_) remove(tokens[first_++]);
      add(tokens[size_]);
    }
  }

  /// Calls `visit(token, count)` once for each token with a count above zero.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (Token const token : counted_) visit(token, counts_[static_cast<std::size_t>(token)]);
  }

 private:
  [[nodiscard]] bool known(Token token) const noexcept {
    return token >= 0 && static_cast<std::size_t>(token) < counts_.size();
  }

  void add(Token token) noexcept {
    if (!known(token)) return;
    if (counts_[static_cast<std::size_t>(token)]++ > 0) return;
    places_[static_cast<std::size_t>(token)] = static_cast<std::uint32_t>(counted_.size());
    counted_.push_back(token);
  }

  void remove(Token token) noexcept {
    if (!known(token) || --counts_[static_cast<std::size_t>(token)] > 0) return;
    std::uint32_t const place = places_[static_cast<std::size_t>(token)];
    counted_[place] = counted_.back();
    places_[static_cast<std::size_t>(counted_[place])] = place;
    counted_.pop_back();
  }

  std::size_t window_ = 0;
  std::size_t first_ = 0;  // oldest position counted
  std::size_t size_ = 0;   // positions before this are counted or out of the window
  std::vector<std::uint32_t> counts_;
  std::vector<std::uint32_t> places_;  // index into `counted_`
  std::vector<Token> counted_;         // tokens with a count above zero
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
