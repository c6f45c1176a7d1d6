// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../../core/error.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/recovery.hpp"
#include "../../draft/proposer.hpp"
#include "../../draft/proposer_traits.hpp"
#include "../../model/engine.hpp"
#include "../../verify/batch_verifier.hpp"
#include "../../verify/verifier.hpp"
#include "../generate_options.hpp"
#include "../sequence.hpp"
#include "../stop.hpp"
#include "pass_drafts.hpp"
#include "sequence_slots.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Runs a piece of work without measuring its time.
struct Untimed {
  template <class Work>
  decltype(auto) operator()(Work&& work) const {
    return work();
  }
};

/// The newest pass over the sequences of a batch. Shares tokens out, asks for drafts, and takes verdicts. Each piece of
/// work of a proposer or verifier is passed to `timed`, which calls it. After `reserve(sequences)`, no call allocates
/// here.
template <DraftProposer Proposer, class Verifier, class Rows>
class PlannedPass {
  using Traits = ProposerTraits<Proposer>;

 public:
  using Slots = SequenceSlots<Proposer, Verifier, Rows>;
  using Slot = typename Slots::Slot;

  [[nodiscard]] std::span<std::size_t const> scheduled() const noexcept { return scheduled_; }
  [[nodiscard]] std::span<Segment const> segments() const noexcept { return segments_; }
  [[nodiscard]] std::span<SequenceId const> held_over() const noexcept { return held_over_; }
  [[nodiscard]] bool has_drafts() const noexcept { return has_drafts_; }
  /// Whether rows are asked for that no verdict needs.
  [[nodiscard]] bool scores_prompt() const noexcept { return scores_prompt_; }
  /// Number of rows that the segments ask for. O(segments).
  [[nodiscard]] std::size_t rows() const noexcept {
    std::size_t rows = 0;
    for (Segment const& segment : segments_) rows += segment.rows;
    return rows;
  }

  /// Throws `Error` unless `rows` are as many as the segments ask for, of this vocabulary.
  void require_rows(Rows const& rows, std::size_t vocabulary) const {
    std::size_t const wanted = this->rows();
    if (rows.rows() == wanted && (wanted == 0 || rows.vocabulary() == vocabulary)) return;
    raise_error(ErrorCode::engine, "the engine returned " + std::to_string(rows.rows()) + " rows of " +
                                       std::to_string(rows.vocabulary()) + " logits, but " + std::to_string(wanted) +
                                       " of " + std::to_string(vocabulary) + " were asked for");
  }

  void reserve(std::size_t sequences) {
    scheduled_.reserve(sequences);
    segments_.reserve(sequences);
    inputs_.reserve(sequences);
    held_over_.reserve(sequences);
    drafts_.reserve(sequences);
  }

  /// Shares out `left` tokens. Every running sequence gets one before any gets more. Drafts leave chunks of prompts
  /// `for_prompts` tokens. Sequences without a token come first next time. If something throws, call `cancel`.
  template <class Timed>
  void plan(Slots& slots, std::size_t left, std::size_t for_prompts, bool with_drafts, Timed& timed) {
    clear();
    std::size_t waiting = 0;
    std::size_t for_one_token = 0;
    std::size_t in_prompts = 0;  // tokens besides the one that each sequence gets
    for (std::size_t i = 0; i < slots.places(); ++i) {
      Slot& slot = slots[i];
      slots.drafts().begin_pass(slot.draft);
      slot.offered = false;
      slot.ready = slot.active() && !slots.awaits_source(slot) && slot.isolate([&] { slot.make_room(left); });
      if (!slot.ready) continue;
      ++waiting;
      if (slot.sequence.pending() == 1) ++for_one_token;
      in_prompts += slot.sequence.pending() - 1;
    }
    for_prompts = std::min(for_prompts, in_prompts);
    slots.drafts().begin_pass(slots.limits(), for_one_token);
    std::size_t const spare = left - std::min(left, waiting + for_prompts);
    if (with_drafts) drafts_.prepare(slots, spare, timed);
    if (with_drafts && spare > 0 && for_one_token > 1)
      drafts_.share(slots, {.rows = waiting + for_prompts, .tokens = for_one_token, .room = spare}, timed);
    // If there is not one token for each, all sequences take turns, whatever they wait for.
    bool const scarce = waiting > left;
    std::size_t const count = slots.places();
    std::size_t start = 0;
    while (start < count && slots[start].number < first_) ++start;
    first_ = 0;
    for (bool const in_prompt : {false, true}) {
      if (scarce && in_prompt) break;
      for (std::size_t i = 0; i < count; ++i) {
        std::size_t const index = (start + i) % count;
        Slot& slot = slots[index];
        if (!slot.ready || (!scarce && (slot.sequence.pending() > 1) != in_prompt)) continue;
        if (left == 0) {
          if (held_over_.empty()) first_ = slot.number;
          held_over_.push_back(slot.sequence.id());
          continue;
        }
        std::size_t const allowance = left - std::min(left - 1, waiting - 1 + (in_prompt ? 0 : for_prompts));
        --waiting;
        if (schedule(slots, index, with_drafts, allowance, timed)) left -= segments_.back().tokens.size();
      }
    }
  }

