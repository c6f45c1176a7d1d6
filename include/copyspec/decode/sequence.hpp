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

/// The state of a sequence.
enum class SequenceStatus : std::uint8_t {
  idle,          ///< No turn was begun since it was constructed or truncated.
  running,       ///< A turn is under way; tokens are pending.
  stopped,       ///< A stop token, stop sequence or stop predicate ended the turn.
  length,        ///< The turn generated as many tokens as it may.
  context_full,  ///< The context has reached the context limit.
  invalid_row,   ///< The model returned a row without a valid token (`VerdictStatus::invalid_row`).
};

/// Costs and gains of one sequence so far, over all its turns.
struct SequenceCounters {
  std::size_t generated = 0;       ///< Tokens generated.
  std::size_t decode_passes = 0;   ///< Passes that returned rows.
  std::size_t prefill_passes = 0;  ///< Passes that only fed part of a prompt.
  std::size_t tokens_fed = 0;      ///< Tokens fed, draft tokens included.
  std::size_t draft_passes = 0;    ///< Passes with a draft.
  std::size_t drafted = 0;         ///< Draft tokens fed, all nodes of trees.
  std::size_t accepted = 0;        ///< Draft tokens that became generated tokens.
  SourceCounters by_source = {};   ///< `drafted` and `accepted` of each source.
};

