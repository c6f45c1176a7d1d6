// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <random>

#include "../core/version.hpp"
#include "../detail/splitmix.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// A seed for a turn whose options name none: each call returns another one. They follow from a number that
/// `std::random_device` gives once in a process, so a process that forks after the first call must name its seeds.
///
/// O(1). Throws what `std::random_device` throws. Threads: may be called from any number of threads at a time.
[[nodiscard]] inline std::uint64_t fresh_seed() {
  static std::uint64_t const first = [] {
    std::random_device device;
    std::uint64_t const high = device();
    return high << 32U | device();
  }();
  static std::atomic<std::uint64_t> count{0};
  return detail::splitmix(first + detail::golden_ratio * count.fetch_add(1, std::memory_order_relaxed));
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
