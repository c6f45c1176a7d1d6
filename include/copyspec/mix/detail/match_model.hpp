// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "match_finder.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A position in the text whose tokens are expected to repeat, and how often that was right recently.
struct MatchPointer {
  std::size_t position = 0;  ///< Of the token expected next; meaningful if `active`.
  std::uint32_t length = 0;  ///< How many tokens before it equal the newest ones, as far as they were compared.
  std::uint8_t misses = 0;   ///< Recent misses; reset after four hits in a row.
  std::uint8_t history = 0;  ///< The last eight outcomes, the newest in the lowest bit; one is a hit.
  bool active = false;

  /// Moves on by one token; `hit` tells whether the expected token came. O(1).
  constexpr void advance(bool hit) noexcept {
    ++position;
    history = static_cast<std::uint8_t>(history << 1 | (hit ? 1 : 0));
    if (hit) {
      ++length;
      if ((history & 15) == 15) misses = 0;
    } else {
      length = 0;
      misses = static_cast<std::uint8_t>(std::min(misses + 1, 255));
    }
  }
};

/// The positions that the context is being copied from, if any. A value type, so that predictions can follow a chain on
/// a copy.
struct MatchPointers {
  static constexpr std::size_t min_length = 3;
  static constexpr std::size_t max_candidates = 4;
  static constexpr std::size_t max_comparison = 32;
  static constexpr std::size_t max_walk = 16;  ///< Candidates examined, including those that turn out not to match.

  MatchPointer longest;    ///< The longest earlier match of the newest tokens; dropped at its first miss.
  MatchPointer recovered;  ///< The last good match, followed through a few misses: a copy with edits.
  std::uint8_t hits = 0;   ///< Whether `longest` was right for the last eight tokens, the newest in the lowest bit.

  /// Moves on by `token`. `token_at(position)` is the token at a position of the context or of the chain after it.
  /// O(1).
  template <class TokenAt>
  constexpr void advance(Token token, TokenAt const& token_at) noexcept {
    bool const hit = longest.active && token_at(longest.position) == token;
    hits = static_cast<std::uint8_t>(hits << 1 | (hit ? 1 : 0));
    if (longest.active) longest.advance(hit);
    if (recovered.active) recovered.advance(token_at(recovered.position) == token);
    if (longest.misses > 0) longest.active = false;
  }

  /// Without an active `longest`, compares the latest few occurrences backwards with the newest tokens, starting at
  /// `candidate` (zero for none). Takes the longest that is a match; of equal lengths, the newest. Then lets
  /// `recovered` follow it.
  ///
  /// `text` is the text to copy from. `text.previous(position)` is the next candidate, zero if there is none;
  /// `text.equal(position, token)` compares; `text.has(position)` tells whether a pointer may be there. `newest(i)` is
  /// the i-th newest token of the sequence, which has `length` tokens.
  ///
  /// At most `max_candidates` matches of `max_comparison` tokens. No allocation.
  template <class Text, class Newest>
  constexpr void search(Text const& text, std::size_t candidate, std::size_t length, Newest const& newest) noexcept {
    if (!longest.active) {
      longest.length = 0;
      longest.misses = 0;
      std::size_t matches = 0;
      for (std::size_t i = 0; i < max_walk && matches < max_candidates && candidate != 0; ++i) {
        std::size_t const limit = std::min({candidate, length, max_comparison});
        std::uint32_t matched = 0;
        while (matched < limit && text.equal(candidate - 1 - matched, newest(matched))) ++matched;
        if (matched >= min_length && text.has(candidate)) {
          ++matches;
          if (matched > longest.length) {
            longest.position = candidate;
            longest.length = matched;
            longest.active = true;
          }
          if (matched == max_comparison) break;
        }
        candidate = text.previous(candidate);
      }
    }
    keep_survivor(text);
  }

 private:
  // `recovered` gives up after more recent misses than this.
  static constexpr std::uint8_t max_misses = 4;

  // If `recovered` is lost, or the longest match has proved itself elsewhere, it continues from the longest match.
  template <class Text>
  constexpr void keep_survivor(Text const& text) noexcept {
    if (recovered.misses > max_misses || !text.has(recovered.position)) recovered.active = false;
    if (!longest.active || (recovered.active && recovered.position == longest.position)) return;
    bool const lost = recovered.active && recovered.length == 0 && longest.length > min_length;
    bool const beaten = recovered.length < longest.length && longest.length >= max_comparison / 2;
    if (recovered.active && !lost && !beaten) return;
    recovered.misses = recovered.active ? std::min<std::uint8_t>(recovered.misses, 2) : std::uint8_t{0};
    recovered.position = longest.position;
    recovered.length = longest.length;
    recovered.history = 7;
    recovered.active = true;
  }
};

