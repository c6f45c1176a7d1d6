// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace copyspec::inline v0 {

/// A token id: an index into a row of logits. Negative values mark positions that hold no token of the vocabulary
/// (an image patch, say): nothing that covers one is ever matched or drafted.
using Token = std::int32_t;

/// Names one sequence to a `Model`. The caller chooses the values; many engines want them small (llama.cpp: below
/// `n_seq_max`).
enum class SequenceId : std::int32_t {};

/// Where a generated token came from.
enum class Source : std::uint8_t {
  model,  ///< The model's own choice after the accepted part of a draft, or in a pass without one.
  copy,   ///< A draft token that was copied from the context and accepted.
};

}  // namespace copyspec::inline v0
