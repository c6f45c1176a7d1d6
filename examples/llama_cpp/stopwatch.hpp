// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <ctime>

namespace copyspec_llama {

/// What something took, in seconds.
struct SpentTime {
  double wall = 0.0;
  double processor = 0.0;  ///< Time that the threads of this process ran, all together: others do not add to it.

  SpentTime& operator+=(SpentTime const& other) noexcept {
    wall += other.wall;
    processor += other.processor;
    return *this;
  }
  friend SpentTime operator-(SpentTime const& a, SpentTime const& b) noexcept {
    return {a.wall - b.wall, a.processor - b.processor};
  }
};

/// Runs from the moment it is made.
class Stopwatch {
 public:
  [[nodiscard]] SpentTime spent() const noexcept {
    return {std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_).count(),
            static_cast<double>(std::clock() - processor_) / CLOCKS_PER_SEC};
  }

 private:
  std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
  std::clock_t processor_ = std::clock();
};

}  // namespace copyspec_llama
