// SPDX-License-Identifier: MIT
#pragma once

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Runs `action` and adds the time it takes to `total`, also if it throws. Returns what `action` returns.
template <class Clock, class Action>
decltype(auto) timed(typename Clock::duration& total, Action&& action) {
  struct Timer {
    typename Clock::duration& total;
    typename Clock::time_point start = Clock::now();
    ~Timer() { total += Clock::now() - start; }
  } const timer{total};
  return action();
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
