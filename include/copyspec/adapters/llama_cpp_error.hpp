// SPDX-License-Identifier: MIT
#pragma once

#include "../error.hpp"

namespace copyspec::inline v0::adapters {

/// What llama.cpp could not do. Thrown by `LlamaCpp::forward`, it leaves the context with what it held before the call,
/// or some of what it was fed besides: `truncate` to the earlier length recovers, to a checkpoint if need be.
class LlamaCppError : public Error {
 public:
  using Error::Error;
};

}  // namespace copyspec::inline v0::adapters
