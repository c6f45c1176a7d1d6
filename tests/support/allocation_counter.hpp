// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

/// How often this program has called `operator new` so far, of any kind and from any thread.
[[nodiscard]] std::size_t allocations() noexcept;

/// How many bytes it has asked for there so far.
[[nodiscard]] std::size_t allocated_bytes() noexcept;

/// Makes the `nth` call of `operator new` from now on fail, of this thread, counted from 0; the others succeed.
void fail_allocation(std::size_t nth) noexcept;

/// Lets all succeed again. Returns whether one has failed.
bool stop_failing_allocations() noexcept;

/// While it lives, the `nth` call of `operator new` fails, as after `fail_allocation`. No two at a time.
class FailingAllocation {
 public:
  explicit FailingAllocation(std::size_t nth) noexcept { fail_allocation(nth); }
  ~FailingAllocation() { stop_failing_allocations(); }
  FailingAllocation(FailingAllocation const&) = delete;
  FailingAllocation& operator=(FailingAllocation const&) = delete;

  /// Whether it has failed; all succeed from here on.
  [[nodiscard]] bool met() const noexcept { return stop_failing_allocations(); }
};
