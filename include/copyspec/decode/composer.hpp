// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/assert.hpp"
#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../detail/recovery.hpp"
#include "../detail/stopwatch.hpp"
#include "../draft/proposer.hpp"
#include "../draft/proposer_traits.hpp"
#include "../model/engine.hpp"
#include "../verify/batch_verifier.hpp"
#include "../verify/sampling_options.hpp"
#include "../verify/verifier.hpp"
#include "detail/chain_drafts.hpp"
#include "detail/prompt_check.hpp"
#include "detail/tree_drafts.hpp"
#include "detail/turn.hpp"
#include "detail/verifier_adapter.hpp"
#include "generate_options.hpp"
#include "output_delta.hpp"
#include "pass_times.hpp"
#include "sequence.hpp"
#include "stop.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Drives a model for one sequence or many: drafts, one pass for all that are running, verdicts, cache cut back. A thin
/// loop over `Sequence`; every sequence has its own copy of the proposer and the verifier. With a `BatchVerifier`,
/// which rows in device memory (`DeviceModel`) need, there is one verifier for all. Drafts are trees where the model is
/// a `TreeModel` that has branches, the proposer a `TreeProposer`, and the verifier one of sequences.
///
/// Each pass first serves the sequences that wait for one token, then chunks of prompts, within the model's
/// `max_tokens()`. What is generated does not depend on the drafts, nor on which other sequences run; its distribution
/// does not, with a `RejectionVerifier`.
///
/// Failure: `begin` throws `Error` for a request that cannot be served and leaves everything as it was. What the
/// model, the verifier or a callback throws passes through; every sequence is then as it was before the pass, or after
/// it if its verdict had been taken, and goes on with the next `step`, or ends with `truncate`. A pass with drafts that
/// the model refuses is tried again without them, so copying never fails where plain decoding would not.
/// Allocation: in `begin` only, given a proposer with `reserve`. Threads: one call at a time.
/// Lifetime: the model is borrowed and must outlive the composer, which releases what it fed when it is destroyed.
template <Engine M, DraftProposer Proposer, class Verifier, class Clock = std::chrono::steady_clock>
  requires SequenceVerifier<Verifier, LogitsOf<M>> || BatchVerifier<Verifier, LogitsOf<M>>
class Composer {
 public:
  using Times = PassTimes<Clock>;

  /// Copies of `proposer`, and of a verifier of sequences, serve each sequence; `proposer` itself hears of the passes.
  /// Throws `Error` if the proposer cannot propose for a vocabulary like the model's.
  explicit Composer(M& model, Proposer proposer = Proposer(), Verifier verifier = Verifier())
      : model_(&model), proposer_(std::move(proposer)), judges_(std::move(verifier)) {
    if constexpr (requires { proposer_.require_vocabulary(std::size_t{}); })
      proposer_.require_vocabulary(model.vocabulary_size());
  }

  Composer(Composer const&) = delete;
  Composer& operator=(Composer const&) = delete;

  ~Composer() {
    while (!slots_.empty()) remove(slots_.back().sequence.id());
  }

