// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../core/version.hpp"
#include "source_counters.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Costs and gains of one sequence so far, over all its turns.
struct SequenceCounters {
  std::size_t generated = 0;       ///< Tokens generated.
  std::size_t decode_passes = 0;   ///< Passes that returned rows.
  std::size_t prefill_passes = 0;  ///< Passes that only fed part of a prompt.
  std::size_t tokens_fed = 0;      ///< Tokens fed, draft tokens included.
  std::size_t draft_passes = 0;    ///< Passes with a draft.
  std::size_t drafted = 0;         ///< Draft tokens fed, all nodes of trees.
  std::size_t accepted = 0;        ///< Draft tokens that became generated tokens.
  SourceCounters by_source = {};   ///< `drafted` and `accepted` of each source.

  /// Counts a verdict on a draft of `length` tokens, which added `kept` tokens, and of these `copied` from the draft.
  /// `sources` are the counts of both.
  void add_verdict(SourceCounters const& sources, std::size_t length, std::size_t copied, std::size_t kept) noexcept {
    by_source += sources;
    ++decode_passes;
    draft_passes += length > 0 ? 1 : 0;
    drafted += length;
    accepted += copied;
    generated += kept;
  }
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
