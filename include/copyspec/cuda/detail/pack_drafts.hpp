// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../verify/batch_verifier.hpp"
#include "../draft_batch.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The size of a pass in terms of a `DraftBatchView`.
struct PassSize {
  cuda::VerifyLimits limits;
  std::size_t drafted = 0;  ///< Number of draft tokens, over all trials.
};

/// The size of the pass with these trials. O(trials).
[[nodiscard]] inline PassSize size_of(std::span<VerifyInput const> trials) noexcept {
  PassSize size{.limits = {.max_requests = static_cast<std::uint32_t>(trials.size()), .max_draft_length = 0},
                .drafted = 0};
  for (VerifyInput const& trial : trials) {
    std::size_t const length = trial.draft().size();
    size.limits.max_draft_length = std::max(size.limits.max_draft_length, static_cast<std::uint32_t>(length));
    size.drafted += length;
  }
  return size;
}

/// Writes the drafts of `trials` as chains in the layout of `DraftBatchView`: `trials.size() + 1` offsets and all draft
/// tokens. The rows of the pass, trial by trial, are then where the offsets say. O(trials + draft tokens). No
/// allocation.
inline void pack_drafts(std::span<VerifyInput const> trials, std::span<std::int32_t> offsets,
                        std::span<Token> tokens) noexcept {
  COPYSPEC_ASSERT(offsets.size() > trials.size() && tokens.size() >= size_of(trials).drafted, "room for all drafts");
  std::size_t written = 0;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    std::span<Token const> const draft = trials[i].draft();
    offsets[i] = static_cast<std::int32_t>(written);
    std::copy(draft.begin(), draft.end(), tokens.begin() + static_cast<std::ptrdiff_t>(written));
    written += draft.size();
  }
  offsets[trials.size()] = static_cast<std::int32_t>(written);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
