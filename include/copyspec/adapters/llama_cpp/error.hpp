// SPDX-License-Identifier: MIT
#pragma once

#include "../../core/error.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace adapters {

/// A failure of llama.cpp. After `LlamaCpp::forward` throws it, the context holds what it held before the call, and
/// possibly some of the tokens it was fed. `truncate` to the earlier length recovers, from a checkpoint if necessary.
class LlamaCppError : public Error {
 public:
  using Error::Error;
};

}  // namespace adapters
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
