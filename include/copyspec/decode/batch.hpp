// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../detail/recovery.hpp"
#include "../draft/proposer.hpp"
#include "../draft/proposer_traits.hpp"
#include "../model/logits.hpp"
#include "../verify/batch_verifier.hpp"
#include "../verify/verifier_traits.hpp"
#include "detail/planned_pass.hpp"
#include "detail/sequence_slots.hpp"
#include "detail/truncation_cursor.hpp"
#include "engine_limits.hpp"
#include "generate_options.hpp"
#include "pass_plan.hpp"
#include "sequence.hpp"
#include "stop.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The decoding of many sequences without a model, a clock or I/O, for an engine with continuous batching and a loop of
/// its own: it says what to feed and what to forget, and takes the rows in. `Composer` is this, a model and a clock.
///
/// A pass; `examples/own_loop.cpp` is a whole loop:
///  1. `next_truncation()` until there is none: the engine forgets, and `truncated()` says what it still holds.
///  2. `plan()`: what to feed. Nothing is running if there are neither segments nor sequences held over.
///  3. The engine feeds the segments, and `commit(rows)` takes the rows in. Or it fails: `fail()`, and again from 1.
///  4. As 1. Then `report(seconds)`, from which proposers learn what rows cost, and `emit(on_tokens)`.
///
/// Sequences `begin`, are truncated and removed between passes. Of an id that is new, the engine holds nothing.
///
/// Every sequence has its own copies of the proposer and the verifier; a `BatchVerifier` is one for all. `Rows` is what
/// the engine's `forward` returns. Drafts are trees if the limits have branches, the proposer is a `TreeProposer`, and
/// the verifier is one of sequences. What is generated depends neither on drafts nor budgets nor other sequences.
///
/// Failure: what a proposer, verifier or callback throws passes through. Every sequence is then as it was before the
/// pass, or as after it if its verdict was taken, and goes on with 1. Allocation: in `begin` only, given a proposer
/// with `reserve`. Threads: one call at a time.
template <DraftProposer Proposer, class Verifier, class Rows = LogitsView<float>>
  requires SequenceVerifier<Verifier, Rows> || BatchVerifier<Verifier, Rows>
class DecodeBatch {
  // Hooks with a wrong signature do not compile.
  static_assert(sizeof(ProposerTraits<Proposer>) > 0 && sizeof(VerifierTraits<Verifier>) > 0);

 public:
  /// `proposer` and a verifier of sequences are copied for each sequence; `proposer` itself hears of the passes.
  /// Throws `Error` if it cannot propose for a vocabulary of this size.
  explicit DecodeBatch(EngineLimits const& limits, Proposer proposer = Proposer(), Verifier verifier = Verifier())
      : slots_(limits, std::move(proposer), std::move(verifier)) {}

  [[nodiscard]] EngineLimits const& limits() const noexcept { return slots_.limits(); }

  /// Throws the `Error` that `begin` would throw. O(prompt).
  void require_servable(SequenceId id, std::span<Token const> prompt, GenerateOptions const& options) const {
    slots_.require_servable(id, prompt, options);
  }

