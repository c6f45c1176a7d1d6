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

/// Estimates the usual duration of an operation from samples of which some are far too long. Two threads that share a
/// core with others are occasionally delayed fifty-fold.
///
/// The estimate uses the lower tercile of the newest `window` samples, because an operation can be delayed but never
/// sped up. While the window fills, the tercile is the level. Afterwards the level is a running mean of terciles, which
/// is steadier. When the tercile differs from the level by a factor of more than `jump`, the speed has changed and the
/// level follows at once: after seven slower samples, or three faster ones. Up to six of nine samples may be too long
/// by any factor without moving the level that far.
///
/// O(window) per sample. No allocation, no failure. Threads: one call at a time.
class LatencyFilter {
 public:
  static constexpr std::size_t window = 9;
  static constexpr double jump = 1.5;  ///< Smallest factor that counts as a change rather than noise.

  LatencyFilter() = default;

  /// As after `count` > 0 samples that all took `time`.
  LatencyFilter(double time, std::size_t count) noexcept : level_(time), count_(count) {
    std::fill_n(times_.begin(), std::min(count, window), time);
  }

  /// The level, in the unit of the samples; zero before the first.
  [[nodiscard]] double level() const noexcept { return level_; }

  /// How many samples the level is based on.
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

  /// Whether `time` differs from the level by noise only.
  [[nodiscard]] bool agrees(double time) const noexcept { return time <= level_ * jump && time * jump >= level_; }

  /// Adds a positive sample. Returns whether the speed has changed.
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

  /// Keeps the level, but as if from one sample, so that the next samples weigh more.
  void doubt() noexcept {
    if (count_ == 0) return;
    count_ = 1;
    times_ = none();
    times_[0] = level_;
  }

 private:
  // Missing samples sort after all others.
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
