// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/adapters/llama_cpp/error.hpp>

#include <string>
#include <utility>

#include "error_of.hpp"

namespace copyspec_test {

/// What the `LlamaCppError` says that `action` throws; empty if it throws none.
template <class Action>
std::string error_of(Action&& action) {
  return error_of<copyspec::adapters::LlamaCppError>(std::forward<Action>(action));
}

}  // namespace copyspec_test
