// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "../core/version.hpp"
#include "../cost/draft_length.hpp"
#include "../cost/pass_cost.hpp"
#include "history.hpp"
#include "mixing_scope.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// How the target model returns to a shorter context.
enum class Rollback : std::uint8_t {
  exact,       ///< To any length.
  checkpoint,  ///< To a checkpoint, as recurrent and hybrid models do.
};

/// Settings of a `MixingProposer`. None needs tuning: the cost of a pass is learnt unless it is given, and the window
/// is a bound on memory.
struct MixingOptions {
  PassCost pass_cost = {};  ///< Cost of a pass; by default learnt from the passes that a composer reports.
  /// Most tokens drafted, at most `max_draft_tokens`; of a tree, at most 48 nodes.
  std::size_t draft_length = max_draft_tokens;
  /// Only matches that end at one of the newest `window` tokens are copied from, and when a context is read again, no
  /// more tokens than these are read. So memory and time are bounded, however long the sequence is. Zero: no bound.
  std::size_t window = 0;
  /// Earlier answers to copy from as well. Each answer that a composer ends is added. A caller that shares the history
  /// may be shown its text, so give each tenant a history of its own (`Histories`). Null: nothing is shared.
  std::shared_ptr<History> history = nullptr;
  /// With `checkpoint`, a rejected draft costs one more pass, which feeds its accepted tokens again. A draft right
  /// after a prompt also costs one more pass. Drafts are then truncated with that in mind, and nothing is drafted right
  /// after a prompt.
  Rollback rollback = Rollback::exact;
  /// Passes that the drafts of a turn may cost beyond plain decoding: see `DraftAccount`. While sequences share passes,
  /// it is in tokens, each at its part of a pass without drafts. Infinity: no bound.
  double turn_credit = 4;
  /// The same, always in passes, for all turns of the scope that turns belong to unless they bring another: see
  /// `MixingScope`.
  double scope_credit = MixingScope::default_credit;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
