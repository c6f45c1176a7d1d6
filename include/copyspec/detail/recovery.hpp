// SPDX-License-Identifier: MIT
#pragma once

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Runs `action()`. If it throws, runs `recover()`, then rethrows if `must`. Returns whether `action` finished; in a
/// build without exceptions it always does.
template <class Action, class Recover>
bool with_recovery(Action&& action, Recover&& recover, [[maybe_unused]] bool must = true) {
#if defined(__cpp_exceptions)
  try {
    action();
  } catch (...) {
    recover();
    if (must) throw;
    return false;
  }
#else
  static_cast<void>(recover);
  action();
#endif
  return true;
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
