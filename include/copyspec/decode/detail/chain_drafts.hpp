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

/// How a `DecodeBatch` handles drafts that are chains. `TreeDrafts` has the same functions for trees.
template <DraftProposer Proposer, class Verifier, class Rows>
class ChainDrafts {
 public:
  using Adapter = VerifierAdapter<Verifier, Rows>;

  /// State of one sequence.
  struct Own {};

  /// After this call, passes of up to `sequences` sequences allocate nothing here.
  static void reserve(std::size_t /*sequences*/) noexcept {}

  /// After this call, drafts of up to `length` tokens allocate nothing here.
  static void reserve(EngineLimits const& /*limits*/, Own& /*own*/, std::size_t /*length*/) noexcept {}

  /// Begins a pass in which `drafting` sequences wait for one token.
  static void begin_pass(EngineLimits const& /*limits*/, std::size_t /*drafting*/) noexcept {}

  /// Begins a pass for one sequence, scheduled or not.
  static void begin_pass(Own& /*own*/) noexcept {}

  /// Lets the proposer write a draft to the front of `space`, which lies directly after `context`. Returns the draft as
  /// it was proposed.
  [[nodiscard]] static Draft propose(Proposer& proposer, Own& /*own*/, std::span<Token const> context,
                                     std::span<Token> space) {
    Draft const draft = proposer.propose(context, space);
    COPYSPEC_ASSERT(draft.length <= space.size(), "a draft fits into the space it was given");
    return draft;
  }

  /// How many of the first tokens of `draft`, which was proposed after `context`, can be fed. The others are dropped.
  [[nodiscard]] static std::size_t feedable(EngineLimits const& limits, Own& /*own*/,
                                            std::span<Token const> /*context*/, std::span<Token const> draft) {
    // An engine may crash on a token outside its vocabulary.
    return known_prefix(draft, limits.vocabulary_size);
  }

  /// Whether what is left of the draft is a chain.
  [[nodiscard]] static bool is_chain(Own const& /*own*/) noexcept { return true; }

  /// Adds a sequence's segment to the pass. The draft follows a context of `length` tokens.
  static void add(Segment const& /*segment*/, Own& /*own*/, std::size_t /*length*/) noexcept {}

  /// The added segments, if the draft of one is a tree; otherwise none.
  [[nodiscard]] static std::span<TreeSegment const> tree_segments(EngineLimits const& /*limits*/) noexcept {
    return {};
  }

  /// See `VerifierAdapter`.
  [[nodiscard]] static Verdict verdict(Adapter& adapter, typename Adapter::Own& verifier, Own& /*own*/, Rows rows,
                                       std::span<VerifyInput const> inputs, std::size_t index, std::size_t first) {
    return adapter.verdict(verifier, rows, inputs, index, first);
  }

  /// What `verdict` would have been before the row at which the verifier threw: see `VerifierAdapter`.
  [[nodiscard]] static Verdict verdict_before_throw(Adapter& /*adapter*/, typename Adapter::Own& verifier, Own& /*own*/,
                                                    Rows rows, VerifyInput const& input, std::size_t first) {
    return Adapter::verdict_before_throw(verifier, rows, input, first);
  }

  /// The nodes of the verified tree that were accepted; none for a chain.
  [[nodiscard]] static std::span<std::int32_t const> path(Own const& /*own*/) noexcept { return {}; }

  /// What the model must forget of `sequence`, which needs to be truncated.
  [[nodiscard]] static Truncation truncation(Own& /*own*/, Sequence const& sequence) noexcept {
    return {.sequence = sequence.id(), .length = sequence.cached()};
  }

  /// Reports that the model has truncated.
  static void truncated(Own& /*own*/) noexcept {}
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
