// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

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
#include "prompt_check.hpp"
#include "prompt_logprobs.hpp"
#include "sequence_slot.hpp"
#include "slot_table.hpp"
#include "token_room.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The sequences of a batch, in the order in which they were first begun. Each slot has a sequence, its copies of the
/// proposer and the verifier, its draft and its turn. Allocates in `begin`, `fork`, `rename` and `reserve` only.
/// Threads: one call at a time.
template <DraftProposer Proposer, class Verifier, class Rows>
class SequenceSlots : public SlotTable<SequenceSlot<Proposer, Verifier, Rows>> {
  using Traits = ProposerTraits<Proposer>;
  using Table = SlotTable<SequenceSlot<Proposer, Verifier, Rows>>;

 public:
  using Slot = SequenceSlot<Proposer, Verifier, Rows>;
  using Table::at, Table::find, Table::for_each, Table::none, Table::places;
  using Adapter = typename Slot::Adapter;
  using Drafts = typename Slot::Drafts;

  /// Throws `Error` if `proposer` cannot propose for this vocabulary, or serves another batch.
  SequenceSlots(EngineLimits const& limits, Proposer proposer, Verifier verifier)
      : limits_(limits), proposer_(std::move(proposer)), verifiers_(std::move(verifier)) {
    Traits::require_vocabulary(proposer_, limits.vocabulary_size);
    Traits::claim(proposer_);
  }

  [[nodiscard]] EngineLimits const& limits() const noexcept { return limits_; }
  /// The proposer that the slots have copies of.
  [[nodiscard]] Proposer& proposer() noexcept { return proposer_; }
  [[nodiscard]] Adapter& verifiers() noexcept { return verifiers_; }
  [[nodiscard]] Drafts& drafts() noexcept { return drafts_; }

  /// Throws `Error` if a turn of `id` with this prompt and these options cannot be served. O(prompt).
  void require_servable(SequenceId id, std::span<Token const> prompt, GenerateOptions const& options) const {
    std::size_t const place = find(id);
    COPYSPEC_ASSERT(place == none || !(*this)[place].sequence.running(),
                    "the last turn of this sequence has not ended");
    check_prompt(prompt, place == none ? 0 : (*this)[place].sequence.length(), limits_);
    auto const require = [](bool servable, char const* what) {
      if (!servable) raise_error(ErrorCode::bad_options, what);
    };
    require(options.cached_prefix == 0 || (place == none && options.cached_prefix <= prompt.size()),
            "a cached prefix was given: it is a part of the prompt of a new sequence");
    require(options.scope == nullptr || Traits::scoped, "a scope was given, and the proposer has none");
    require(options.min_new_tokens == 0 || options.stop.tokens.empty() || Adapter::samples,
            "`min_new_tokens` and stop tokens were given, and the verifier does not sample: use a SamplingVerifier");
    if (options.prompt_logprobs) {
      require(!Adapter::shared, "`prompt_logprobs`: not with a verifier that serves all sequences at once");
      require(*options.prompt_logprobs <= limits_.vocabulary_size,
              "`prompt_logprobs`: of more tokens than the vocabulary has");
      require(options.max_new_tokens > 0, "`prompt_logprobs`: nothing is fed to generate no token: allow one");
      require(options.cached_prefix == 0, "`prompt_logprobs`: a cached prefix is not fed, so it has no rows");
      require(std::ranges::none_of(prompt, [](Token token) { return token < 0; }),
              "`prompt_logprobs`: a placeholder has no probability");
    }
    if (!options.sampling) return;
    require(Adapter::samples, "sampling was asked for, and the verifier does not sample: use a SamplingVerifier");
    require_valid(*options.sampling, limits_.vocabulary_size);
    Adapter::check_supported(*options.sampling);
  }

  /// Begins a turn that can be served. If something throws, nothing has changed. O(prompt).
  void begin(SequenceId id, std::span<Token const> prompt, GenerateOptions options) {
    if (std::size_t const place = find(id); place != none) {
      begin_turn((*this)[place], prompt, std::move(options));
      return;
    }
    auto slot = std::make_unique<Slot>(Slot{.sequence = Sequence(id, limits_.context_limit),
                                            .proposer = proposer_,
                                            .verifier = verifiers_.begin_sequence()});
    std::size_t const cached = options.cached_prefix;
    begin_turn(*slot, prompt, std::move(options));
    slot->sequence.copied(cached);
    add(std::move(slot));
  }

  /// A copy of `from` in the same state of its turn, with another seed. If something throws, nothing has changed.
  /// O(context).
  void fork(SequenceId from, SequenceId to, std::optional<std::uint64_t> seed) {
    Slot const& parent = at(from);
    auto slot = std::make_unique<Slot>(
        Slot{.sequence = parent.sequence.fork(to),
             .proposer = parent.proposer,
             .verifier = parent.verifier,
             .turn = parent.turn,
             .source = {.from = from, .number = parent.number, .length = parent.sequence.length()},
             .paused = parent.paused});
    verifiers_.on_fork(slot->verifier, seed);
    set_sampling(*slot, slot->verifier);
    begin_in_shared(*slot, to);
    reserve(*slot, slot->sequence.room(), slot->sequence.running() ? slot->sequence.budget_left() : 0);
    add(std::move(slot));
  }

  /// Changes the id of a sequence to a new one. If it throws, nothing has changed. O(sequences).
  void rename(SequenceId from, SequenceId to) {
    if (from != to) begin_in_shared(at(from), to);
    Table::rename(from, to);
    std::uint64_t const number = at(to).number;
    for_each([&](Slot& slot) {
      if (slot.source.number == number) slot.source.from = to;
    });
  }