  /// Takes the verdicts on `rows`, which are the rows of all segments. `stop` is a `StopPredicate`. If something
  /// throws, call `cancel`, which restores the sequences without a verdict.
  template <class Stop, class Timed>
  void take(Slots& slots, Rows rows, Stop& stop, Timed& timed) {
    std::size_t first = 0, input = 0;
    for (std::size_t i = 0; i < scheduled_.size(); ++i) {
      Slot& slot = slots[scheduled_[i]];
      std::size_t const judged = slot.sequence.verdict_rows();
      std::size_t const scored = segments_[i].rows - judged;
      if (scored > 0) timed([&] { slot.score(segments_[i], rows, first, scored); });
      first += scored;
      if (slot.sequence.running() && judged == 0) slot.sequence.commit_prefill();
      if (slot.sequence.running() && judged > 0) judge(slots, slot, rows, input, first, stop, timed);
      if (judged == 0) continue;
      ++input;
      first += judged;
      if (!slot.sequence.running() && slot.turn.error() == nullptr) slot.isolate([&] { slots.on_turn_end(slot); });
    }
  }

  /// Restores every sequence of the pass whose verdict was not taken.
  void cancel(Slots& slots) const noexcept {
    for (std::size_t const index : scheduled_) slots[index].sequence.cancel();
  }

 private:
  void clear() noexcept {
    scheduled_.clear();
    segments_.clear();
    inputs_.clear();
    held_over_.clear();
    has_drafts_ = scores_prompt_ = false;
  }

  // Returns whether the sequence has a segment. It has none if it failed.
  template <class Timed>
  bool schedule(Slots& slots, std::size_t index, bool with_drafts, std::size_t allowance, Timed& timed) {
    Slot& slot = slots[index];
    std::span<Token> const space = with_drafts ? slot.draft_space(allowance) : std::span<Token>();
    Draft draft;
    if (space.empty())
      Traits::on_draft_chosen(slot.proposer, slot.sequence.context(), 0);
    else if (!timed([&] { return propose(slots, slot, space, draft); }))
      return false;
    slots.verifiers().drawn_from(slot.verifier, draft.drawn_from);
    scheduled_.push_back(index);
    segments_.push_back(slot.next_segment(draft, allowance));
    scores_prompt_ = scores_prompt_ || segments_.back().rows > slot.sequence.verdict_rows();
    slots.drafts().add(segments_.back(), slot.draft, slot.sequence.length());
    slot.source = {};
    if (slot.sequence.verdict_rows() > 0)
      inputs_.push_back({slot.sequence.id(), slot.sequence.tokens(), slot.sequence.length()});
    has_drafts_ = has_drafts_ || draft.length > 0;
    return true;
  }

  // Drafts into `space`, which is not empty: the part that can be fed and may be accepted. If that is not the whole
  // draft, the proposer is told. Returns whether the verifier threw nothing; what the proposer throws passes through.
  static bool propose(Slots& slots, Slot& slot, std::span<Token> space, Draft& draft) {
    std::span<Token const> const context = slot.sequence.context();
    draft = PassDrafts<Proposer>::propose(slots, slot, space);
    std::size_t fed = slots.drafts().feedable(slots.limits(), slot.draft, context, space.first(draft.length));
    bool const allowed = !slots.drafts().is_chain(slot.draft) || slot.isolate([&] {
      fed = slots.verifiers().allowed_draft(slot.verifier, context, space.first(fed));
    });
    if (fed != draft.length) Traits::on_draft_chosen(slot.proposer, context, fed);
    draft.length = fed;
    return allowed;
  }

  // Takes the verdict on the input of this index, whose rows begin at `first`. What the stop rule throws, or a verifier
  // of this sequence, fails this sequence alone, with the tokens that it would have without a draft.
  template <class Stop, class Timed>
  void judge(Slots& slots, Slot& slot, Rows rows, std::size_t input, std::size_t first, Stop& stop, Timed& timed) {
    Verdict verdict;
    std::exception_ptr error;
    auto const verify = [&] {
      verdict = timed([&] {
        return slots.drafts().verdict(slots.verifiers(), slot.verifier, slot.draft, rows, inputs_, input, first);
      });
    };
    if constexpr (Slots::Adapter::shared) {
      verify();
    } else if ((error = exception_of(verify))) {
      verdict = slots.drafts().verdict_before_throw(slots.verifiers(), slot.verifier, slot.draft, rows, inputs_[input],
                                                    first);
    }
    std::exception_ptr stop_error;
    GenerateOptions const& options = slot.turn.options();
    auto const stops = [&](std::span<Token const> generated) {
      bool const may_stop = generated.size() > options.min_new_tokens;
      StopDecision decision = options.stop(generated, may_stop);
      stop_error = exception_of([&] {
        StopDecision own = stop(slot.sequence.id(), generated);
        if (own.stop && !may_stop) own = {};
        decision = decision | own;
      });
      // The token is in the context, but not shown.
      return stop_error == nullptr ? decision : StopDecision{.stop = true, .held = generated.size()};
    };
    slot.sequence.accept(verdict, stops, slots.drafts().path(slot.draft));
    // A turn that has ended before does not reach the row that threw.
    SequenceStatus const status = slot.sequence.status();
    if (status != SequenceStatus::running && status != SequenceStatus::invalid_row) error = nullptr;
    if (stop_error != nullptr) error = std::move(stop_error);
    if (error != nullptr) slot.fail(std::move(error));
  }

  std::vector<std::size_t> scheduled_;  // indices of slots, in the order of the segments
  std::vector<Segment> segments_;
  std::vector<VerifyInput> inputs_;  // of the segments with rows, in order
  std::vector<SequenceId> held_over_;
  PassDrafts<Proposer> drafts_;
  std::uint64_t first_ = 0;  // number of the slot that the next plan serves first, or the next one after it
  bool has_drafts_ = false;
  bool scores_prompt_ = false;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
