// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "../../core/assert.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What a model holds of a sequence: its first `cached()` tokens, and beyond these some that it must forget before it
/// is fed again, if `needs_truncate()`.
///
/// O(1). No allocation. Threads: one call at a time.
class CacheState {
 public:
  /// Number of leading tokens that are held and stay, once the model has truncated if `needs_truncate()`.
  [[nodiscard]] std::size_t cached() const noexcept { return cached_; }
  [[nodiscard]] bool needs_truncate() const noexcept { return needs_truncate_; }
  /// Whether tokens are fed again that the model held once.
  [[nodiscard]] bool replays() const noexcept { return cached_ < replayed_; }

  /// Tokens fed by the pass that is under way; zero if none is.
  [[nodiscard]] std::size_t fed() const noexcept { return fed_; }
  [[nodiscard]] bool in_flight() const noexcept { return fed_ > 0; }

  /// A pass feeds the next `tokens` tokens.
  void feed(std::size_t tokens) noexcept {
    COPYSPEC_ASSERT(!needs_truncate_, "the model may hold tokens that were taken back");
    fed_ = tokens;
  }
  /// The pass succeeded.
  void commit() noexcept { cached_ += std::exchange(fed_, 0); }
  /// The pass failed; the model may hold some of the tokens.
  void cancel() noexcept { needs_truncate_ = std::exchange(fed_, 0) > 0 || needs_truncate_; }

  /// The model need not keep more than the first `length` tokens.
  void forget(std::size_t length) noexcept {
    if (cached_ <= length) return;
    cached_ = length;
    needs_truncate_ = true;
  }

  /// All tokens after the first `length` were removed from the sequence.
  void remove_after(std::size_t length) noexcept {
    replayed_ = std::min(replayed_, length);
    forget(length);
  }

  /// `count` tokens from position `first` on were removed, and those after them moved down, in the model too.
  void shift(std::size_t first, std::size_t count) noexcept {
    COPYSPEC_ASSERT(!in_flight() && !needs_truncate_, "a context is shifted after truncations");
    cached_ = cached_ >= first + count ? cached_ - count : std::min(cached_, first);
    replayed_ = std::min(replayed_, cached_);
  }

  /// The model has truncated to `cached()` or has lost tokens, and holds the first `held`. Tokens that it lost are fed
  /// again.
  void truncated(std::size_t held) noexcept {
    COPYSPEC_ASSERT(!in_flight() && held <= cached_, "a model holds no more than it was asked to keep");
    if (held < cached_) replayed_ = std::max(replayed_, cached_);
    cached_ = held;
    needs_truncate_ = false;
  }

  /// The model, which held nothing, has taken over the first `length` tokens from elsewhere.
  void copied(std::size_t length) noexcept {
    COPYSPEC_ASSERT(!in_flight() && cached_ == 0, "a model takes tokens over where it holds none");
    cached_ = length;
  }

 private:
  std::size_t cached_ = 0;
  std::size_t replayed_ = 0;  // tokens before this position were held before
  std::size_t fed_ = 0;
  bool needs_truncate_ = false;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
