// SPDX-License-Identifier: MIT
#pragma once

namespace copyspec::inline v0 {

/// Where the time of passes went, by the clock that a composer was given. What is outside `forward` is what copying
/// costs.
template <class Clock>
struct PassTimes {
  using Duration = typename Clock::duration;

  Duration propose{};
  Duration forward{};
  Duration verify{};
  Duration truncate{};
};

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
