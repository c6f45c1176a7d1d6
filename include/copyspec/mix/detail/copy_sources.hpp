// SPDX-License-Identifier: MIT
#pragma once

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
/// Cost: O(1) a token. Memory: that of an `OwnText`. Allocates in `reserve` and `set_references` only. Threads: one
/// call at a time; the history may be written to meanwhile.
class CopySources {
 public:
  /// A window of zero is no window. Without a history, only the own text is used.
  CopySources(std::size_t window, std::shared_ptr<History const> history)
      : own_(window), history_(std::move(history)) {}

  /// Number of context tokens that were read.
  [[nodiscard]] std::size_t size() const noexcept { return own_.size(); }

  /// Bytes allocated for this sequence.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return own_.memory_bytes(); }

  /// The pointers after the tokens that were read.
  [[nodiscard]] CopyPointers pointers() const noexcept {
    return {.own = own_.pointers(), .history = history_.pointers()};
  }

  /// See `OwnText::set_references`.
  bool set_references(std::span<std::vector<Token> const> texts) {
    return leave_history_if(own_.set_references(texts));
  }

  /// See `OwnText::reserve`.
  bool reserve(std::size_t length) { return leave_history_if(own_.reserve(length)); }

  /// Forgets everything if more than `length` tokens were read. Returns whether it did.
  bool truncate(std::size_t length) noexcept { return leave_history_if(own_.truncate(length)); }

  /// Skips the part of a context of `length` tokens that is older than the window.
  void skip(std::size_t length) noexcept { leave_history_if(own_.skip(length)); }

  /// Reads the token of `context` at the position `size()`, whose contexts are `contexts`. The history is followed only
  /// with `follow`; for a prompt, its last tokens are enough. Returns the contexts of the next position.
  ContextHashes append(std::span<Token const> context, ContextHashes const& contexts, bool follow) noexcept {
    std::size_t const length = size() + 1;
    ContextHashes const after(length, [&](std::size_t position) { return context[position]; });
    own_.append(context, contexts, after);
    if (!history_.exists()) return after;
    if (follow)
      history_.append(context.first(length), after.three, !is_sure(own_.pointers().longest));
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

 private:
  // A match of this length in the own text is right so often that a history adds nothing.
  static constexpr std::uint32_t sure_length = 16;

  static bool is_sure(MatchPointer const& pointer) noexcept { return pointer.active && pointer.length >= sure_length; }

  bool leave_history_if(bool forgotten) noexcept {
    if (forgotten) history_.leave();
    return forgotten;
  }

  OwnText own_;
  HistorySource history_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