  /// Begins a turn of sequence `id`: `prompt` is appended to its context, which is empty if `id` is new. Throws `Error`
  /// for a request that cannot be served, and leaves everything as it was. After what a hook throws, a new sequence is
  /// gone, and another is idle, without the prompt. Needs: it is not running; no pass is under way. O(prompt).
  void begin(SequenceId id, std::span<Token const> prompt, GenerateOptions options = {}) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    require_servable(id, prompt, options);
    pass_.reserve(size() + 1);
    slots_.begin(id, prompt, std::move(options));
  }

  /// What the engine must forget before the next plan, one at a time: first of sequences of the newest pass, then of
  /// others that are running. Answer with `truncated` before the next call; after none, it is asked for again, without
  /// a path. An ended sequence is asked for once, and again when it begins.
  [[nodiscard]] std::optional<Truncation> next_truncation() {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    notice_unanswered();
    std::size_t const index = cursor_.next(slots_.all(), pass_.scheduled());
    if (index == none) return std::nullopt;
    return slots_.drafts().truncation(slots_.all()[index].draft, slots_.all()[index].sequence);
  }

  /// What the engine must forget of this sequence, running or not.
  [[nodiscard]] std::optional<Truncation> truncation(SequenceId id) {
    notice_unanswered();
    Slot& slot = slots_.at(id);
    if (!slot.sequence.needs_truncate()) return std::nullopt;
    return slots_.drafts().truncation(slot.draft, slot.sequence);
  }

  /// The engine has forgotten that, and holds `held` tokens, no more than it was to keep. Lost ones are fed again.
  void truncated(SequenceId id, std::size_t held) {
    Slot& slot = slots_.at(id, cursor_.asked());
    slot.sequence.truncated(held);
    slots_.drafts().truncated(slot.draft);
    cursor_.answered();
  }

  /// A pass of at most `max_tokens` tokens. Every running sequence gets one before any gets more; those that wait for
  /// one token come before chunks of prompts; those without come first next time. `timed` is called with each piece of
  /// work of the proposers, and calls it. Needs: no truncation of a running sequence is due.
  template <class Timed = detail::Untimed>
  [[nodiscard]] PassPlan plan(std::size_t max_tokens, Timed&& timed = Timed()) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    COPYSPEC_ASSERT(max_tokens <= limits().max_tokens, "more tokens than a pass of the engine takes");
    bool const with_drafts = !std::exchange(plainly_, false);
    reportable_ = false;
    detail::with_recovery([&] { pass_.plan(slots_, max_tokens, with_drafts, timed); }, [this] { put_back(); });
    in_pass_ = !pass_.segments().empty();
    return {pass_.segments(), slots_.drafts().tree_segments(limits()), pass_.held_over(), pass_.has_drafts()};
  }
  [[nodiscard]] PassPlan plan() { return plan(limits().max_tokens); }

  /// The engine could not feed the segments, or only some: all is as before the plan. Returns whether they had drafts;
  /// the next plan then has none, so that drafts fail nothing that plain decoding would not.
  bool fail() noexcept {
    COPYSPEC_ASSERT(in_pass_, "no pass is under way");
    plainly_ = pass_.has_drafts();
    put_back();
    return plainly_;
  }

  /// The engine has fed the segments, and `rows` are the rows of all, in order. Takes verdicts, and ends turns by their
  /// options or by `stop`. `timed` is called with each verdict.
  template <StopPredicate Stop = NeverStop, class Timed = detail::Untimed>
  void commit(Rows rows, Stop&& stop = Stop(), Timed&& timed = Timed()) {
    COPYSPEC_ASSERT(in_pass_, "no pass is under way");
    COPYSPEC_ASSERT(rows.rows() == 0 || rows.vocabulary() == limits().vocabulary_size, "rows of the vocabulary");
    detail::with_recovery([&] { pass_.take(slots_, rows, stop, timed); }, [this] { put_back(); });
    in_pass_ = false;
    reportable_ = true;
    cursor_.restart_after_pass();
  }

  /// The newest pass, which was committed, took `seconds`: drafts, forward, verdicts and truncations, without
  /// callbacks. Proposers hear of it if each token fed had a row. Without reports, their prices stay as they were made.
  void report(double seconds) {
    if (!std::exchange(reportable_, false)) return;
    if (auto const report = detail::report_on(pass_.segments(), seconds))
      ProposerTraits<Proposer>::on_pass(slots_.proposer(), *report);
  }

  /// Calls `on_tokens(OutputDelta)` for each sequence that has something to show or has ended since the last call. The
  /// callback must not begin, truncate or remove sequences.
  template <class OnTokens>
  void emit(OnTokens&& on_tokens) {
    for (Slot& slot : slots_.all())
      slot.turn.emit(slot.sequence, slots_.verifiers().logprobs(slot.verifier), on_tokens);
  }

  /// Whether any sequence is running.
  [[nodiscard]] bool running() const noexcept {
    return std::ranges::any_of(slots_.all(), [](Slot const& slot) { return slot.sequence.running(); });
  }

  /// Takes back everything after the first `length` tokens of sequence `id`, e.g. to edit a prompt, and ends its turn.
  void truncate(SequenceId id, std::size_t length) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    slots_.truncate(slots_.at(id), length);
  }

  /// Forgets sequence `id`, and returns whether there was one. The engine must forget all of it.
  bool remove(SequenceId id) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    std::size_t const index = slots_.find(id);
    if (index == none) return false;
    slots_.all().erase(slots_.all().begin() + static_cast<std::ptrdiff_t>(index));
    notice_unanswered();
    cursor_.restart();
    return true;
  }

  [[nodiscard]] std::size_t size() const noexcept { return slots_.all().size(); }
  [[nodiscard]] bool contains(SequenceId id) const noexcept { return slots_.find(id) != none; }
  /// The sequence called `id`, which was begun and not removed. Valid until the next `begin` or `remove`.
  [[nodiscard]] Sequence const& sequence(SequenceId id) const { return slots_.at(id).sequence; }
  /// Of all, in the order in which they were first begun; as above.
  [[nodiscard]] Sequence const& nth_sequence(std::size_t index) const { return slots_.all()[index].sequence; }
  /// The proposer that serves sequence `id`; as above.
  [[nodiscard]] Proposer const& proposer(SequenceId id) const { return slots_.at(id).proposer; }

 private:
  using Slots = detail::SequenceSlots<Proposer, Verifier, Rows>;
  using Pass = detail::PlannedPass<Proposer, Verifier, Rows>;
  using Slot = typename Slots::Slot;
  static constexpr std::size_t none = Slots::none;

  // Every sequence of the pass that was not committed is as it was before.
  void put_back() noexcept {
    pass_.cancel(slots_);
    in_pass_ = false;
    cursor_.restart_after_pass();
  }

  // Drafts are not why an engine fails that could not truncate.
  void notice_unanswered() noexcept {
    if (cursor_.restart_if_unanswered()) plainly_ = false;
  }

  Slots slots_;
  Pass pass_;
  detail::TruncationCursor cursor_;
  bool in_pass_ = false;     // planned, neither committed nor failed
  bool plainly_ = false;     // the next plan has no drafts
  bool reportable_ = false;  // the newest pass was committed and not reported
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
