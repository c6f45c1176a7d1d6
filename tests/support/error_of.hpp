// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace copyspec_test {

/// What the `Exception` says that `action` throws; empty if it throws none.
template <class Exception, class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (Exception const& error) {
    return error.what();
  }
  return "";
}

}  // namespace copyspec_test
