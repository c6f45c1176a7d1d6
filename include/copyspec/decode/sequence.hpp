// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/model.hpp"
#include "../verify/verifier.hpp"
#include "source_counters.hpp"
#include "stop.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Where a sequence stands.
enum class SequenceStatus : std::uint8_t {
  idle,          ///< No turn was begun since it was made or cut back.
  running,       ///< Wants to be fed.
  stopped,       ///< A stop token, stop sequence or stop predicate ended the turn.
  length,        ///< As many tokens were generated as the turn allowed.
  context_full,  ///< The context is as long as the model can hold.
  invalid_row,   ///< The model returned a row that gives no token (`VerdictStatus::invalid_row`).
};

/// What one sequence has cost and gained so far, over all its turns.
struct SequenceCounters {
  std::size_t generated = 0;       ///< Tokens generated.
  std::size_t decode_passes = 0;   ///< Passes that returned rows.
  std::size_t prefill_passes = 0;  ///< Passes that only fed part of a prompt.
  std::size_t tokens_fed = 0;      ///< Tokens fed, draft tokens included.
  std::size_t draft_passes = 0;    ///< Passes with a draft.
  std::size_t drafted = 0;         ///< Draft tokens fed, all nodes of trees.
  std::size_t accepted = 0;        ///< Draft tokens that became generated tokens.
  SourceCounters by_source = {};   ///< What of `drafted` and `accepted` came from each source.
};

/// One sequence's decoding state, without a model, a clock or I/O. It says what to feed next, takes the verdict in, and
/// knows what the model must forget. `DecodeBatch` keeps many of them; `examples/own_loop.cpp` is a loop around that.
///
/// The context is everything fed and generated in all turns, stops included; `released()` may be shown. Drafts are
/// written in place after it. A tree is fed like a chain of its nodes and accepted, with its path, once `verify_tree`
/// has moved that together; then the model keeps the path (`TreeModel`) in place of truncating.
///
/// Invariants: cached() <= length() <= context_limit(); while running, length() < context_limit() and at least one
/// token is pending. Only `begin` allocates. Threads: one call at a time.
class Sequence {
 public:
  /// An empty sequence that may grow to `context_limit` tokens, prompt and output of all turns together.
  Sequence(SequenceId id, std::size_t context_limit) : id_(id), context_limit_(context_limit) {}

  [[nodiscard]] SequenceId id() const noexcept { return id_; }
  [[nodiscard]] std::size_t context_limit() const noexcept { return context_limit_; }
  [[nodiscard]] SequenceStatus status() const noexcept { return status_; }
  [[nodiscard]] bool running() const noexcept { return status_ == SequenceStatus::running; }
  [[nodiscard]] SequenceCounters const& counters() const noexcept { return counters_; }

  /// Tokens so far, without any draft.
  [[nodiscard]] std::size_t length() const noexcept { return length_; }
  /// How many of the first tokens of the context the model holds, once it has truncated if `needs_truncate()`.
  [[nodiscard]] std::size_t cached() const noexcept { return cached_; }
  /// Tokens of the context that are still to be fed.
  [[nodiscard]] std::size_t pending() const noexcept { return length_ - cached_; }
  /// Tokens that this turn may still generate.
  [[nodiscard]] std::size_t budget_left() const noexcept { return budget_ - (length_ - turn_); }
  /// Whether the model may hold tokens beyond `cached()` and must be told to truncate.
  [[nodiscard]] bool needs_truncate() const noexcept { return needs_truncate_; }

  /// The context. Valid until the next `begin`, like the spans below.
  [[nodiscard]] std::span<Token const> context() const noexcept { return {tokens_.data(), length_}; }
  /// The context, and behind it the draft that is being verified.
  [[nodiscard]] std::span<Token const> tokens() const noexcept { return {tokens_.data(), length_ + draft_length_}; }
  /// What was generated in this turn, a stop included.
  [[nodiscard]] std::span<Token const> generated() const noexcept { return context().subspan(turn_); }
  /// What of `generated()` can no longer become part of a stop, and so may be shown.
  [[nodiscard]] std::span<Token const> released() const noexcept {
    return generated().first(generated().size() - held_);
  }
  /// Where each token of `generated()` came from.
  [[nodiscard]] std::span<Source const> sources() const noexcept { return {sources_.data(), length_ - turn_}; }