/// Finds the longest earlier match of a sequence's newest tokens, of at least three: the match finder of an LZ77
/// compressor. The current match is carried forward, so a token that continues it costs O(1), even in a constant
/// stream. After a miss, the latest few occurrences of the last three tokens are compared backwards. The longest is
/// taken; of equal lengths, the newest.
///
/// With a window, only matches that end within the newest `window` tokens are found; a current match is carried on,
/// however far back it was found. The state is a function of the appended tokens.
///
/// O(1) per token, with at most `MatchPointers::max_candidates` comparisons of `MatchPointers::max_comparison` tokens.
/// Memory: that of a `MatchFinder`. Allocates in `reserve` only. Threads: one call at a time.
class MatchModel {
 public:
  /// What an `append` will change.
  class Change {
    friend class MatchModel;
    MatchPointers pointers_;
    std::uint64_t three_ = 0;
    MatchFinder::Change entered_;
  };

  /// A window of zero is unlimited.
  explicit MatchModel(std::size_t window = 0) : window_(window) {}

  /// How many tokens were appended or skipped.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return finder_.memory_bytes(); }
  /// The current pointers. Valid until the next change.
  [[nodiscard]] MatchPointers const& pointers() const noexcept { return pointers_; }

  /// Makes room for `tokens` tokens in total, or for the window if that is smaller. Returns whether it had to forget
  /// everything. If allocation fails, nothing is changed. O(tokens).
  bool reserve(std::size_t tokens) {
    std::size_t const positions = (window_ == 0 ? tokens : std::min(tokens, window_)) + 1;
    if (positions <= finder_.capacity()) return false;
    finder_.reserve(positions);
    pointers_ = {};
    size_ = 0;
    return true;
  }

  /// Forgets everything and continues after the first `length` tokens, which are skipped: no match in them will be
  /// found. O(capacity).
  void begin_at(std::size_t length) noexcept {
    finder_.clear();
    pointers_ = {};
    size_ = length;
  }

  /// What the next `append` will change if its `three` is this one, for `undo`. Requires reserved room. O(1).
  [[nodiscard]] Change change_of(std::uint64_t three) const noexcept {
    Change change;
    change.pointers_ = pointers_;
    change.three_ = three;
    if (three != 0) change.entered_ = finder_.change_of(three, size_ + 1);
    return change;
  }

  /// Takes the newest token back that was not taken back yet, and everything is as before its `append`. `change` is
  /// what `change_of` returned before it. Requires: no `begin_at` and no growth since. O(1).
  void undo(Change const& change) noexcept {
    if (change.three_ != 0) finder_.undo(change.three_, size_, change.entered_);
    pointers_ = change.pointers_;
    --size_;
  }

  /// Appends the token at position `size()` of the text given by `token_at`; all tokens before it were appended or
  /// skipped. `three` is the hash of the newest three tokens including this one (`ContextHashes::three`), zero if they
  /// are no context. Requires reserved room. O(1).
  template <class TokenAt>
  void append(TokenAt const& token_at, std::uint64_t three) noexcept {
    pointers_.advance(token_at(size_), token_at);
    ++size_;
    std::size_t candidate = 0;
    if (three != 0) {
      if (!pointers_.longest.active) candidate = finder_.newest(three);
      finder_.enter(three, size_);
    }
    pointers_.search(Text<TokenAt>{*this, token_at}, candidate, size_,
                     [&](std::size_t i) { return token_at(size_ - 1 - i); });
  }

 private:
  template <class TokenAt>
  struct Text {
    MatchModel const& match;
    TokenAt const& token_at;

    [[nodiscard]] std::size_t previous(std::size_t position) const noexcept { return match.finder_.previous(position); }
    [[nodiscard]] bool equal(std::size_t position, Token token) const noexcept { return token_at(position) == token; }
    [[nodiscard]] bool has(std::size_t position) const noexcept {
      return position < match.size_ && (match.window_ == 0 || position + match.window_ > match.size_);
    }
  };

  std::size_t window_;
  std::size_t size_ = 0;
  MatchFinder finder_;
  MatchPointers pointers_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
