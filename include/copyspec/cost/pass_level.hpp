// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// How long passes of one row count usually take, as a `PassCost` has learnt it.
struct PassLevel {
  std::size_t rows = 0;    ///< In a pass.
  double seconds = 0;      ///< Of such a pass, when nothing delays it.
  std::size_t passes = 0;  ///< How many were observed.

  bool operator==(PassLevel const&) const = default;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
