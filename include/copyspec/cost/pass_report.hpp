// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What a pass took in which each sequence fed as many tokens as it had rows: its pending token and its draft, no part
/// of a prompt.
struct PassReport {
  std::size_t rows = 0;       ///< Of all sequences together.
  std::size_t sequences = 0;  ///< In the pass.
  double seconds = 0.0;       ///< For drafts, pass, verdicts and cutting the caches back, without callbacks.
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
