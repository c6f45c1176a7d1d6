// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/model.hpp"
#include "../verify/verifier.hpp"
#include "detail/answer_end.hpp"
#include "detail/cache_state.hpp"
#include "detail/token_room.hpp"
#include "sequence_counters.hpp"
#include "sequence_status.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The decoding state of one sequence, without a model, a clock or I/O. It says what to feed next, takes in the
/// verdict, and knows what the model must forget. `DecodeBatch` keeps many of them: see `examples/own_loop.cpp`.
///
/// The context is everything fed and generated in all turns, stops included. `released()` may be shown. Drafts are
/// written in place after the context. A tree is fed as the chain of its nodes. It is accepted with its path once
/// `verify_tree` has moved the accepted nodes together; the model keeps the path (`TreeModel`) and does not truncate.
///
/// Invariants: cached() <= length() <= context_limit(); while running, length() < context_limit() and at least one
/// token is pending. Only `place`, `begin`, `make_room` and `fork` allocate. Threads: one call at a time.
class Sequence {
 public:
  /// An empty sequence that may grow to `context_limit` tokens, prompt and output of all turns together.
  Sequence(SequenceId id, std::size_t context_limit) : id_(id), context_limit_(context_limit) {}

  [[nodiscard]] SequenceId id() const noexcept { return id_; }
  [[nodiscard]] std::size_t context_limit() const noexcept { return context_limit_; }
  [[nodiscard]] SequenceStatus status() const noexcept { return status_; }
  [[nodiscard]] bool running() const noexcept { return status_ == SequenceStatus::running; }
  [[nodiscard]] SequenceCounters const& counters() const noexcept { return counters_; }

  /// Number of tokens so far, without any draft.
  [[nodiscard]] std::size_t length() const noexcept { return length_; }
  /// Number of leading context tokens that the model holds, once it has truncated if `needs_truncate()`.
  [[nodiscard]] std::size_t cached() const noexcept { return cache_.cached(); }
  /// Number of context tokens that are still to be fed.
  [[nodiscard]] std::size_t pending() const noexcept { return length_ - cached(); }
  /// Number of tokens that this turn may still generate.
  [[nodiscard]] std::size_t budget_left() const noexcept { return limits_.budget - (length_ - turn_); }
  /// Whether the model may hold tokens beyond `cached()` and must be told to truncate.
  [[nodiscard]] bool needs_truncate() const noexcept { return cache_.needs_truncate(); }

  /// The context. Valid until the next `place`, `begin` or `make_room`, like the spans below.
  [[nodiscard]] std::span<Token const> context() const noexcept { return {room_.tokens(), length_}; }
  /// The context, followed by the draft that is being verified.
  [[nodiscard]] std::span<Token const> tokens() const noexcept { return {room_.tokens(), length_ + draft_length_}; }
  /// The tokens generated in this turn, a stop included.
  [[nodiscard]] std::span<Token const> generated() const noexcept { return context().subspan(turn_); }
  /// The part of `generated()` that can no longer become part of a stop, and so may be shown.
  [[nodiscard]] std::span<Token const> released() const noexcept {
    return generated().first(generated().size() - held_);
  }
  /// The source of each token of `generated()`.
  [[nodiscard]] std::span<Source const> sources() const noexcept { return room_.sources().first(length_ - turn_); }

  /// Writes `prompt`, which may be empty or a part of the context, after the context, without beginning a turn, and
  /// makes room for the first tokens of an answer of up to `budget`. Returns the context and the prompt. If it throws,
  /// nothing has changed. Needs: not running; a token or more in both; room for one more. Allocates. O(prompt).
  std::span<Token const> place(std::span<Token const> prompt, std::size_t budget) {
    COPYSPEC_ASSERT(!running(), "the last turn has not ended");
    COPYSPEC_ASSERT(length_ + prompt.size() > 0, "nothing to continue");
    COPYSPEC_ASSERT(length_ + prompt.size() < context_limit_, "no room for an answer");
    std::size_t const end = length_ + prompt.size();
    room_.place(prompt, length_, detail::TokenRoom::first(end, std::min(budget, context_limit_ - end)));
    return {room_.tokens(), end};
  }

