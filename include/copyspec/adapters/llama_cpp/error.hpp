// SPDX-License-Identifier: MIT
#pragma once

#include "../../core/error.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace adapters {

/// What llama.cpp could not do. Thrown by `LlamaCpp::forward`, it leaves the context with what it held before the call,
/// or some of what it was fed besides: `truncate` to the earlier length recovers, to a checkpoint if need be.
class LlamaCppError : public Error {
 public:
  using Error::Error;
};

}  // namespace adapters
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
