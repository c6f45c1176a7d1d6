// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// How long something usually takes, learnt from times of which some are far too long: two threads that share a core
/// with others are now and then held up fifty times.
///
/// What counts is the lower tercile of the newest `window` times: something can be held up, but not hurried. While the
/// window fills, that is the level; afterwards the level is a running mean of it, which is steadier. When the tercile
/// leaves the level by more than `jump`, the speed has changed and the level follows at once: after seven slower times,
/// or three faster ones. Up to six of nine times may be too long by any factor without moving it that far.
///
/// O(window) a time, no allocation, no failure. Threads: one call at a time.
class LatencyFilter {
 public:
  static constexpr std::size_t window = 9;
  static constexpr double jump = 1.5;  ///< What is a change, and not noise.

  /// The level, in the unit of the times; zero while there is none.
  [[nodiscard]] double level() const noexcept { return level_; }

  /// How many times it is learnt from.
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

  /// Whether `time` is no further from the level than noise.
  [[nodiscard]] bool agrees(double time) const noexcept { return time <= level_ * jump && time * jump >= level_; }

  /// Takes a positive time in. Returns whether the speed has changed.
  bool add(double time) noexcept {
    times_[count_++ % window] = time;
    auto sorted = times_;
    std::sort(sorted.begin(), sorted.end());
    double const tercile = sorted[(std::min(count_, window) - 1) / 3];
    bool const changed = count_ > window && !agrees(tercile);
    if (count_ <= window || changed)
      level_ = tercile;
    else
      level_ += (tercile - level_) / static_cast<double>(std::min<std::size_t>(count_ - 6, 8));
    return changed;
  }

  /// Keeps the level, but as if it had been seen once: what comes next counts for more.
  void doubt() noexcept {
    if (count_ == 0) return;
    count_ = 1;
    times_ = none();
    times_[0] = level_;
  }

 private:
  // Times that are still to come sort behind all others.
  [[nodiscard]] static std::array<double, window> none() noexcept {
    std::array<double, window> times{};
    times.fill(std::numeric_limits<double>::infinity());
    return times;
  }

  std::array<double, window> times_ = none();  // a ring
  double level_ = 0.0;
  std::size_t count_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
