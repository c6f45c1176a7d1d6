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
#include "../../model/engine.hpp"
#include "../sequence.hpp"
#include "chain_drafts.hpp"
#include "prompt_logprobs.hpp"
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
  std::size_t share = 0;     ///< How many tokens of what was offered are drafted.
  bool paused = false;
  bool ready = false;    ///< The pass that is planned may feed it.
  bool offered = false;  ///< Its proposer has offered a draft for that pass.
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

  /// The position from which on rows of the prompt are needed, if they are.
  [[nodiscard]] std::size_t rows_from() const noexcept {
    return turn.prompt() == nullptr ? PromptLogprobs::none : turn.prompt()->next();
  }

  /// Room for a draft if `allowance` tokens may be fed.
  [[nodiscard]] std::span<Token> draft_space(std::size_t allowance) noexcept {
    if (rows_from() != PromptLogprobs::none) return {};
    std::span<Token> const space = sequence.draft_space(allowance);
    return space.first(std::min(space.size(), turn.options().max_draft_length));
  }

  /// `Sequence::next_segment`, with the rows that the prompt needs.
  [[nodiscard]] Segment next_segment(Draft const& proposed, std::size_t allowance) noexcept {
    if (std::size_t const from = rows_from(); from != PromptLogprobs::none)
      allowance =
          std::min(allowance, std::max(from, sequence.cached()) - sequence.cached() + PromptLogprobs::rows_per_pass);
    Segment segment = sequence.next_segment(proposed.length, allowance, proposed.sources);
    std::size_t const end = sequence.cached() + segment.tokens.size();
    segment.rows = std::max(segment.rows, end - std::clamp(rows_from(), sequence.cached(), end));
    return segment;
  }

  /// Takes log-probabilities of the prompt from `count` rows, at `first` of `rows`, which come before those of the
  /// verdict on `segment`. If one gives none, this sequence fails alone.
  void score(Segment const& segment, Rows rows, std::size_t first, std::size_t count) {
    if constexpr (!Adapter::shared)
      isolate([&] {
        std::size_t const position = sequence.cached() + segment.tokens.size() - segment.rows;
        turn.prompt()->take(rows.subview(first, count), sequence.context(), position);
      });
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
