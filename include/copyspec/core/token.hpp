// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// A token id: an index into a row of logits. Negative values mark positions that hold no token of the vocabulary
/// (an image patch, say): nothing that covers one is ever matched or drafted.
using Token = std::int32_t;

/// Names one sequence to a `Model`. The caller chooses the values; many engines want them small (llama.cpp: below
/// `n_seq_max`).
enum class SequenceId : std::int32_t {};

/// Where a token came from: a generated one, or one of a draft, which is any but `model`.
enum class Source : std::uint8_t {
  model,        ///< The model's own choice after the accepted part of a draft, or in a pass without one.
  context,      ///< Copied from what the sequence has said, prompts included.
  reference,    ///< Copied from a text that the turn was given (`GenerateOptions::references`).
  history,      ///< Copied from what earlier requests said.
  draft_model,  ///< Guessed by a draft model.
  other,        ///< Drafted by a proposer that does not say from what.
};

inline constexpr std::size_t source_count = 6;

/// The sources that a draft can have.
inline constexpr std::array draft_sources{Source::context, Source::reference, Source::history, Source::draft_model,
                                          Source::other};
static_assert(draft_sources.size() + 1 == source_count);

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
