// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../detail/recovery.hpp"
#include "../draft/proposer.hpp"
#include "../draft/proposer_traits.hpp"
#include "../model/logits.hpp"
#include "../verify/batch_verifier.hpp"
#include "../verify/verifier_traits.hpp"
#include "batch_sequences.hpp"
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
///  2. Call `plan()` for what to feed. If it has no segments, there is no pass.
///  3. The engine feeds the segments, and `commit(rows)` takes in the rows. If it fails, call `fail()` and go to 1.
///  4. Repeat 1. Then call `report(seconds)`, from which proposers learn what rows cost, and `emit(on_tokens)`.
///
/// Call `begin`, `truncate` and `remove` between passes. The engine must hold nothing under a new id.
///
/// Each sequence has its own copies of the proposer and the verifier; a `BatchVerifier` serves all. `Rows` is the type
/// of the engine's rows. Drafts are trees if the limits have branches, the proposer is a `TreeProposer`, and the
/// verifier serves one sequence. The generated tokens depend neither on drafts nor on budgets nor on other sequences.
///
/// Failure: what the stop rule, or the verifier of one sequence, throws ends that sequence with `failed`. Exceptions of
/// a proposer, a `BatchVerifier` or the callback pass through. Each sequence is then as before the pass, or as after it
/// if its verdict was taken, and continues with 1. Allocation: between passes, and in a pass where an answer outgrows
/// its room or a prompt is scored, given a proposer with `reserve`. Threads: one call at a time.
template <DraftProposer Proposer, class Verifier, class Rows = LogitsView<float>>
  requires SequenceVerifier<Verifier, Rows> || BatchVerifier<Verifier, Rows>
class DecodeBatch : public BatchSequences<Proposer, Verifier, Rows> {
  using Base = BatchSequences<Proposer, Verifier, Rows>;
  using Base::cursor_, Base::in_pass_, Base::none, Base::notice_unanswered, Base::pass_, Base::plainly_, Base::slots_;
  using typename Base::Slot;

  // Makes hooks with a wrong signature a compile-time error.
  static_assert(sizeof(ProposerTraits<Proposer>) > 0 && sizeof(VerifierTraits<Verifier>) > 0);

 public:
  /// Copies `proposer`, and a verifier that serves one sequence, for each sequence. `proposer` itself receives the pass
  /// reports. Throws `Error` if it cannot propose for a vocabulary of this size.
  explicit DecodeBatch(EngineLimits const& limits, Proposer proposer = Proposer(), Verifier verifier = Verifier())
      : Base(limits, std::move(proposer), std::move(verifier)) {}

  /// What the engine must forget before the next plan, one request at a time: sequences of the newest pass, then other
  /// running ones. Answer with `truncated` before the next call. An unanswered request is repeated, without a path. An
  /// ended sequence is requested once, and again when it begins.
  [[nodiscard]] std::optional<Truncation> next_truncation() {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    notice_unanswered();
    slots_.compact();
    std::size_t const index = cursor_.next(slots_, pass_.scheduled());
    if (index == none) return std::nullopt;
    return slots_.drafts().truncation(slots_[index].draft, slots_[index].sequence);
  }

  /// What the engine must copy before the next plan, one request at a time, after `next_truncation` has none. Answer
  /// with `copied` before the next call. Only `fork` gives reason to.
  [[nodiscard]] std::optional<CacheCopy> next_copy() {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    slots_.compact();
    for (std::size_t i = 0; i < slots_.places(); ++i) {
      Slot& slot = slots_[i];
      if (slot.source.length == 0 || !slot.active() || slots_.awaits_source(slot)) continue;
      if (std::size_t const length = slots_.copyable(slot); length > 0)
        return CacheCopy{.from = slot.source.from, .to = slot.sequence.id(), .length = length};
    }
    return std::nullopt;
  }

  /// Reports that the engine holds the first `held` tokens of `to` after a copy: no more than requested; zero if it
  /// could not copy. The others are fed.
  void copied(SequenceId to, std::size_t held) {
    Slot& slot = slots_.at(to);
    slot.sequence.copied(held);
    slot.source = {};
  }