  /// Begins a turn: appends `prompt` to the context and allows `budget` generated tokens, at most as many as the
  /// context has room for. An empty prompt goes on from the context as it is.
  /// Needs: not running; a context of at least one token; room for at least one more. Allocates. O(prompt + budget).
  void begin(std::span<Token const> prompt, std::size_t budget) {
    COPYSPEC_ASSERT(!running(), "the last turn has not ended");
    COPYSPEC_ASSERT(length_ + prompt.size() > 0, "nothing to continue");
    COPYSPEC_ASSERT(length_ + prompt.size() < context_limit_, "no room for an answer");
    turn_ = length_ + prompt.size();
    budget_ = std::min(budget, context_limit_ - turn_);
    std::vector<Token> outgrown;  // until the prompt was copied, which may be a part of the context
    if (tokens_.size() < turn_ + budget_) {
      outgrown.resize(turn_ + budget_);
      std::copy(tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(length_), outgrown.begin());
      tokens_.swap(outgrown);
    }
    std::copy(prompt.begin(), prompt.end(), tokens_.begin() + static_cast<std::ptrdiff_t>(length_));
    sources_.resize(std::max(sources_.size(), budget_));
    length_ = turn_;
    held_ = 0;
    // The newest token must be fed for its row, even when the model holds it from the turn before.
    forget(length_ - 1);
    status_ = budget_ == 0 ? SequenceStatus::length : SequenceStatus::running;
  }

  /// Room for a draft in a pass in which this sequence may feed `max_tokens` tokens: no more than can be kept, and
  /// empty if this pass will not reach the newest token, or feeds again what a model lost.
  [[nodiscard]] std::span<Token> draft_space(std::size_t max_tokens) noexcept {
    COPYSPEC_ASSERT(running() && !in_flight(), "a draft belongs to a pass that is still to come");
    if (pending() >= max_tokens || cached_ < replayed_) return {};
    // One place is for the token that the model adds itself.
    return {tokens_.data() + length_, std::min(max_tokens - pending(), budget_left() - 1)};
  }

  /// What to feed in the next pass: the pending tokens and the draft, or the first `max_tokens` >= 1 of the pending
  /// tokens, without rows, if there are more. `draft_length` tokens lie in `draft_space(max_tokens)`; `sources` are as
  /// in `Draft`.
  [[nodiscard]] Segment next_segment(std::size_t draft_length, std::size_t max_tokens,
                                     std::span<Source const> sources = {}) noexcept {
    COPYSPEC_ASSERT(!needs_truncate_, "the model may hold tokens that were taken back");
    COPYSPEC_ASSERT(draft_length <= draft_space(max_tokens).size(), "a longer draft than there was room for");
    draft_length_ = draft_length;
    // In place, too.
    drafted_from_ = {};
    for (std::size_t i = 0; i < draft_length; ++i) {
      Source const source = sources.empty() ? Source::other : sources[std::min(i, sources.size() - 1)];
      COPYSPEC_ASSERT(source != Source::model, "a draft is not what the model says");
      sources_[length_ - turn_ + i] = source;
      ++drafted_from_[source].drafted;
    }
    fed_ = std::min(pending() + draft_length, max_tokens);
    bool const reaches_newest = cached_ + fed_ >= length_;
    return {.sequence = id_, .tokens = {tokens_.data() + cached_, fed_}, .rows = reaches_newest ? draft_length + 1 : 0};
  }

  /// The pass succeeded and had no rows for this sequence.
  void commit_prefill() noexcept {
    COPYSPEC_ASSERT(in_flight() && cached_ + fed_ < length_, "this pass has rows to be judged");
    ++counters_.prefill_passes;
    settle(cached_ + fed_);
  }

