// SPDX-License-Identifier: MIT
#pragma once

namespace copyspec::inline v0 {

/// Runs `action()`. If it throws, runs `recover()` and lets the exception go on; in a build without exceptions that
/// cannot be.
template <class Action, class Recover>
void with_recovery(Action&& action, Recover&& recover) {
#if defined(__cpp_exceptions)
  try {
    action();
  } catch (...) {
    recover();
    throw;
  }
#else
  static_cast<void>(recover);
  action();
#endif
}

}  // namespace copyspec::inline v0