  /// Begins a turn of sequence `id`: `prompt` is appended to its context. If `id` is new, that is empty, and what
  /// the model may still hold under this id is forgotten. O(prompt).
  void begin(SequenceId id, std::span<Token const> prompt, GenerateOptions options = {}) {
    Slot* slot = find(id);
    COPYSPEC_ASSERT(slot == nullptr || !slot->sequence.running(), "the last turn of this sequence has not ended");
    detail::check_prompt(prompt, slot == nullptr ? 0 : slot->sequence.length(), *model_);
    if (options.sampling) {
      if (!Adapter::samples)
        raise_error(ErrorCode::bad_options,
                    "sampling was asked for, and the verifier does not sample: use a SamplingVerifier");
      require_valid(*options.sampling, model_->vocabulary_size());
      Adapter::check_supported(*options.sampling);
    }
    if (slot == nullptr) {
      model_->truncate(id, 0);
      slots_.push_back({Sequence(id, model_->context_limit()), proposer_, judges_.begin_sequence(), {}, {}});
      slot = &slots_.back();
      scheduled_.reserve(slots_.size());
      batch_.reserve(slots_.size());
      trials_.reserve(slots_.size());
      judges_.reserve(slots_.size());
      drafts_.reserve(slots_.size());
    }
    slot->sequence.begin(prompt, options.max_new_tokens);
    drafts_.reserve(*model_, slot->draft, std::min<std::size_t>(model_->max_tokens(), slot->sequence.budget_left()));
    judges_.begin_turn(slot->verifier, options.sampling, model_->vocabulary_size(), slot->sequence.budget_left());
    if constexpr (Adapter::samples && requires { slot->proposer.set_sampling(SamplingOptions(), false); })
      slot->proposer.set_sampling(slot->verifier.options(), Adapter::needs_drawn);
    slot->turn.begin(std::move(options));
    if constexpr (requires { slot->proposer.set_references(slot->turn.options().references); })
      slot->proposer.set_references(slot->turn.options().references);
    if constexpr (requires { slot->proposer.reserve(std::size_t{}); })
      slot->proposer.reserve(slot->sequence.length() + slot->sequence.budget_left());
    ProposerTraits<Proposer>::on_turn_begin(slot->proposer, slot->sequence.context(),
                                            slot->sequence.length() - prompt.size());
    settle(*slot);
  }

  /// Runs one pass over all running sequences. Calls `on_tokens(OutputDelta)` for each that has something to show or
  /// has ended. Returns whether any is still running. Callbacks must not begin, cut back or remove sequences.
  template <class OnTokens, StopPredicate Stop = NeverStop>
  bool step(OnTokens&& on_tokens, Stop&& stop = Stop()) {
    judge(forward(), stop);
    report();
    for (Slot& slot : slots_) slot.turn.emit(slot.sequence, judges_.logprobs(slot.verifier), on_tokens);
    return std::ranges::any_of(slots_, [](Slot const& slot) { return slot.sequence.running(); });
  }

  /// Runs passes until no sequence is running.
  template <class OnTokens = void (*)(OutputDelta const&), StopPredicate Stop = NeverStop>
  void run(
      OnTokens&& on_tokens = [](OutputDelta const&) {}, Stop&& stop = Stop()) {
    while (step(on_tokens, stop)) {
    }
  }

  /// One turn of a single conversation, sequence 0: begins it, runs it to its end and returns what was generated, a
  /// stop included. Called again, it goes on with the conversation. The span is valid until the next `begin`.
  template <class OnTokens = void (*)(OutputDelta const&), StopPredicate Stop = NeverStop>
  std::span<Token const> generate(
      std::span<Token const> prompt, GenerateOptions options = {}, OnTokens&& on_tokens = [](OutputDelta const&) {},
      Stop&& stop = Stop()) {
    begin(SequenceId{0}, prompt, std::move(options));
    run(on_tokens, stop);
    return sequence(SequenceId{0}).generated();
  }

  /// The sequence called `id`, which was begun and not removed. Valid until the next `begin` or `remove`.
  [[nodiscard]] Sequence const& sequence(SequenceId id) const { return slot(id).sequence; }

  /// The proposer that serves sequence `id`; as above.
  [[nodiscard]] Proposer const& proposer(SequenceId id) const { return slot(id).proposer; }

  /// Takes back everything after the first `length` tokens of sequence `id`, e.g. to edit a prompt, and ends its turn.
  void truncate(SequenceId id, std::size_t length) {
    Slot& slot = this->slot(id);
    slot.sequence.truncate(length);
    slot.proposer.truncate(length);
    slot.turn.close();
    settle(slot);
  }

  /// Forgets sequence `id`, if there is one, here and in the model.
  void remove(SequenceId id) {
    Slot* const slot = find(id);
    if (slot == nullptr) return;
    slots_.erase(slots_.begin() + (slot - slots_.data()));
    model_->truncate(id, 0);
  }

  /// Time spent since the composer was made.
  [[nodiscard]] Times const& times() const noexcept { return times_; }

