// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../draft/proposer.hpp"
#include "../../model/engine.hpp"
#include "../../model/tree_model.hpp"
#include "../../verify/batch_verifier.hpp"
#include "../../verify/verifier.hpp"
#include "../engine_limits.hpp"
#include "../pass_plan.hpp"
#include "../sequence.hpp"
#include "prompt_check.hpp"
#include "verifier_adapter.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What a `DecodeBatch` does about drafts that are chains. `TreeDrafts` does the same, call by call, for trees.
template <DraftProposer Proposer, class Verifier, class Rows>
class ChainDrafts {
 public:
  using Adapter = VerifierAdapter<Verifier, Rows>;

  /// What a sequence keeps.
  struct Own {};

  /// After it, passes of up to `sequences` allocate nothing here.
  static void reserve(std::size_t /*sequences*/) noexcept {}

  /// After it, drafts of up to `length` tokens allocate nothing here.
  static void reserve(EngineLimits const& /*limits*/, Own& /*own*/, std::size_t /*length*/) noexcept {}

  /// Begins a pass in which `drafting` sequences wait for one token.
  static void begin_pass(EngineLimits const& /*limits*/, std::size_t /*drafting*/) noexcept {}

  /// Begins a pass for a sequence, scheduled or not.
  static void begin_pass(Own& /*own*/) noexcept {}

  /// Has a draft after `context` written to the front of `space`, which lies there. Returns how much of it can be fed.
  [[nodiscard]] static Draft propose(EngineLimits const& limits, Proposer& proposer, Own& /*own*/,
                                     std::span<Token const> context, std::span<Token> space) {
    Draft draft = proposer.propose(context, space);
    COPYSPEC_ASSERT(draft.length <= space.size(), "a draft fits into the space it was given");
    // An engine may not survive a token that it does not know.
    draft.length = known_prefix(space.first(draft.length), limits.vocabulary_size);
    return draft;
  }

  /// Whether what was proposed is a chain.
  [[nodiscard]] static bool is_chain(Own const& /*own*/) noexcept { return true; }

  /// Adds a sequence's segment to the pass.
  static void add(Segment const& /*segment*/, Own& /*own*/) noexcept {}

  /// The segments that were added, if the draft of one is a tree; otherwise none.
  [[nodiscard]] static std::span<TreeSegment const> tree_segments(EngineLimits const& /*limits*/) noexcept {
    return {};
  }

  /// See `VerifierAdapter`.
  [[nodiscard]] static Verdict verdict(Adapter& adapter, typename Adapter::Own& verifier, Own& /*own*/, Rows rows,
                                       std::span<VerifyInput const> inputs, std::size_t index, std::size_t first) {
    return adapter.verdict(verifier, rows, inputs, index, first);
  }

  /// Which nodes of the tree that was verified its accepted tokens are; none of a chain.
  [[nodiscard]] static std::span<std::int32_t const> path(Own const& /*own*/) noexcept { return {}; }

  /// What the model must forget of `sequence`, which needs to be truncated.
  [[nodiscard]] static Truncation truncation(Own& /*own*/, Sequence const& sequence) noexcept {
    return {.sequence = sequence.id(), .length = sequence.cached()};
  }

  /// The model has forgotten that.
  static void truncated(Own& /*own*/) noexcept {}
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
