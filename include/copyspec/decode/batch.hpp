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

/// Decodes many sequences without a model, a clock or I/O, for an engine with continuous batching that runs its own
/// loop. It says what to feed and what to forget, and takes in the logits rows. `Composer` adds a model and a clock.
///
/// One pass (`examples/own_loop.cpp` is a whole loop, `docs/decode.md` a table of all calls):
///  1. Call `next_truncation()` until there is none. The engine forgets, and `truncated()` reports what it still holds.
///  2. Call `plan()` for what to feed. If it has neither segments nor sequences held over, nothing is running.
///  3. The engine feeds the segments, and `commit(rows)` takes in the rows. If it fails, call `fail()` and go to 1.
///  4. Repeat 1. Then call `report(seconds)`, from which proposers learn what rows cost, and `emit(on_tokens)`.
///
/// Call `begin`, `truncate` and `remove` between passes. The engine must hold nothing under a new id.
///
/// Each sequence has its own copies of the proposer and the verifier; a `BatchVerifier` serves all. `Rows` is the type
/// of the engine's rows. Drafts are trees if the limits have branches, the proposer is a `TreeProposer`, and the
/// verifier serves one sequence. The generated tokens depend neither on drafts nor on budgets nor on other sequences.
///
/// Failure: exceptions of a proposer, verifier or callback pass through. Each sequence is then as before the pass, or
/// as after it if its verdict was taken, and continues with 1. Allocation: in `begin` only, given a proposer with
/// `reserve`. Threads: one call at a time.
template <DraftProposer Proposer, class Verifier, class Rows = LogitsView<float>>
  requires SequenceVerifier<Verifier, Rows> || BatchVerifier<Verifier, Rows>
class DecodeBatch {
  // Makes hooks with a wrong signature a compile-time error.
  static_assert(sizeof(ProposerTraits<Proposer>) > 0 && sizeof(VerifierTraits<Verifier>) > 0);

 public:
  /// Copies `proposer`, and a verifier that serves one sequence, for each sequence. `proposer` itself receives the pass
  /// reports. Throws `Error` if it cannot propose for a vocabulary of this size.
  explicit DecodeBatch(EngineLimits const& limits, Proposer proposer = Proposer(), Verifier verifier = Verifier())
      : slots_(limits, std::move(proposer), std::move(verifier)) {}

  [[nodiscard]] EngineLimits const& limits() const noexcept { return slots_.limits(); }

  /// Throws the `Error` that `begin` would throw. O(prompt).
  void require_servable(SequenceId id, std::span<Token const> prompt, GenerateOptions const& options) const {
    slots_.require_servable(id, prompt, options);
  }

