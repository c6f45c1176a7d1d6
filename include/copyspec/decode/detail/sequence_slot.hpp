// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <utility>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/recovery.hpp"
#include "../../draft/proposer.hpp"
#include "../../draft/proposer_traits.hpp"
#include "../sequence.hpp"
#include "chain_drafts.hpp"
#include "tree_drafts.hpp"
#include "turn.hpp"
#include "verifier_adapter.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Selects tree or chain drafts for a batch of these types.
template <class Proposer, class Verifier, class Rows>
struct DraftsOf {
  using Type = ChainDrafts<Proposer, Verifier, Rows>;
};
template <class Proposer, class Verifier, class Rows>
  requires DraftsTrees<Proposer, Verifier, Rows>
struct DraftsOf<Proposer, Verifier, Rows> {
  using Type = TreeDrafts<Proposer, Verifier, Rows>;
};

/// Another sequence of which a sequence takes over what the engine holds.
struct CacheSource {
  SequenceId from{};
  std::uint64_t number = 0;  ///< Of its slot: another sequence may have the same id later.
  std::size_t length = 0;    ///< How many of the first tokens both have in common; zero: there is none.
};

/// One sequence of a batch, with its copies of the proposer and the verifier, its draft and its turn.
template <DraftProposer Proposer, class Verifier, class Rows>
struct SequenceSlot {
  using Adapter = VerifierAdapter<Verifier, Rows>;
  using Drafts = typename DraftsOf<Proposer, Verifier, Rows>::Type;

  Sequence sequence;
  Proposer proposer;
  typename Adapter::Own verifier;
  typename Drafts::Own draft = {};
  Turn turn = {};
  CacheSource source = {};
  std::uint64_t number = 0;  ///< No other slot of the batch has it.
  bool paused = false;
  bool ready = false;    ///< The pass that is planned may feed it.
  bool removed = false;  ///< No longer to be found, and destroyed later.

  /// Whether passes may feed it.
  [[nodiscard]] bool active() const noexcept { return sequence.running() && !paused; }

  /// Runs `action()`. What it throws fails this sequence alone. Returns whether it threw nothing.
  template <class Action>
  bool isolate(Action&& action) {
    std::exception_ptr error = exception_of(action);
    if (error == nullptr) return true;
    fail(std::move(error));
    return false;
  }

  /// Ends the turn, which keeps what threw.
  void fail(std::exception_ptr error) noexcept {
    sequence.fail();
    turn.fail(std::move(error));
  }

  /// Makes room for what a pass may generate that feeds `allowance` tokens of this sequence.
  void make_room(std::size_t allowance) {
    if (sequence.make_room(std::min(allowance, turn.options().max_draft_length)))
      ProposerTraits<Proposer>::reserve(proposer, sequence.room());
  }

  /// Room for a draft if `allowance` tokens may be fed.
  [[nodiscard]] std::span<Token> draft_space(std::size_t allowance) noexcept {
    std::span<Token> const space = sequence.draft_space(allowance);
    return space.first(std::min(space.size(), turn.options().max_draft_length));
  }

  /// Removes everything after the first `length` tokens, and ends the turn. If the proposer throws, nothing has
  /// changed.
  void truncate(std::size_t length) {
    proposer.truncate(length);
    sequence.truncate(length);
    turn.close();
    paused = false;
  }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
