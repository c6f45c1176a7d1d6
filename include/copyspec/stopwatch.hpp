// SPDX-License-Identifier: MIT
#pragma once

namespace copyspec::inline v0 {

/// Adds the time that `action` takes, whether it returns or throws, to `total`; returns what `action` does.
template <class Clock, class Action>
decltype(auto) timed(typename Clock::duration& total, Action&& action) {
  struct Timer {
    typename Clock::duration& total;
    typename Clock::time_point start = Clock::now();
    ~Timer() { total += Clock::now() - start; }
  } const timer{total};
  return action();
}

}  // namespace copyspec::inline v0
