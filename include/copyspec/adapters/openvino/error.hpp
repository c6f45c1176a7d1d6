// SPDX-License-Identifier: MIT
#pragma once

#include "../../core/error.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace adapters {

/// A failure of OpenVINO, or of what it was asked for. After `OpenVino::forward` throws it, the model holds what it
/// held before the call.
class OpenVinoError : public Error {
 public:
  using Error::Error;
};

}  // namespace adapters
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