 private:
  using Rows = LogitsOf<M>;
  using Adapter = detail::VerifierAdapter<Verifier, Rows>;
  using Drafts =
      std::conditional_t<detail::DraftsTrees<M, Proposer, Verifier>, detail::TreeDrafts<M, Proposer, Verifier>,
                         detail::ChainDrafts<M, Proposer, Verifier>>;

  struct Slot {
    Sequence sequence;
    Proposer proposer;
    typename Adapter::Own verifier;
    typename Drafts::Own draft;
    detail::Turn turn;
  };

  [[nodiscard]] Slot* find(SequenceId id) noexcept {
    auto const found = std::ranges::find(slots_, id, [](Slot const& slot) { return slot.sequence.id(); });
    return found == slots_.end() ? nullptr : &*found;
  }

  [[nodiscard]] Slot& slot(SequenceId id) {
    Slot* const slot = find(id);
    COPYSPEC_ASSERT(slot != nullptr, "no such sequence");
    return *slot;
  }
  [[nodiscard]] Slot const& slot(SequenceId id) const { return const_cast<Composer*>(this)->slot(id); }

  void settle(Slot& slot) {
    Sequence& sequence = slot.sequence;
    if (!sequence.needs_truncate()) return;
    detail::timed<Clock>(times_.truncate, [&] { sequence.truncated(drafts_.cut_back(*model_, slot.draft, sequence)); });
  }

  // Puts every sequence of the pass under way back to where it was before.
  void abandon() {
    for (std::size_t const index : scheduled_) slots_[index].sequence.cancel();
    for (std::size_t const index : scheduled_) settle(slots_[index]);
  }

  // Returns whether `action` did not throw. If it did, the pass is abandoned, and the exception goes on if it `must`.
  template <class Action>
  bool recovering(Action&& action, bool must = true) {
    auto const recover = [this] { abandon(); };
    return detail::with_recovery(action, recover, must);
  }

  [[nodiscard]] Rows forward() {
    Rows rows;
    for (bool const with_drafts : {true, false}) {
      recovering([&] { plan(with_drafts); });
      if (batch_.empty() || recovering([&] { rows = pass(); }, !drafting_)) break;
    }
    return rows;
  }

  [[nodiscard]] Rows pass() {
    std::span<Segment const> const batch = batch_;
    Rows const rows = detail::timed<Clock>(times_.forward, [&] { return Rows(drafts_.forward(*model_, batch)); });
    COPYSPEC_ASSERT(rows.rows() == 0 || rows.vocabulary() == model_->vocabulary_size(), "rows of the vocabulary");
    return rows;
  }

  // Shares the model's `max_tokens` out. Every sequence gets one token before any gets more, and those that go without
  // come first next time.
  void plan(bool with_drafts) {
    scheduled_.clear();
    batch_.clear();
    trials_.clear();
    drafting_ = false;
    before_ = times_.total();
    std::size_t left = model_->max_tokens();
    std::size_t waiting = 0;
    std::size_t for_one_token = 0;
    for (Slot& slot : slots_) {
      if (slot.sequence.running()) {
        settle(slot);
        ++waiting;
        if (slot.sequence.pending() == 1) ++for_one_token;
      }
      drafts_.begin_pass(slot.draft);
    }
    drafts_.begin_pass(*model_, for_one_token);
    if (with_drafts) prepare(left - std::min(left, waiting));
    // Without a token for each, all take turns, whatever they wait for.
    bool const scarce = waiting > left;
    std::size_t const start = first_;
    first_ = 0;
    for (bool const in_prompt : {false, true}) {
      for (std::size_t i = 0; i < slots_.size(); ++i) {
        std::size_t const index = (start + i) % slots_.size();
        Slot& slot = slots_[index];
        if (!slot.sequence.running() || (!scarce && (slot.sequence.pending() > 1) != in_prompt)) continue;
        if (left == 0) {
          first_ = index;
          return;
        }
        std::size_t const allowance = left - std::min(left - 1, waiting - 1);
        Draft const drafted = with_drafts ? draft(slot, allowance) : Draft{};
        judges_.drawn_from(slot.verifier, drafted.drawn_from);
        scheduled_.push_back(index);
        batch_.push_back(slot.sequence.next_segment(drafted.length, allowance, drafted.sources));
        drafts_.add(batch_.back(), slot.draft);
        if (batch_.back().rows > 0)
          trials_.push_back({slot.sequence.id(), slot.sequence.tokens(), slot.sequence.length()});
        drafting_ = drafting_ || drafted.length > 0;
        left -= batch_.back().tokens.size();
        --waiting;
      }
    }
  }

