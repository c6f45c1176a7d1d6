// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <utility>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../draft/proposer.hpp"
#include "../verify/logprobs.hpp"
#include "../verify/sampling_options.hpp"
#include "detail/planned_pass.hpp"
#include "detail/sequence_slots.hpp"
#include "detail/truncation_cursor.hpp"
#include "engine_limits.hpp"
#include "generate_options.hpp"
#include "pass_plan.hpp"
#include "sequence.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The sequences of a `DecodeBatch` and what may be done to them between passes, also in a callback of `emit`: turns
/// begin, pause, go on and end, and sequences are copied, moved and removed.
///
/// Failure: whatever throws, everything is as before. Threads: one call at a time. Cost: O(1), unless stated otherwise.
template <DraftProposer Proposer, class Verifier, class Rows>
class BatchSequences {
 protected:
  using Slots = detail::SequenceSlots<Proposer, Verifier, Rows>;
  using Slot = typename Slots::Slot;
  static constexpr std::size_t none = Slots::none;

 public:
  [[nodiscard]] EngineLimits const& limits() const noexcept { return slots_.limits(); }

  /// Throws the `Error` that `begin` would throw. O(prompt).
  void require_servable(SequenceId id, std::span<Token const> prompt, GenerateOptions const& options) const {
    slots_.require_servable(id, prompt, options);
  }

