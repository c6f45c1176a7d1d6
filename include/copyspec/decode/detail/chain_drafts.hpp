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
#include "../../verify/batch_verifier.hpp"
#include "../../verify/verifier.hpp"
#include "../sequence.hpp"
#include "prompt_check.hpp"
#include "verifier_adapter.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What a composer does about drafts that are chains. `TreeDrafts` does the same, call by call, for trees.
template <Engine M, DraftProposer Proposer, class Verifier>
class ChainDrafts {
 public:
  using Rows = LogitsOf<M>;
  using Adapter = VerifierAdapter<Verifier, Rows>;

  /// What a sequence keeps.
  struct Own {};

  /// After it, passes of up to `sequences` allocate nothing here.
  static void reserve(std::size_t /*sequences*/) noexcept {}

  /// After it, drafts of up to `length` tokens allocate nothing here.
  static void reserve(M const& /*model*/, Own& /*own*/, std::size_t /*length*/) noexcept {}

  /// Begins a pass in which `drafting` sequences wait for one token.
  static void begin_pass(M const& /*model*/, std::size_t /*drafting*/) noexcept {}

  /// Begins a pass for a sequence, scheduled or not.
  static void begin_pass(Own& /*own*/) noexcept {}

  /// Has a draft behind `context` written to the front of `space`, which lies there. Returns how much of it can be fed.
  [[nodiscard]] static Draft propose(M const& model, Proposer& proposer, Own& /*own*/, std::span<Token const> context,
                                     std::span<Token> space) {
    Draft draft = proposer.propose(context, space);
    COPYSPEC_ASSERT(draft.length <= space.size(), "a draft fits into the space it was given");
    // An engine may not survive a token that it does not know.
    draft.length = known_prefix(space.first(draft.length), model);
    return draft;
  }

  /// Whether what was proposed is a chain.
  [[nodiscard]] static bool is_chain(Own const& /*own*/) noexcept { return true; }

  /// Adds a sequence's share to the pass.
  static void add(Segment const& /*segment*/, Own& /*own*/) noexcept {}

  /// Feeds `batch`, the segments that were added.
  [[nodiscard]] static Rows forward(M& model, std::span<Segment const> batch) { return model.forward(batch); }

  /// See `VerifierAdapter`.
  [[nodiscard]] static Verdict verdict(Adapter& judges, typename Adapter::Own& verifier, Own& /*own*/, Rows rows,
                                       std::span<VerifyInput const> trials, std::size_t index, std::size_t first) {
    return judges.verdict(verifier, rows, trials, index, first);
  }

  /// Which nodes of the tree that was judged its accepted tokens are; none of a chain.
  [[nodiscard]] static std::span<std::int32_t const> path(Own const& /*own*/) noexcept { return {}; }

  /// Has the model forget what `sequence`, which is stale, does not keep. Returns what is held for it.
  static std::size_t cut_back(M& model, Own& /*own*/, Sequence const& sequence) {
    return model.truncate(sequence.id(), sequence.cached());
  }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