  // So that what drafts for several sequences together can do it at once. None can have more than `spare` draft tokens.
  void prepare(std::size_t spare) {
    if constexpr (requires(Proposer & proposer) { proposer.prepare(std::span<Token const>(), std::size_t{}); })
      detail::timed<Clock>(times_.propose, [&] {
        for (Slot& slot : slots_) {
          if (!slot.sequence.running()) continue;
          std::size_t const room = draft_space(slot, spare + 1).size();
          if (room > 0) slot.proposer.prepare(slot.sequence.context(), room);
        }
      });
  }

  [[nodiscard]] static std::span<Token> draft_space(Slot& slot, std::size_t allowance) {
    std::span<Token> const space = slot.sequence.draft_space(allowance);
    return space.first(std::min(space.size(), slot.turn.options().max_draft_length));
  }

  Draft draft(Slot& slot, std::size_t allowance) {
    std::span<Token> const space = draft_space(slot, allowance);
    if (space.empty()) {
      ProposerTraits<Proposer>::on_draft_chosen(slot.proposer, slot.sequence.context(), 0);
      return {};
    }
    std::span<Token const> const context = slot.sequence.context();
    return detail::timed<Clock>(times_.propose, [&] {
      Draft draft = drafts_.propose(*model_, slot.proposer, slot.draft, context, space);
      if (drafts_.is_chain(slot.draft))
        draft.length = judges_.allowed_draft(slot.verifier, context, space.first(draft.length));
      return draft;
    });
  }

  template <class Stop>
  void judge(Rows rows, Stop& stop) {
    recovering([&] {
      std::size_t first = 0, trial = 0;
      for (std::size_t i = 0; i < scheduled_.size(); ++i) {
        Slot& slot = slots_[scheduled_[i]];
        Sequence& sequence = slot.sequence;
        if (batch_[i].rows == 0) {
          sequence.commit_prefill();
          continue;
        }
        Verdict const verdict = detail::timed<Clock>(times_.verify, [&] {
          return drafts_.verdict(judges_, slot.verifier, slot.draft, rows, trials_, trial++, first);
        });
        auto const stops = [&](std::span<Token const> generated) {
          return slot.turn.options().stop(generated) | stop(sequence.id(), generated);
        };
        sequence.accept(verdict, stops, drafts_.path(slot.draft));
        first += batch_[i].rows;
        if (!sequence.running()) on_turn_end(slot);
      }
    });
    for (std::size_t const index : scheduled_) settle(slots_[index]);
  }

  static void on_turn_end(Slot& slot) {
    if constexpr (requires { slot.proposer.on_turn_end(slot.sequence.context(), std::size_t{}); })
      slot.proposer.on_turn_end(slot.sequence.context(), slot.sequence.length() - slot.sequence.generated().size());
  }

  void report() {
    if constexpr (requires { proposer_.on_pass(PassReport{}); }) {
      if (auto const report = detail::report_on(batch_, times_.total() - before_)) proposer_.on_pass(*report);
    }
  }

  M* model_;
  Proposer proposer_;
  Adapter judges_;
  Drafts drafts_;
  std::vector<Slot> slots_;
  std::vector<std::size_t> scheduled_;  // slots in the pass under way, in batch order
  std::vector<Segment> batch_;
  std::vector<VerifyInput> trials_;  // of the segments with rows, in batch order
  std::size_t first_ = 0;
  bool drafting_ = false;
  Times times_;
  typename Clock::duration before_{};  // of times_, when the pass under way was planned
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