  /// The pass succeeded and `verdict` judged its rows: keeps the accepted tokens and the next one, up to the first at
  /// which the budget, the context or `stop(generated)`, which returns a `StopDecision`, ends the turn. Returns the
  /// tokens kept. If `stop` throws, nothing was kept; `cancel` then. Of a tree, `path` names the nodes that are
  /// accepted, at least `verdict.accepted`, as `verify_tree` does.
  template <class Stop>
  std::span<Token const> accept(Verdict const& verdict, Stop&& stop, std::span<std::int32_t const> path = {}) {
    COPYSPEC_ASSERT(in_flight() && cached_ + fed_ >= length_, "this pass had no rows");
    COPYSPEC_ASSERT(verdict.accepted <= draft_length_, "more accepted than drafted");
    COPYSPEC_ASSERT(path.empty() || path.size() >= verdict.accepted, "a node for each accepted token");
    bool const valid = verdict.status == VerdictStatus::ok;
    if (valid) tokens_[length_ + verdict.accepted] = verdict.next;
    std::size_t const offered = verdict.accepted + (valid ? 1 : 0);
    std::size_t kept = 0;
    SequenceStatus status = SequenceStatus::running;
    StopDecision decision{.stop = false, .held = held_};
    while (kept < offered && status == SequenceStatus::running) {
      std::size_t const said = length_ + ++kept - turn_;
      decision = stop(std::span<Token const>(tokens_.data() + turn_, said));
      decision.held = std::min(decision.held, said);
      if (decision.stop)
        status = SequenceStatus::stopped;
      else if (length_ + kept == context_limit_)
        status = SequenceStatus::context_full;
      else if (said == budget_)
        status = SequenceStatus::length;
    }
    if (status == SequenceStatus::running && !valid) status = SequenceStatus::invalid_row;

    std::size_t const copied = std::min(kept, verdict.accepted);
    std::span<Source> const sources = std::span(sources_).subspan(length_ - turn_);
    for (std::size_t i = 0; i < copied; ++i) {
      // A path ascends, so what it names was not overwritten.
      if (!path.empty()) sources[i] = sources[static_cast<std::size_t>(path[i])];
      ++counters_.by_source[sources[i]].accepted;
    }
    if (kept > copied) sources[copied] = Source::model;
    counters_.by_source += drafted_from_;
    ++counters_.decode_passes;
    counters_.draft_passes += draft_length_ > 0 ? 1 : 0;
    counters_.drafted += draft_length_;
    counters_.accepted += copied;
    counters_.generated += kept;
    // What might have become a stop did not, once the turn has ended otherwise.
    held_ = status == SequenceStatus::running || status == SequenceStatus::stopped ? decision.held : 0;
    status_ = status;
    std::size_t const held_by_model = cached_ + fed_;
    length_ += kept;
    settle(held_by_model);
    forget(length_ - kept + copied);
    return {tokens_.data() + length_ - kept, kept};
  }

  /// The pass failed: the sequence is as it was before `next_segment`. The model may hold some of what it was fed.
  void cancel() noexcept {
    if (!in_flight()) return;
    fed_ = draft_length_ = 0;
    needs_truncate_ = true;
  }

  /// The model has truncated to `cached()` and holds `held` <= cached() tokens. What it lost is fed again, in passes
  /// without a draft, and is not judged again.
  void truncated(std::size_t held) noexcept {
    COPYSPEC_ASSERT(!in_flight() && held <= cached_, "a model holds no more than it was asked to keep");
    if (held < cached_) replayed_ = std::max(replayed_, cached_);
    cached_ = held;
    needs_truncate_ = false;
  }

  /// Takes back everything after the first `length` tokens and ends the turn. The proposer must be told.
  void truncate(std::size_t length) noexcept {
    COPYSPEC_ASSERT(!in_flight() && length <= length_, "only what was said can be taken back");
    length_ = turn_ = length;
    budget_ = held_ = 0;
    replayed_ = std::min(replayed_, length);
    status_ = SequenceStatus::idle;
    forget(length);
  }

 private:
  [[nodiscard]] bool in_flight() const noexcept { return fed_ > 0; }

  void settle(std::size_t held_by_model) noexcept {
    counters_.tokens_fed += fed_;
    cached_ = held_by_model;
    fed_ = draft_length_ = 0;
  }

  void forget(std::size_t length) noexcept {
    if (cached_ <= length) return;
    cached_ = length;
    needs_truncate_ = true;
  }

  SequenceId id_;
  std::size_t context_limit_;
  std::vector<Token> tokens_;    // the context, then room up to the end of the turn
  std::vector<Source> sources_;  // of what this turn generated, then of the draft, then room
  std::size_t length_ = 0, cached_ = 0;
  std::size_t replayed_ = 0;  // below this, what is fed was judged before
  std::size_t turn_ = 0;      // where this turn's output begins
  std::size_t budget_ = 0;
  std::size_t held_ = 0;
  std::size_t fed_ = 0;  // in the pass that is under way
  std::size_t draft_length_ = 0;
  SourceCounters drafted_from_;  // what the draft in flight adds
  bool needs_truncate_ = false;
  SequenceStatus status_ = SequenceStatus::idle;
  SequenceCounters counters_;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