  /// Whether the tokens that `slot` takes over from another sequence are still being read.
  [[nodiscard]] bool awaits_source(Slot const& slot) const noexcept {
    Slot const* const from = source_of(slot);
    return from != nullptr && from->active() &&
           from->sequence.cached() < std::min(slot.source.length, slot.sequence.length() - 1);
  }

  /// How many tokens `slot` can take over now. It leaves its source if there are none.
  [[nodiscard]] std::size_t copyable(Slot& slot) const noexcept {
    Slot const* const from = source_of(slot);
    // The branches of a tree lie where the tokens of its path will be.
    bool const settled = from != nullptr && (limits_.max_branches == 0 || !from->sequence.needs_truncate());
    std::size_t const length =
        settled ? std::min({slot.source.length, from->sequence.cached(), slot.sequence.length() - 1, slot.rows_from()})
                : 0;
    if (length == 0 || slot.sequence.cached() > 0) slot.source = {};
    return slot.source.length == 0 ? 0 : length;
  }

  /// The tokens of `edited` after the first `length` are others now: neither does it take more over, nor do others of
  /// it. O(sequences).
  void limit_sources(Slot& edited, std::size_t length) const noexcept {
    for_each([&](Slot& slot) {
      if (&slot == &edited || slot.source.number == edited.number)
        slot.source.length = std::min(slot.source.length, length);
    });
  }

  /// Makes room for a context of `length` tokens, and for drafts of a turn that may generate `budget` tokens.
  void reserve(Slot& slot, std::size_t length, std::size_t budget) {
    drafts_.reserve(limits_, slot.draft, std::min(limits_.max_tokens, budget));
    Traits::reserve(slot.proposer, length);
  }

  /// Tells the proposer and `verifier` of the slot that a prompt begins at `prompt` of `context`.
  void on_turn_begin(Slot& slot, typename Adapter::Own& verifier, std::span<Token const> context, std::size_t prompt) {
    Traits::on_turn_begin(slot.proposer, context, prompt);
    verifiers_.on_turn_begin(verifier, slot.sequence.id(), context, prompt);
  }

  /// Tells the proposer and the verifier of the slot that a pass has ended its turn.
  void on_turn_end(Slot& slot) {
    Sequence const& sequence = slot.sequence;
    std::size_t const answer = sequence.length() - sequence.generated().size() + slot.turn.reported();
    slot.turn.report(sequence.generated().size());
    Traits::on_turn_end(slot.proposer, sequence.context(), answer);
    verifiers_.on_turn_end(slot.verifier, sequence.id(), sequence.context(), answer);
  }

 private:
  [[nodiscard]] Slot const* source_of(Slot const& slot) const noexcept {
    std::size_t const place = slot.source.length == 0 ? none : find(slot.source.from);
    bool const found = place != none && (*this)[place].number == slot.source.number;
    return found ? &(*this)[place] : nullptr;
  }

  void add(std::unique_ptr<Slot> slot) {
    verifiers_.reserve(places() + 1);
    drafts_.reserve(places() + 1);
    Table::add(std::move(slot));
  }

  // For a verifier of all sequences, what follows under the id `to` is an answer to an empty prompt.
  void begin_in_shared(Slot& slot, SequenceId to) {
    if constexpr (Adapter::shared)
      if (slot.sequence.running())
        verifiers_.on_turn_begin(slot.verifier, to, slot.sequence.context(), slot.sequence.length());
  }

  static void set_sampling(Slot& slot, typename Adapter::Own const& verifier) {
    if constexpr (Adapter::samples) Traits::set_sampling(slot.proposer, verifier.options(), Adapter::needs_drawn);
  }

  void begin_turn(Slot& slot, std::span<Token const> prompt, GenerateOptions options) {
    Sequence& sequence = slot.sequence;
    std::size_t const before = sequence.length();
    std::size_t const answer = before + prompt.size();
    std::size_t const budget = std::min(options.max_new_tokens, limits_.context_limit - answer);
    std::span<Token const> const context = sequence.place(prompt, budget);
    auto verifier = slot.verifier;
    verifiers_.begin_turn(verifier, {.options = options.sampling ? &*options.sampling : nullptr,
                                     .vocabulary = limits_.vocabulary_size,
                                     .budget = budget,
                                     .answer = answer,
                                     .stop_tokens = options.stop.tokens,
                                     .min_new_tokens = options.min_new_tokens});
    std::shared_ptr<PromptLogprobs> logprobs;
    if (options.prompt_logprobs && !prompt.empty())
      logprobs = std::make_shared<PromptLogprobs>(before, answer, *options.prompt_logprobs);
    auto const prepare = [&] {
      reserve(slot, TokenRoom::first(answer, budget), budget);
      Traits::set_scope(slot.proposer, options.scope);
      set_sampling(slot, verifier);
      Traits::set_references(slot.proposer, options.references);
      on_turn_begin(slot, verifier, context, before);
    };
    with_recovery(prepare, [&] {
      // The newest turn may be extended.
      slot.proposer.truncate(before);
      Traits::set_scope(slot.proposer, slot.turn.options().scope);
      set_sampling(slot, slot.verifier);
      Traits::set_references(slot.proposer, {});
    });
    slot.verifier = std::move(verifier);
    sequence.begin_placed(prompt.size(), budget, options.may_continue,
                          logprobs == nullptr ? PromptLogprobs::none : logprobs->next());
    slot.turn.begin(std::move(options), std::move(logprobs));
    slot.paused = false;
  }

  EngineLimits limits_;
  Proposer proposer_;
  Adapter verifiers_;
  Drafts drafts_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
