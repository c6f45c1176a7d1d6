// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/adapters/llama_cpp/error.hpp>

#include <string>

namespace copyspec_test {

/// What the `LlamaCppError` says that `action` throws; empty if it throws none.
template <class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (copyspec::adapters::LlamaCppError const& error) {
    return error.what();
  }
  return "";
}

}  // namespace copyspec_test