/// The decoding state of one sequence, without a model, a clock or I/O. It says what to feed next, takes in the
/// verdict, and knows what the model must forget. `DecodeBatch` keeps many of them: see `examples/own_loop.cpp`.
///
/// The context is everything fed and generated in all turns, stops included. `released()` may be shown. Drafts are
/// written in place after the context. A tree is fed as the chain of its nodes. It is accepted with its path once
/// `verify_tree` has moved the accepted nodes together; the model keeps the path (`TreeModel`) and does not truncate.
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

  /// Number of tokens so far, without any draft.
  [[nodiscard]] std::size_t length() const noexcept { return length_; }
  /// Number of leading context tokens that the model holds, once it has truncated if `needs_truncate()`.
  [[nodiscard]] std::size_t cached() const noexcept { return cached_; }
  /// Number of context tokens that are still to be fed.
  [[nodiscard]] std::size_t pending() const noexcept { return length_ - cached_; }
  /// Number of tokens that this turn may still generate.
  [[nodiscard]] std::size_t budget_left() const noexcept { return budget_ - (length_ - turn_); }
  /// Whether the model may hold tokens beyond `cached()` and must be told to truncate.
  [[nodiscard]] bool needs_truncate() const noexcept { return needs_truncate_; }

  /// The context. Valid until the next `begin`, like the spans below.
  [[nodiscard]] std::span<Token const> context() const noexcept { return {tokens_.data(), length_}; }
  /// The context, followed by the draft that is being verified.
  [[nodiscard]] std::span<Token const> tokens() const noexcept { return {tokens_.data(), length_ + draft_length_}; }
  /// The tokens generated in this turn, a stop included.
  [[nodiscard]] std::span<Token const> generated() const noexcept { return context().subspan(turn_); }
  /// The part of `generated()` that can no longer become part of a stop, and so may be shown.
  [[nodiscard]] std::span<Token const> released() const noexcept {
    return generated().first(generated().size() - held_);
  }
  /// The source of each token of `generated()`.
  [[nodiscard]] std::span<Source const> sources() const noexcept { return {sources_.data(), length_ - turn_}; }

  /// Begins a turn: appends `prompt`, which may be empty, to the context, and allows `budget` generated tokens, as far
  /// as there is room. Needs: not running; a context of a token or more; room for one. Allocates. O(prompt + budget).
  void begin(std::span<Token const> prompt, std::size_t budget) {
    COPYSPEC_ASSERT(!running(), "the last turn has not ended");
    COPYSPEC_ASSERT(length_ + prompt.size() > 0, "nothing to continue");
    COPYSPEC_ASSERT(length_ + prompt.size() < context_limit_, "no room for an answer");
    turn_ = length_ + prompt.size();
    budget_ = std::min(budget, context_limit_ - turn_);
    std::vector<Token> outgrown;  // lives until the prompt was copied, which may be a part of the context
    if (tokens_.size() < turn_ + budget_) {
      outgrown.resize(turn_ + budget_);
      std::copy(tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(length_), outgrown.begin());
      tokens_.swap(outgrown);
    }
    std::copy(prompt.begin(), prompt.end(), tokens_.begin() + static_cast<std::ptrdiff_t>(length_));
    sources_.resize(std::max(sources_.size(), budget_));
    length_ = turn_;
    held_ = 0;
    // The newest token must be fed for its row, even if the model holds it from the previous turn.
    forget(length_ - 1);
    status_ = budget_ == 0 ? SequenceStatus::length : SequenceStatus::running;
  }

  /// Room for a draft in a pass in which this sequence may feed `max_tokens` tokens. It is no longer than can be kept.
  /// It is empty if this pass will not reach the newest token, or feeds again what a model lost.
  [[nodiscard]] std::span<Token> draft_space(std::size_t max_tokens) noexcept {
    COPYSPEC_ASSERT(running() && !in_flight(), "a draft belongs to a pass that is still to come");
    if (pending() >= max_tokens || cached_ < replayed_) return {};
    // One place is for the bonus token.
    return {tokens_.data() + length_, std::min(max_tokens - pending(), budget_left() - 1)};
  }

  /// What to feed in the next pass: the pending tokens and the draft. `max_tokens` is at least 1. If more tokens are
  /// pending, only the first `max_tokens` of them are fed, without rows. The draft is the first `draft_length` tokens
  /// of `draft_space(max_tokens)`; `sources` are as in `Draft`.
  [[nodiscard]] Segment next_segment(std::size_t draft_length, std::size_t max_tokens,
                                     std::span<Source const> sources = {}) noexcept {
    COPYSPEC_ASSERT(!needs_truncate_, "the model may hold tokens that were taken back");
    COPYSPEC_ASSERT(draft_length <= draft_space(max_tokens).size(), "a longer draft than there was room for");
    draft_length_ = draft_length;
    // Sources are written in place, too.
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

  /// Reports that the pass succeeded and had no rows for this sequence.
  void commit_prefill() noexcept {
    COPYSPEC_ASSERT(in_flight() && cached_ + fed_ < length_, "this pass has rows to be judged");
    ++counters_.prefill_passes;
    settle(cached_ + fed_);
  }

  /// Reports that the pass succeeded and `verdict` judged its rows. Keeps the accepted tokens and the next one, up to
  /// the first token at which the budget, the context or `stop(generated)` ends the turn. `stop` returns a
  /// `StopDecision`. Returns the tokens kept. If `stop` throws, nothing was kept; call `cancel` then. For a tree,
  /// `path` names the accepted nodes, at least `verdict.accepted` of them, as `verify_tree` writes it.
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
      // A path ascends, so the sources that it names are not overwritten yet.
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
    // A turn that ended otherwise has no stop, so tokens held for one are released.
    held_ = status == SequenceStatus::running || status == SequenceStatus::stopped ? decision.held : 0;
    status_ = status;
    std::size_t const held_by_model = cached_ + fed_;
    length_ += kept;
    settle(held_by_model);
    forget(length_ - kept + copied);
    return {tokens_.data() + length_ - kept, kept};
  }

  /// Reports that the pass failed. The sequence is as before `next_segment`. The model may hold some of the tokens it
  /// was fed.
  void cancel() noexcept {
    if (!in_flight()) return;
    fed_ = draft_length_ = 0;
    needs_truncate_ = true;
  }

  /// Reports that the model has truncated to `cached()` and holds `held` <= cached() tokens. Lost tokens are fed again,
  /// in passes without a draft, and are not judged again.
  void truncated(std::size_t held) noexcept {
    COPYSPEC_ASSERT(!in_flight() && held <= cached_, "a model holds no more than it was asked to keep");
    if (held < cached_) replayed_ = std::max(replayed_, cached_);
    cached_ = held;
    needs_truncate_ = false;
  }

  /// Removes everything after the first `length` tokens and ends the turn. The caller must truncate the proposer too.
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
  std::vector<Source> sources_;  // of the tokens this turn generated, then of the draft, then room
  std::size_t length_ = 0, cached_ = 0;
  std::size_t replayed_ = 0;  // tokens before this position were judged before
  std::size_t turn_ = 0;      // position of this turn's first generated token
  std::size_t budget_ = 0;
  std::size_t held_ = 0;
  std::size_t fed_ = 0;  // tokens in the current pass
  std::size_t draft_length_ = 0;
  SourceCounters drafted_from_;  // counts of the draft in flight
  bool needs_truncate_ = false;
  SequenceStatus status_ = SequenceStatus::idle;
  SequenceCounters counters_;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