  /// Plans a pass of at most `max_tokens` tokens, or of none. Every running sequence gets one token before any gets
  /// more. Sequences that wait for one token, and their drafts, come before chunks of prompts, but leave these
  /// `for_prompts` tokens, as far as they need them. Sequences without a token come first next time. Each piece of work
  /// of a proposer is passed to `timed`, which calls it. Needs: max_tokens <= slots_.limits().max_tokens; no truncation
  /// of a running sequence is due.
  template <class Timed = detail::Untimed>
  [[nodiscard]] PassPlan plan(std::size_t max_tokens, std::size_t for_prompts = 0, Timed&& timed = Timed()) {
    COPYSPEC_ASSERT(!in_pass_, "a pass is under way");
    COPYSPEC_ASSERT(max_tokens <= slots_.limits().max_tokens, "more tokens than a pass of the engine takes");
    slots_.compact();
    bool const with_drafts = !std::exchange(plainly_, false);
    reportable_ = false;
    detail::with_recovery([&] { pass_.plan(slots_, max_tokens, for_prompts, with_drafts, timed); },
                          [this] { put_back(); });
    in_pass_ = !pass_.segments().empty();
    return {pass_.segments(), slots_.drafts().tree_segments(slots_.limits()), pass_.held_over(), pass_.has_drafts()};
  }
  [[nodiscard]] PassPlan plan() { return plan(slots_.limits().max_tokens); }

  /// Reports that the engine could not feed the segments, or only some. Everything is as before the plan. Returns
  /// whether there were drafts. If so, the next plan has none, so drafts never fail where plain decoding would succeed.
  bool fail() noexcept {
    COPYSPEC_ASSERT(in_pass_, "no pass is under way");
    plainly_ = pass_.has_drafts();
    put_back();
    return plainly_;
  }

  /// Reports that the engine has fed the segments. `rows` are the rows of all segments, in order, and no others. Takes
  /// verdicts, and ends turns by their options or by `stop`. Each verdict is computed through `timed`. Throws `Error`
  /// if there are not as many rows as the segments ask for, and what a `BatchVerifier` throws; sequences are then as
  /// before the plan, or as after the pass where a chunk of their prompt was fed. What `stop`, or the verifier of one
  /// sequence, throws ends that sequence with `failed`.
  template <StopPredicate Stop = detail::NeverStop, class Timed = detail::Untimed>
  void commit(Rows rows, Stop&& stop = Stop(), Timed&& timed = Timed()) {
    COPYSPEC_ASSERT(in_pass_, "no pass is under way");
    auto const take = [&] {
      pass_.require_rows(rows, slots_.limits().vocabulary_size);
      pass_.take(slots_, rows, stop, timed);
    };
    detail::with_recovery(take, [this] { put_back(); });
    in_pass_ = false;
    reportable_ = !pass_.scores_prompt();
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
  /// callback may make any call of the batch that is allowed between passes, for any sequence, but none that a pass
  /// consists of. If it throws, all others are served first, then the first exception passes through, and the next call
  /// repeats what was not taken. Returns whether callbacks have left output for the next call: they began turns that
  /// ended at once, of sequences that were served already.
  template <class OnTokens>
  bool emit(OnTokens&& on_tokens) {
    COPYSPEC_ASSERT(!in_pass_ && !slots_.pinned(), "a pass is under way, or a callback of this function");
    slots_.compact();
    slots_.pin(true);
    std::exception_ptr first;
    for (std::size_t i = 0; i < slots_.places(); ++i) {
      Slot* const slot = slots_.find_at(i);
      if (slot == nullptr) continue;
      std::exception_ptr error = detail::exception_of(
          [&] { slot->turn.emit(slot->sequence, slots_.verifiers().logprobs(slot->verifier), on_tokens); });
      if (first == nullptr) first = std::move(error);
    }
    slots_.pin(false);
    slots_.compact();
    detail::rethrow(first);
    bool left = false;
    slots_.for_each([&](Slot const& slot) { left = left || slot.turn.has_output(slot.sequence); });
    return left;
  }

 private:
  // Restores every sequence of the pass that was not committed.
  void put_back() noexcept {
    pass_.cancel(slots_);
    in_pass_ = false;
    cursor_.restart_after_pass();
  }

  bool reportable_ = false;  // the newest pass was committed, shows what rows cost, and was not yet reported
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
