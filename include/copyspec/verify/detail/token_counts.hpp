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

/// How often each token stands among the newest ones of a context that grows.
///
/// Cost: O(1) a token that is added; O(window), at most the context, when it is shorter than the last time. Memory: 12
/// bytes a token of the vocabulary, whatever the window. Allocates in `reset` only. Threads: one call at a time.
class TokenCounts {
 public:
  /// Forgets everything. From now on counts tokens below `vocabulary`, of the newest `window`.
  void reset(std::size_t vocabulary, std::size_t window) {
    counts_.assign(vocabulary, 0);
    places_.resize(vocabulary);
    counted_.clear();
    counted_.reserve(std::min(vocabulary, window));
    window_ = window;
    first_ = 0;
    size_ = 0;
  }

  /// Counts the newest of `tokens`, which begin with those of the last call, or are fewer than those.
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

  /// `visit(token, count)` for each token that stands there, once.
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
  std::size_t first_ = 0;  // the oldest position that is counted
  std::size_t size_ = 0;   // positions before this are counted, or were
  std::vector<std::uint32_t> counts_;
  std::vector<std::uint32_t> places_;  // in `counted_`
  std::vector<Token> counted_;         // of count above zero
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