  /// Begins a turn on the `prompt` tokens that were placed last. Allows `budget` generated tokens, as far as there is
  /// room in the context. With `may_continue`, tokens that may become part of a stop stay held when the budget ends.
  /// Tokens after the first `rows_from` are fed for their rows, even if the model holds them.
  void begin_placed(std::size_t prompt, std::size_t budget, bool may_continue = false,
                    std::size_t rows_from = std::numeric_limits<std::size_t>::max()) noexcept {
    length_ = turn_ = length_ + prompt;
    limits_ = {.room = context_limit_ - turn_, .may_continue = may_continue};
    limits_.budget = std::min(budget, limits_.room);
    held_ = 0;
    cache_.forget(rows_from);
    status_ = SequenceStatus::length;
    if (budget_left() > 0) run();
  }

  /// `place` and `begin_placed`.
  void begin(std::span<Token const> prompt, std::size_t budget, bool may_continue = false) {
    place(prompt, budget);
    begin_placed(prompt.size(), budget, may_continue);
  }

  /// Allows this turn `more` generated tokens, as if its budget had been greater. Needs: running, or ended by it.
  void extend(std::size_t more) noexcept {
    COPYSPEC_ASSERT(running() || status_ == SequenceStatus::length, "only a budget can be extended");
    limits_.budget += std::min(more, limits_.room - limits_.budget);
    if (!running() && budget_left() > 0) run();
  }

  /// Number of tokens that there is room for now.
  [[nodiscard]] std::size_t room() const noexcept { return room_.size(turn_); }

  /// Makes room for a draft of up to `draft` tokens and the token after it. Returns whether memory has grown, after
  /// which spans of tokens are invalid. If it throws, nothing has changed. O(1), or O(context) each time that it grows.
  bool make_room(std::size_t draft) {
    std::size_t const end = length_ + std::min(draft + 1, budget_left());
    if (end <= room()) return false;
    room_.reserve(std::min(turn_ + limits_.budget, std::max(end, length_ + detail::TokenRoom::step(length_))), turn_);
    return true;
  }

  /// Room for a draft in a pass in which this sequence may feed `max_tokens` tokens: what `make_room` has made, and no
  /// more than can be kept. Empty if this pass will not reach the newest token, or feeds again what a model lost.
  [[nodiscard]] std::span<Token> draft_space(std::size_t max_tokens) noexcept {
    COPYSPEC_ASSERT(running() && !cache_.in_flight(), "a draft belongs to a pass that is still to come");
    COPYSPEC_ASSERT(length_ < room(), "room for the next token is what `make_room` makes");
    if (pending() >= max_tokens || cache_.replays()) return {};
    // One place is for the bonus token.
    return {room_.tokens() + length_, std::min({max_tokens - pending(), budget_left() - 1, room() - length_ - 1})};
  }

  /// What to feed in the next pass: the pending tokens and the draft. `max_tokens` is at least 1. If more tokens are
  /// pending, only the first `max_tokens` of them are fed, without rows. The draft is the first `draft_length` tokens
  /// of `draft_space(max_tokens)`; `sources` are as in `Draft`.
  [[nodiscard]] Segment next_segment(std::size_t draft_length, std::size_t max_tokens,
                                     std::span<Source const> sources = {}) noexcept {
    COPYSPEC_ASSERT(draft_length <= draft_space(max_tokens).size(), "a longer draft than there was room for");
    draft_length_ = draft_length;
    room_.write_sources(length_ - turn_, sources, draft_length);
    cache_.feed(std::min(pending() + draft_length, max_tokens));
    return {.sequence = id_, .tokens = {room_.tokens() + cached(), cache_.fed()}, .rows = verdict_rows()};
  }

  /// How many rows of the pass under way are for a verdict. None if it does not reach the newest token.
  [[nodiscard]] std::size_t verdict_rows() const noexcept { return cache_.fed() < pending() ? 0 : draft_length_ + 1; }

  /// Reports that the pass succeeded and had no rows for a verdict on this sequence.
  void commit_prefill() noexcept {
    COPYSPEC_ASSERT(cache_.in_flight() && verdict_rows() == 0, "this pass has rows to be judged");
    ++counters_.prefill_passes;
    settle();
  }

