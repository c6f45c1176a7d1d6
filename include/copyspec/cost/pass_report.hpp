// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The duration of a decode pass: one in which each sequence fed as many tokens as it had rows, i.e. its pending token
/// and its draft, and no part of a prompt.
struct PassReport {
  std::size_t rows = 0;       ///< Over all sequences of the pass.
  std::size_t sequences = 0;  ///< Number of sequences in the pass.
  double seconds = 0.0;       ///< Drafting, the pass, verification and truncating the KV caches; callbacks excluded.
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