  /// Begins a turn of sequence `id` and appends `prompt` to its context. The context of a new `id` is empty. Throws
  /// `Error` for a request that cannot be served. Whatever throws, everything is as before. Output of an earlier turn
  /// that was not emitted is lost. Needs: it is not running; no pass is under way. O(prompt).
  void begin(SequenceId id, std::span<Token const> prompt, GenerateOptions options = {}) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    require_servable(id, prompt, options);
    pass_.reserve(size() + 1);
    slots_.begin(id, prompt, std::move(options));
  }

  /// Makes `to`, a new id, a copy of `from`, mid-turn too, that goes on by itself, with this seed or a fresh one. What
  /// the engine holds of `from` is requested by `next_copy`. While `from` reads a prompt, `to` waits for it. Whatever
  /// throws, everything is as before. O(context).
  void fork(SequenceId from, SequenceId to, std::optional<std::uint64_t> seed = std::nullopt) {
    COPYSPEC_ASSERT(!in_pass_ && !contains(to), "a copy is made between passes, under an id that is new");
    pass_.reserve(size() + 1);
    slots_.fork(from, to, seed);
  }

  /// Gives sequence `from` the new id `to`. The engine must hold under `to` what it held under `from`, or less, which
  /// `truncated` reports. If it throws, everything is as before. O(sequences).
  void move(SequenceId from, SequenceId to) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    slots_.rename(from, to);
  }

  /// Leaves a running sequence out of all passes until `resume`.
  void pause(SequenceId id) {
    COPYSPEC_ASSERT(!in_pass_ && sequence(id).running(), "a running sequence is paused between passes");
    slots_.at(id).paused = true;
  }
  void resume(SequenceId id) { slots_.at(id).paused = false; }
  [[nodiscard]] bool paused(SequenceId id) const { return slots_.at(id).paused; }

  /// Reports that the engine holds nothing of the sequence any more, and pauses it if it runs. After `resume` it is fed
  /// again from its first token.
  void preempt(SequenceId id) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    truncated(id, 0);
    slots_.at(id).paused = sequence(id).running();
  }

  /// Allows the turn `more` generated tokens, as if `max_new_tokens` had been greater from the start. Needs: it is
  /// running, or ended with `length`, and no other turn has begun. What was shown when it ended stays shown, so begin
  /// it with `may_continue`. Whatever throws, everything is as before.
  void extend(SequenceId id, std::size_t more) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    if (more == 0) return;
    Slot& slot = slots_.at(id);
    bool const ended = !slot.sequence.running();
    slots_.reserve(slot, slot.sequence.room(), slot.sequence.budget_left() + std::min(more, limits().context_limit));
    // For observers, what follows is an answer to an empty prompt.
    if (ended) slots_.on_turn_begin(slot, slot.verifier, slot.sequence.context(), slot.sequence.length());
    slot.sequence.extend(more);
    slot.turn.reopen();
  }

  /// Removes `count` tokens from position `first` on, which the engine has removed and closed up, as far as it held
  /// them. The context is another one then: this is not lossless. Needs: it is not running; nothing to truncate.
  void shift(SequenceId id, std::size_t first, std::size_t count) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    Slot& slot = slots_.at(id);
    slot.proposer.truncate(first);
    slot.sequence.shift(first, count);
    slot.turn.close();
    slots_.limit_sources(slot, first);
  }

  /// What the engine must forget of this sequence, running or not.
  [[nodiscard]] std::optional<Truncation> truncation(SequenceId id) {
    notice_unanswered();
    Slot& slot = slots_.at(id);
    if (!slot.sequence.needs_truncate()) return std::nullopt;
    return slots_.drafts().truncation(slot.draft, slot.sequence);
  }

  /// Reports that the engine has truncated, or has lost tokens between passes, and holds the first `held` tokens. These
  /// are no more than it was asked to keep, or `sequence(id).cached()`. Lost tokens are fed again.
  void truncated(SequenceId id, std::size_t held) {
    Slot& slot = slots_.at(id);
    slot.sequence.truncated(held);
    slots_.drafts().truncated(slot.draft);
    cursor_.answered();
  }

  /// Whether any sequence is running and not paused.
  [[nodiscard]] bool running() const noexcept {
    bool any = false;
    slots_.for_each([&](Slot const& slot) { any = any || slot.active(); });
    return any;
  }

  /// Removes everything after the first `length` tokens of `id`, for example to edit a prompt, and ends its turn. If
  /// the proposer throws, nothing has changed.
  void truncate(SequenceId id, std::size_t length) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    Slot& slot = slots_.at(id);
    slot.truncate(length);
    slots_.limit_sources(slot, length);
  }

  /// Removes sequence `id` and what it has not emitted. Returns whether it existed. The engine must forget all of it.
  /// O(1), besides one O(sequences) for all that are removed between two passes.
  bool remove(SequenceId id) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    std::size_t const index = slots_.find(id);
    if (index == none) return false;
    slots_.remove(index);
    notice_unanswered();
    cursor_.restart();
    return true;
  }

  [[nodiscard]] std::size_t size() const noexcept { return slots_.size(); }
  [[nodiscard]] bool contains(SequenceId id) const noexcept { return slots_.find(id) != none; }
  /// The sequence `id`, which was begun and not removed. Valid until it is removed.
  [[nodiscard]] Sequence const& sequence(SequenceId id) const { return slots_.at(id).sequence; }
  /// Calls `visit(Sequence const&)` for each sequence, in the order in which they were first begun. O(sequences).
  template <class Visit>
  void for_each_sequence(Visit&& visit) const {
    slots_.for_each([&](Slot const& slot) { visit(slot.sequence); });
  }
  /// What a hook, the stop predicate or the verifier of this sequence threw, if that ended its turn; otherwise null.
  [[nodiscard]] std::exception_ptr error(SequenceId id) const { return slots_.at(id).turn.error(); }
  /// How the tokens of this turn are drawn, with the seed, fresh or named, that repeats it. Valid until the next turn.
  [[nodiscard]] SamplingOptions const& sampling(SequenceId id) const requires(Slots::Adapter::samples) {
    return slots_.at(id).verifier.options();
  }
  /// Log-probabilities of the prompt tokens of this turn, if `GenerateOptions::prompt_logprobs` asks for them, in the
  /// softmax of the model's rows. The first token of a context follows nothing and is left out. As many as were read
  /// so far: all of them with the first output. Valid until the next pass or turn, or `remove`.
  [[nodiscard]] LogprobsView prompt_logprobs(SequenceId id) const {
    auto const* const prompt = slots_.at(id).turn.prompt();
    return prompt == nullptr ? LogprobsView() : prompt->view();
  }
  /// The proposer of sequence `id`. Valid until it is removed.
  [[nodiscard]] Proposer const& proposer(SequenceId id) const { return slots_.at(id).proposer; }

 protected:
  BatchSequences(EngineLimits const& limits, Proposer proposer, Verifier verifier)
      : slots_(limits, std::move(proposer), std::move(verifier)) {}

  // If the engine could not truncate, drafts are not why it failed.
  void notice_unanswered() noexcept {
    if (cursor_.restart_if_unanswered()) plainly_ = false;
  }

  Slots slots_;
  detail::PlannedPass<Proposer, Verifier, Rows> pass_;
  detail::TruncationCursor cursor_;
  bool in_pass_ = false;  // a plan was made and neither committed nor failed
  bool plainly_ = false;  // the next plan has no drafts
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
