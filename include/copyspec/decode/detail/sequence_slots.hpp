// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/error.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/recovery.hpp"
#include "../../draft/proposer.hpp"
#include "../../draft/proposer_traits.hpp"
#include "../../verify/sampling_options.hpp"
#include "../engine_limits.hpp"
#include "../generate_options.hpp"
#include "../sequence.hpp"
#include "chain_drafts.hpp"
#include "prompt_check.hpp"
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

/// The sequences of a batch, in the order in which they were first begun. Each slot has a sequence, its copies of the
/// proposer and the verifier, its draft and its turn. Only `begin` allocates. Threads: one call at a time.
template <DraftProposer Proposer, class Verifier, class Rows>
class SequenceSlots {
  using Traits = ProposerTraits<Proposer>;

 public:
  using Adapter = VerifierAdapter<Verifier, Rows>;
  using Drafts = typename DraftsOf<Proposer, Verifier, Rows>::Type;
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

  struct Slot {
    Sequence sequence;
    Proposer proposer;
    typename Adapter::Own verifier;
    typename Drafts::Own draft;
    Turn turn;
  };

  /// Throws `Error` if `proposer` cannot propose for this vocabulary.
  SequenceSlots(EngineLimits const& limits, Proposer proposer, Verifier verifier)
      : limits_(limits), proposer_(std::move(proposer)), verifiers_(std::move(verifier)) {
    Traits::require_vocabulary(proposer_, limits.vocabulary_size);
  }

  [[nodiscard]] EngineLimits const& limits() const noexcept { return limits_; }
  /// The proposer that the slots have copies of.
  [[nodiscard]] Proposer& proposer() noexcept { return proposer_; }
  [[nodiscard]] Adapter& verifiers() noexcept { return verifiers_; }
  [[nodiscard]] Drafts& drafts() noexcept { return drafts_; }

  [[nodiscard]] std::vector<Slot>& all() noexcept { return slots_; }
  [[nodiscard]] std::vector<Slot> const& all() const noexcept { return slots_; }

  /// The index of the slot of `id`, or `none`. O(1) if that is `near`, O(sequences) otherwise.
  [[nodiscard]] std::size_t find(SequenceId id, std::size_t near = none) const noexcept {
    if (near < slots_.size() && slots_[near].sequence.id() == id) return near;
    auto const found = std::ranges::find(slots_, id, [](Slot const& slot) { return slot.sequence.id(); });
    return found == slots_.end() ? none : static_cast<std::size_t>(found - slots_.begin());
  }

  /// The slot of `id`, which must exist.
  [[nodiscard]] Slot& at(SequenceId id, std::size_t near = none) noexcept {
    return const_cast<Slot&>(std::as_const(*this).at(id, near));
  }
  [[nodiscard]] Slot const& at(SequenceId id, std::size_t near = none) const noexcept {
    std::size_t const index = find(id, near);
    COPYSPEC_ASSERT(index != none, "no such sequence");
    return slots_[index];
  }

  /// Throws `Error` if a turn of `id` with this prompt and these options cannot be served. O(prompt).
  void require_servable(SequenceId id, std::span<Token const> prompt, GenerateOptions const& options) const {
    std::size_t const index = find(id);
    COPYSPEC_ASSERT(index == none || !slots_[index].sequence.running(), "the last turn of this sequence has not ended");
    check_prompt(prompt, index == none ? 0 : slots_[index].sequence.length(), limits_);
    if (!options.sampling) return;
    if (!Adapter::samples)
      raise_error(ErrorCode::bad_options,
                  "sampling was asked for, and the verifier does not sample: use a SamplingVerifier");
    require_valid(*options.sampling, limits_.vocabulary_size);
    Adapter::check_supported(*options.sampling);
  }

  /// Begins a turn that can be served. If something throws, a new sequence is removed, and an existing one is idle, at
  /// its earlier length. O(prompt).
  void begin(SequenceId id, std::span<Token const> prompt, GenerateOptions options) {
    std::size_t const known = find(id);
    if (known == none) {
      slots_.push_back({Sequence(id, limits_.context_limit), proposer_, verifiers_.begin_sequence(), {}, {}});
      verifiers_.reserve(slots_.size());
      drafts_.reserve(slots_.size());
    }
    Slot& slot = known == none ? slots_.back() : slots_[known];
    std::size_t const length = slot.sequence.length();
    auto const recover = [&] {
      if (known == none)
        slots_.pop_back();
      else
        truncate(slot, length);
    };
    with_recovery([&] { begin_turn(slot, prompt, std::move(options)); }, recover);
  }

  /// Removes everything after the first `length` tokens, and ends the turn.
  static void truncate(Slot& slot, std::size_t length) {
    slot.sequence.truncate(length);
    slot.proposer.truncate(length);
    slot.turn.close();
  }

  /// Room for a draft of a sequence that may feed `allowance` tokens.
  [[nodiscard]] static std::span<Token> draft_space(Slot& slot, std::size_t allowance) noexcept {
    std::span<Token> const space = slot.sequence.draft_space(allowance);
    return space.first(std::min(space.size(), slot.turn.options().max_draft_length));
  }

  /// Drafts into `space`, which is not empty. Returns the part that can be fed and may be accepted. If that is not the
  /// whole draft, the proposer is told.
  [[nodiscard]] Draft propose(Slot& slot, std::span<Token> space) {
    std::span<Token const> const context = slot.sequence.context();
    Draft draft = drafts_.propose(slot.proposer, slot.draft, context, space);
    std::size_t fed = drafts_.feedable(limits_, slot.draft, context, space.first(draft.length));
    if (drafts_.is_chain(slot.draft)) fed = verifiers_.allowed_draft(slot.verifier, context, space.first(fed));
    if (fed != draft.length) Traits::on_draft_chosen(slot.proposer, context, fed);
    draft.length = fed;
    return draft;
  }

  /// Notifies the proposer and the verifier of a sequence that a pass has ended its turn.
  void on_turn_end(Slot& slot) {
    Sequence const& sequence = slot.sequence;
    std::size_t const answer = sequence.length() - sequence.generated().size();
    Traits::on_turn_end(slot.proposer, sequence.context(), answer);
    verifiers_.on_turn_end(slot.verifier, sequence.id(), sequence.context(), answer);
  }

 private:
  void begin_turn(Slot& slot, std::span<Token const> prompt, GenerateOptions options) {
    Sequence& sequence = slot.sequence;
    sequence.begin(prompt, options.max_new_tokens);
    std::size_t const budget = sequence.budget_left();
    std::size_t const begins = sequence.length() - prompt.size();
    drafts_.reserve(limits_, slot.draft, std::min(limits_.max_tokens, budget));
    verifiers_.begin_turn(slot.verifier, {.options = options.sampling ? &*options.sampling : nullptr,
                                          .vocabulary = limits_.vocabulary_size,
                                          .budget = budget,
                                          .answer = sequence.length(),
                                          .stop_tokens = options.stop.tokens});
    if constexpr (Adapter::samples) Traits::set_sampling(slot.proposer, slot.verifier.options(), Adapter::needs_drawn);
    slot.turn.begin(std::move(options));
    Traits::set_references(slot.proposer, slot.turn.options().references);
    Traits::reserve(slot.proposer, sequence.length() + budget);
    Traits::on_turn_begin(slot.proposer, sequence.context(), begins);
    verifiers_.on_turn_begin(slot.verifier, sequence.id(), sequence.context(), begins);
  }

  EngineLimits limits_;
  Proposer proposer_;
  Adapter verifiers_;
  Drafts drafts_;
  std::vector<Slot> slots_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