  /// Reports that the pass succeeded and `verdict` judged its rows. Keeps the accepted tokens and the next one, up to
  /// the first at which the budget, the context or `stop(generated)`, a `StopDecision`, ends the turn. Each token
  /// raises the number of held ones by one at most. Returns the tokens kept. If `stop` throws, none was; call `cancel`
  /// then. For a tree, `path` names the accepted nodes, at least `verdict.accepted`, as `verify_tree` writes it.
  template <class Stop>
  std::span<Token const> accept(Verdict const& verdict, Stop&& stop, std::span<std::int32_t const> path = {}) {
    COPYSPEC_ASSERT(cache_.in_flight() && verdict_rows() > 0, "this pass had no rows");
    COPYSPEC_ASSERT(verdict.accepted <= draft_length_, "more accepted than drafted");
    COPYSPEC_ASSERT(path.empty() || path.size() >= verdict.accepted, "a node for each accepted token");
    bool const valid = verdict.status == VerdictStatus::ok;
    if (valid) room_.tokens()[length_ + verdict.accepted] = verdict.next;
    std::span<Token const> const answer(room_.tokens() + turn_, length_ - turn_ + verdict.accepted + (valid ? 1 : 0));
    auto const end = detail::AnswerEnd::of(answer, length_ - turn_, held_, limits_, verdict.status, stop);
    std::size_t const copied = std::min(end.kept, verdict.accepted);
    counters_.add_verdict(room_.keep_sources(length_ - turn_, draft_length_, path, copied, end.kept), draft_length_,
                          copied, end.kept);
    held_ = end.held;
    status_ = end.status;
    settle();
    cache_.forget(length_ + copied);
    length_ += end.kept;
    return context().last(end.kept);
  }

  /// Reports that the pass failed. All is as before `next_segment`, but the model may hold some of the tokens.
  void cancel() noexcept {
    cache_.cancel();
    draft_length_ = 0;
  }

  /// Reports that the model has truncated and holds `held` <= cached() tokens. Lost ones are fed again, without drafts.
  void truncated(std::size_t held) noexcept { cache_.truncated(held); }

  /// Ends the turn after a failure of its own. The context and what may be shown are as they are.
  void fail() noexcept {
    cancel();
    if (running() || status_ == SequenceStatus::length) held_ = 0;
    status_ = SequenceStatus::failed;
  }

  /// Removes everything after the first `length` tokens and ends the turn. The caller must truncate the proposer too.
  void truncate(std::size_t length) noexcept {
    COPYSPEC_ASSERT(!cache_.in_flight() && length <= length_, "only what is there can be removed");
    end_at(length);
    cache_.remove_after(length);
  }

  /// Removes `count` tokens from position `first` on and moves those after them down, as a model that can shift its
  /// cache does. Ends the turn. Needs: not running, nothing to truncate. O(context).
  void shift(std::size_t first, std::size_t count) noexcept {
    COPYSPEC_ASSERT(!running() && first + count <= length_, "between turns, only what is there can be removed");
    room_.erase(first, count, length_);
    end_at(length_ - count);
    cache_.shift(first, count);
  }

  /// A copy under another id, of which a model holds nothing, in the same state of the same turn. Its counters are
  /// zero. Needs: no pass is under way. Allocates. O(context).
  [[nodiscard]] Sequence fork(SequenceId to) const {
    COPYSPEC_ASSERT(!cache_.in_flight(), "a sequence is copied between passes");
    Sequence copy = *this;
    copy.rename(to);
    copy.cache_ = {};
    copy.counters_ = {};
    return copy;
  }
  /// Changes the id. A model holds under the new one what it held under the old one.
  void rename(SequenceId id) noexcept { id_ = id; }

  /// Reports that a model, which held nothing, has taken over the first `length` tokens from elsewhere. If that is the
  /// whole context of a running turn, it must forget the newest one, which is fed for its row.
  void copied(std::size_t length) noexcept {
    COPYSPEC_ASSERT(length <= length_, "tokens of the context");
    cache_.copied(length);
    if (running()) cache_.forget(length_ - 1);
  }

 private:
  void run() noexcept {
    // The newest token must be fed for its row, even if the model holds it.
    cache_.forget(length_ - 1);
    status_ = SequenceStatus::running;
  }

  void end_at(std::size_t length) noexcept {
    length_ = turn_ = length;
    limits_.budget = held_ = 0;
    status_ = SequenceStatus::idle;
  }
  void settle() noexcept {
    counters_.tokens_fed += cache_.fed();
    cache_.commit();
    draft_length_ = 0;
  }

  SequenceId id_;
  std::size_t context_limit_;
  detail::TokenRoom room_;  // the context, then the draft, then room; sources of the tokens from `turn_` on
  detail::CacheState cache_;
  std::size_t length_ = 0;
  std::size_t turn_ = 0;  // position of this turn's first generated token
  std::size_t held_ = 0;
  std::size_t draft_length_ = 0;
  detail::AnswerEnd::Limits limits_;
  SequenceStatus status_ = SequenceStatus::idle;
  SequenceCounters counters_;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
