// SPDX-License-Identifier: MIT
#pragma once

#include <exception>

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

/// Runs `action()`. Returns what it throws, or null; in a build without exceptions always null.
template <class Action>
[[nodiscard]] std::exception_ptr exception_of(Action&& action) {
#if defined(__cpp_exceptions)
  try {
    action();
  } catch (...) {
    return std::current_exception();
  }
#else
  action();
#endif
  return nullptr;
}

/// Throws what `exception_of` has returned, if that is not null.
inline void rethrow(std::exception_ptr const& error) {
#if defined(__cpp_exceptions)
  if (error != nullptr) std::rethrow_exception(error);
#else
  static_cast<void>(error);
#endif
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
