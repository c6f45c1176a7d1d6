// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../history.hpp"
#include "context_hashes.hpp"
#include "history_source.hpp"
#include "match_model.hpp"
#include "mixer_input.hpp"
#include "own_text.hpp"
#include "undo_journal.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The positions that a sequence, or a draft after it, is being copied from.
struct CopyPointers {
  MatchPointers own;      ///< In the sequence's own text.
  MatchPointers history;  ///< In the history.
};

/// All that one sequence may be copied from: its own text, with the reference text that it was given, and optionally a
/// history that it shares with others. See `OwnText` and `HistorySource`.
///
/// Cost: O(1) a token. Memory: that of an `OwnText`. Allocates in `reserve` and `set_references` only; if that fails,
/// nothing is changed. Threads: one call at a time; the history may be written to meanwhile.
class CopySources {
 public:
  /// So many of the last tokens of a prompt are enough to find a place in the history.
  static constexpr std::size_t followed = 64;

  /// A window of zero is no window. Without a history, only the own text is used.
  CopySources(std::size_t window, std::shared_ptr<History const> history)
      : own_(window), history_(std::move(history)) {}

  /// Number of context tokens that were read.
  [[nodiscard]] std::size_t size() const noexcept { return own_.size(); }

  /// See `OwnText::size_once_read`.
  [[nodiscard]] std::size_t size_once_read() const noexcept { return own_.size_once_read(); }

  /// Bytes allocated for this sequence.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return own_.memory_bytes(); }

  /// The pointers after the tokens that were read.
  [[nodiscard]] CopyPointers pointers() const noexcept {
    return {.own = own_.pointers(), .history = history_.pointers()};
  }

  /// Copies from `history` instead of the one before, and follows no text in either. Null is none.
  void set_history(std::shared_ptr<History const> history) noexcept { history_ = HistorySource(std::move(history)); }

  /// See `OwnText::set_references`.
  bool set_references(std::span<std::vector<Token> const> texts) {
    return leave_history_if(own_.set_references(texts));
  }

  /// See `OwnText::reserve`.
  bool reserve(std::size_t length) { return leave_history_if(own_.reserve(length)); }

  /// See `OwnText::truncate`.
  OwnText::Truncated truncate(std::size_t length) noexcept {
    std::size_t const before = size();
    OwnText::Truncated const truncated = own_.truncate(length);
    leave_history_if(truncated == OwnText::Truncated::forgotten);
    if (truncated == OwnText::Truncated::undone) {
      sure_ >>= before - length;
      follow_again_ = true;
    }
    return truncated;
  }

  /// Whether there is nothing to read of a context of this length.
  [[nodiscard]] bool has_read(std::size_t length) const noexcept { return own_.has_read(length) && !follow_again_; }

  /// See `OwnText::begin_reading`. Where it skips, the history is left.
  std::size_t begin_reading(std::span<Token const> context) noexcept {
    if (std::exchange(follow_again_, false)) follow_again(context);
    std::size_t const before = size();
    std::size_t const end = own_.begin_reading(context.size());
    leave_history_if(size() != before);
    return end;
  }

  /// Reads the token of `context` at the position `size()`, whose contexts are `contexts`. Only with `follow`, the
  /// history is followed, and the token can be taken back alone; for a prompt, its last `followed` tokens are enough.
  /// Returns the contexts of the next position.
  ContextHashes append(std::span<Token const> context, ContextHashes const& contexts, bool follow) noexcept {
    std::size_t const length = size() + 1;
    ContextHashes const after(length, [&](std::size_t position) { return context[position]; });
    own_.append(context, contexts, after, follow);
    bool const sure = is_sure(own_.pointers().longest);
    sure_ = sure_ << 1 | std::bitset<sure_size>(sure ? 1 : 0);
    if (!history_.exists()) return after;
    if (follow)
      history_.append(context.first(length), after.three, !sure);
    else
      history_.leave();
    return after;
  }

  /// Advances `pointers` by one token in all texts, as if it had been generated. `token_at` is as in `input`.
  template <class TokenAt>
  void advance(CopyPointers& pointers, Token token, TokenAt const& token_at) const noexcept {
    own_.advance(pointers.own, token, token_at);
    if (history_.exists()) history_.advance(pointers.history, token);
  }

  /// What is known of the token at the position `length`, which comes after `contexts`. `token_at(i)` is the token at
  /// an earlier position, of the context or of a draft after it.
  template <class TokenAt>
  [[nodiscard]] MixerInput input(ContextHashes const& contexts, CopyPointers const& pointers, std::size_t length,
                                 TokenAt const& token_at) const noexcept {
    MixerInput input;
    own_.describe(contexts, pointers.own, length, token_at, input);
    bool const known = input.votes[0].token >= 0 && input.votes[0].length >= sure_length;
    if (history_.exists() && !known) {
      history_.describe(contexts, pointers.history, input);
      history_.prefetch(input, length, token_at);
    }
    return input;
  }

  /// Whether the tokens that led to `pointers` are being copied from one place: the longest match is still active.
  [[nodiscard]] static bool copies(CopyPointers const& pointers) noexcept {
    return pointers.own.longest.active || pointers.history.longest.active;
  }

  /// Goes on at the position `length` with the token after the longest match, in the own text or else in the history,
  /// and moves that match on. `token_at` is as in `input`. No vote if the text ends there. Requires:
  /// `copies(pointers)`.
  template <class TokenAt>
  [[nodiscard]] MixerInput::Vote copy_on(CopyPointers& pointers, std::size_t length,
                                         TokenAt const& token_at) const noexcept {
    bool const own = pointers.own.longest.active;
    MatchPointer& match = own ? pointers.own.longest : pointers.history.longest;
    MixerInput::Vote const vote = own ? own_.vote(match, length, token_at) : history_.vote(match);
    ++match.position;
    ++match.length;
    return vote;
  }

 private:
  // A match of this length in the own text is right so often that a history adds nothing.
  static constexpr std::uint32_t sure_length = 16;

  static constexpr std::size_t sure_size = followed + UndoJournal<int>::capacity;

  // Finds the place in the history again, with the last tokens of `context` that were read, as if all of it were read
  // again.
  void follow_again(std::span<Token const> context) noexcept {
    history_.leave();
    if (!history_.exists()) return;
    for (std::size_t i = context.size() - std::min(context.size(), followed); i < size(); ++i) {
      ContextHashes const after(i + 1, [&](std::size_t position) { return context[position]; });
      history_.append(context.first(i + 1), after.three, !sure_[size() - 1 - i]);
    }
  }

  static bool is_sure(MatchPointer const& pointer) noexcept { return pointer.active && pointer.length >= sure_length; }

  bool leave_history_if(bool forgotten) noexcept {
    if (forgotten) {
      history_.leave();
      follow_again_ = false;
    }
    return forgotten;
  }

  OwnText own_;
  HistorySource history_;
  std::bitset<sure_size> sure_;  // whether the own text was sure after each of the newest tokens, the newest first
  bool follow_again_ = false;    // tokens were taken back, and the history was not left yet
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
