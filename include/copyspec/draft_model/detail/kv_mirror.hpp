// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Mirrors what the KV cache of a draft model holds of one sequence: tokens of the context, then draft tokens. Some of
/// the draft tokens may turn out to be what was generated. So no token is fed twice, and none is dropped before it is
/// known to be wrong.
///
/// Requires: between calls the context only grows at its end, or `truncate` says how much of it is left. `follow`
/// compares the draft tokens, at most one draft, and nothing that was compared before. Allocates for more draft tokens
/// than ever before. Threads: one call at a time.
class KvMirror {
 public:
  /// Number of tokens that the model holds.
  [[nodiscard]] std::size_t held() const noexcept { return held_; }

  /// How many of the first tokens of `context`, and then of `draft`, are held. Everything held after them is to be
  /// dropped.
  [[nodiscard]] std::size_t follow(std::span<Token const> context, std::span<Token const> draft) {
    std::size_t agreeing = 0;
    for (; agreeing < guesses_.size(); ++agreeing) {
      std::size_t const position = said_ + agreeing;
      if (position >= context.size() + draft.size()) break;
      Token const token = position < context.size() ? context[position] : draft[position - context.size()];
      if (guesses_[agreeing] != token) break;
    }
    std::size_t const came_true = std::min(agreeing, context.size() - said_);
    guesses_.erase(guesses_.begin(), guesses_.begin() + static_cast<std::ptrdiff_t>(came_true));
    said_ += came_true;
    return said_ + agreeing - came_true;
  }

  /// The model now holds only `length` tokens, all of which agree.
  void cut(std::size_t length) {
    held_ = length;
    said_ = std::min(said_, length);
    guesses_.resize(length - said_);
  }

  /// The model was fed `tokens` after what agrees. `context` is the length of the context that `follow` was called
  /// with.
  void append(std::span<Token const> tokens, std::size_t context) {
    std::size_t const said = std::min(tokens.size(), context - std::min(held_, context));
    // The only call that can fail comes first.
    guesses_.insert(guesses_.end(), tokens.begin() + static_cast<std::ptrdiff_t>(said), tokens.end());
    held_ += tokens.size();
    said_ += said;
  }

  /// The context was truncated to its first `length` tokens.
  void truncate(std::size_t length) noexcept {
    if (said_ <= length) return;
    said_ = length;
    guesses_.clear();
  }

  /// After this, up to `guesses` draft tokens allocate nothing.
  void reserve(std::size_t guesses) { guesses_.reserve(guesses); }

 private:
  std::size_t held_ = 0;
  std::size_t said_ = 0;        // how many of those held are known to be in the context
  std::vector<Token> guesses_;  // draft tokens held after them, which may still be right
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