  /// Begins a turn of sequence `id` and appends `prompt` to its context. The context of a new `id` is empty. Throws
  /// `Error` for a request that cannot be served; everything is then as before. If a hook throws, a new sequence is
  /// removed, and an existing one is idle, without the prompt. Output not yet emitted is lost. Needs: it is not
  /// running; no pass is under way. O(prompt).
  void begin(SequenceId id, std::span<Token const> prompt, GenerateOptions options = {}) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    require_servable(id, prompt, options);
    pass_.reserve(size() + 1);
    slots_.begin(id, prompt, std::move(options));
  }

  /// What the engine must forget before the next plan, one request at a time: sequences of the newest pass, then other
  /// running ones. Answer with `truncated` before the next call. An unanswered request is repeated, without a path. An
  /// ended sequence is requested once, and again when it begins.
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

  /// Reports that the engine has truncated, or has lost tokens between passes, and holds the first `held` tokens. These
  /// are no more than it was asked to keep, or `sequence(id).cached()`. Lost tokens are fed again.
  void truncated(SequenceId id, std::size_t held) {
    Slot& slot = slots_.at(id, cursor_.asked());
    slot.sequence.truncated(held);
    slots_.drafts().truncated(slot.draft);
    cursor_.answered();
  }

  /// Plans a pass of at most `max_tokens` tokens, or of none. Every running sequence gets one token before any gets
  /// more. Sequences that wait for one token, and their drafts, come before chunks of prompts. Sequences without a
  /// token come first next time. Each piece of work of a proposer is passed to `timed`, which calls it. Needs:
  /// max_tokens <= limits().max_tokens; no truncation of a running sequence is due.
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

  /// Reports that the engine could not feed the segments, or only some. Everything is as before the plan. Returns
  /// whether there were drafts. If so, the next plan has none, so drafts never fail where plain decoding would succeed.
  bool fail() noexcept {
    COPYSPEC_ASSERT(in_pass_, "no pass is under way");
    plainly_ = pass_.has_drafts();
    put_back();
    return plainly_;
  }

  /// Reports that the engine has fed the segments. `rows` are the rows of all segments, in order, and no others. Takes
  /// verdicts, and ends turns by their options or by `stop`. Each verdict is computed through `timed`.
  template <StopPredicate Stop = detail::NeverStop, class Timed = detail::Untimed>
  void commit(Rows rows, Stop&& stop = Stop(), Timed&& timed = Timed()) {
    COPYSPEC_ASSERT(in_pass_, "no pass is under way");
    COPYSPEC_ASSERT(rows.rows() == pass_.rows(), "a row for each that the segments ask for");
    COPYSPEC_ASSERT(rows.rows() == 0 || rows.vocabulary() == limits().vocabulary_size, "rows of the vocabulary");
    detail::with_recovery([&] { pass_.take(slots_, rows, stop, timed); }, [this] { put_back(); });
    in_pass_ = false;
    reportable_ = true;
    cursor_.restart_after_pass();
  }

  /// Reports that the newest pass took `seconds`: drafts, forward, verdicts and truncations, without callbacks. Ignored
  /// unless that pass was committed and each token fed had a row. Without reports, proposers keep their initial costs.
  void report(double seconds) {
    if (!std::exchange(reportable_, false)) return;
    if (auto const report = detail::report_on(pass_.segments(), seconds))
      ProposerTraits<Proposer>::on_pass(slots_.proposer(), *report);
  }

  /// Calls `on_tokens(OutputDelta)` for each sequence that has new output or has ended since the last call. The
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

  /// Removes everything after the first `length` tokens of `id`, for example to edit a prompt, and ends its turn.
  void truncate(SequenceId id, std::size_t length) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    slots_.truncate(slots_.at(id), length);
  }

  /// Removes sequence `id` and what it has not emitted. Returns whether it existed. The engine must forget all of it.
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
  /// The sequence `id`, which was begun and not removed. Valid until the next `begin` or `remove`.
  [[nodiscard]] Sequence const& sequence(SequenceId id) const { return slots_.at(id).sequence; }
  /// The sequence at `index`, in the order in which they were first begun. Valid as above.
  [[nodiscard]] Sequence const& nth_sequence(std::size_t index) const { return slots_.all()[index].sequence; }
  /// The proposer of sequence `id`. Valid as above.
  [[nodiscard]] Proposer const& proposer(SequenceId id) const { return slots_.at(id).proposer; }

 private:
  using Slots = detail::SequenceSlots<Proposer, Verifier, Rows>;
  using Pass = detail::PlannedPass<Proposer, Verifier, Rows>;
  using Slot = typename Slots::Slot;
  static constexpr std::size_t none = Slots::none;

  // Restores every sequence of the pass that was not committed.
  void put_back() noexcept {
    pass_.cancel(slots_);
    in_pass_ = false;
    cursor_.restart_after_pass();
  }

  // If the engine could not truncate, drafts are not why it failed.
  void notice_unanswered() noexcept {
    if (cursor_.restart_if_unanswered()) plainly_ = false;
  }

  Slots slots_;
  Pass pass_;
  detail::TruncationCursor cursor_;
  bool in_pass_ = false;     // a plan was made and neither committed nor failed
  bool plainly_ = false;     // the next plan has no drafts
  bool reportable_ = false;  // the newest pass was committed and not yet reported
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
