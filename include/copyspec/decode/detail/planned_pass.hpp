// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../draft/proposer.hpp"
#include "../../draft/proposer_traits.hpp"
#include "../../model/engine.hpp"
#include "../../verify/batch_verifier.hpp"
#include "../../verify/verifier.hpp"
#include "../sequence.hpp"
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
/// work of a proposer or verifier is passed to `timed`, which calls it. After `reserve(sequences)`, no call allocates.
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
  /// Number of rows that the segments ask for. O(segments).
  [[nodiscard]] std::size_t rows() const noexcept {
    std::size_t rows = 0;
    for (Segment const& segment : segments_) rows += segment.rows;
    return rows;
  }

  void reserve(std::size_t sequences) {
    scheduled_.reserve(sequences);
    segments_.reserve(sequences);
    inputs_.reserve(sequences);
    held_over_.reserve(sequences);
  }

  /// Shares out `left` tokens. Every running sequence gets one before any gets more. Sequences without a token come
  /// first next time. If something throws, call `cancel`.
  template <class Timed>
  void plan(Slots& slots, std::size_t left, bool with_drafts, Timed& timed) {
    clear();
    std::size_t waiting = 0;
    std::size_t for_one_token = 0;
    for (Slot& slot : slots.all()) {
      if (slot.sequence.running()) {
        ++waiting;
        if (slot.sequence.pending() == 1) ++for_one_token;
      }
      slots.drafts().begin_pass(slot.draft);
    }
    slots.drafts().begin_pass(slots.limits(), for_one_token);
    if (with_drafts) prepare(slots, left - std::min(left, waiting), timed);
    // If there is not one token for each, all sequences take turns, whatever they wait for.
    bool const scarce = waiting > left;
    std::size_t const count = slots.all().size();
    std::size_t const start = std::exchange(first_, 0);
    for (bool const in_prompt : {false, true}) {
      if (scarce && in_prompt) break;
      for (std::size_t i = 0; i < count; ++i) {
        std::size_t const index = (start + i) % count;
        Sequence const& sequence = slots.all()[index].sequence;
        if (!sequence.running() || (!scarce && (sequence.pending() > 1) != in_prompt)) continue;
        if (left == 0) {
          if (held_over_.empty()) first_ = index;
          held_over_.push_back(sequence.id());
          continue;
        }
        std::size_t const allowance = left - std::min(left - 1, waiting - 1);
        schedule(slots, index, with_drafts, allowance, timed);
        left -= segments_.back().tokens.size();
        --waiting;
      }
    }
  }

  /// Takes the verdicts on `rows`, which are the rows of all segments. `stop` is a `StopPredicate`. If something
  /// throws, call `cancel`, which restores the sequences without a verdict.
  template <class Stop, class Timed>
  void take(Slots& slots, Rows rows, Stop& stop, Timed& timed) {
    std::size_t first = 0, input = 0;
    for (std::size_t i = 0; i < scheduled_.size(); ++i) {
      Slot& slot = slots.all()[scheduled_[i]];
      Sequence& sequence = slot.sequence;
      if (segments_[i].rows == 0) {
        sequence.commit_prefill();
        continue;
      }
      Verdict const verdict = timed([&] {
        return slots.drafts().verdict(slots.verifiers(), slot.verifier, slot.draft, rows, inputs_, input++, first);
      });
      auto const stops = [&](std::span<Token const> generated) {
        return slot.turn.options().stop(generated) | stop(sequence.id(), generated);
      };
      sequence.accept(verdict, stops, slots.drafts().path(slot.draft));
      first += segments_[i].rows;
      if (!sequence.running()) slots.on_turn_end(slot);
    }
  }

  /// Restores every sequence of the pass whose verdict was not taken.
  void cancel(Slots& slots) const noexcept {
    for (std::size_t const index : scheduled_) slots.all()[index].sequence.cancel();
  }

 private:
  void clear() noexcept {
    scheduled_.clear();
    segments_.clear();
    inputs_.clear();
    held_over_.clear();
    has_drafts_ = false;
  }

  // Lets a proposer that drafts for several sequences together do so at once. None can have more than `spare` draft
  // tokens.
  template <class Timed>
  static void prepare(Slots& slots, std::size_t spare, Timed& timed) {
    if constexpr (Traits::prepares)
      timed([&] {
        for (Slot& slot : slots.all()) {
          if (!slot.sequence.running()) continue;
          std::size_t const room = slots.draft_space(slot, spare + 1).size();
          if (room > 0) Traits::prepare(slot.proposer, slot.sequence.context(), room);
        }
      });
  }

  template <class Timed>
  void schedule(Slots& slots, std::size_t index, bool with_drafts, std::size_t allowance, Timed& timed) {
    Slot& slot = slots.all()[index];
    std::span<Token> const space = with_drafts ? slots.draft_space(slot, allowance) : std::span<Token>();
    Draft draft;
    if (space.empty())
      Traits::on_draft_chosen(slot.proposer, slot.sequence.context(), 0);
    else
      draft = timed([&] { return slots.propose(slot, space); });
    slots.verifiers().drawn_from(slot.verifier, draft.drawn_from);
    scheduled_.push_back(index);
    segments_.push_back(slot.sequence.next_segment(draft.length, allowance, draft.sources));
    slots.drafts().add(segments_.back(), slot.draft);
    if (segments_.back().rows > 0)
      inputs_.push_back({slot.sequence.id(), slot.sequence.tokens(), slot.sequence.length()});
    has_drafts_ = has_drafts_ || draft.length > 0;
  }

  std::vector<std::size_t> scheduled_;  // indices of slots, in the order of the segments
  std::vector<Segment> segments_;
  std::vector<VerifyInput> inputs_;  // of the segments with rows, in order
  std::vector<SequenceId> held_over_;
  std::size_t first_ = 0;  // index of the slot that the next plan serves first
  bool has_drafts_ = false;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
