// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "assert.hpp"
#include "ngram_index.hpp"
#include "token.hpp"

namespace copyspec::inline v0 {

/// A place in the context whose tokens are expected to be said again, and how well that went lately.
struct MatchPointer {
  std::size_t position = 0;  ///< Of the token expected next; meaningful if `active`.
  std::uint32_t length = 0;  ///< How many tokens before it are equal to the newest ones, as far as they were compared.
  std::uint8_t misses = 0;   ///< Expectations that failed lately; none after four in a row that held.
  std::uint8_t history = 0;  ///< The last eight outcomes, the newest in the lowest bit; one if the token was right.
  bool active = false;

  /// Goes one token on, after the token expected was said, or another. O(1).
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

/// Where the context is being copied from, if it is. A value, so that a chain of guesses can be followed on a copy.
struct MatchPointers {
  MatchPointer longest;   ///< The longest earlier match of the newest tokens; gone once its token fails.
  MatchPointer survivor;  ///< The last good match, followed on through a few failures: a copy with edits.
  std::uint8_t hits = 0;  ///< Whether `longest` was right for the last eight tokens, the newest in the lowest bit.

  /// Goes one token on. `token_at(position)` is the token at a position of the context or of the chain behind it.
  template <class TokenAt>
  constexpr void advance(Token token, TokenAt const& token_at) noexcept {
    bool const hit = longest.active && token_at(longest.position) == token;
    hits = static_cast<std::uint8_t>(hits << 1 | (hit ? 1 : 0));
    if (longest.active) longest.advance(hit);
    if (survivor.active) survivor.advance(token_at(survivor.position) == token);
    if (longest.misses > 0) longest.active = false;
  }
};

/// Finds the longest earlier match of a sequence's newest tokens, of any length from three on: the match finder of an
/// LZ77 compressor. The match in hand is carried forward, so a token that continues it costs O(1), a constant stream
/// too; when it has failed, the latest few occurrences of the last three tokens are compared backwards and the longest
/// is taken, the newest among equals.
///
/// With a window, only occurrences that end at one of the newest `window` tokens are found; a match in hand stays as
/// far back as it was found. What it holds is a function of the tokens it was given.
///
/// Cost: O(1) a token, at most `max_candidates` comparisons of at most `max_comparison` tokens. Memory: that of an
/// `NgramIndex`. Allocates in `reserve`, and in `extend` beyond what was reserved. Threads: one call at a time.
class LongestMatch {
 public:
  static constexpr std::size_t min_length = 3;
  static constexpr std::size_t max_candidates = 4;
  static constexpr std::size_t max_comparison = 32;

  /// Zero is no window.
  explicit LongestMatch(std::size_t window = 0) : index_(min_length, window) {}

  [[nodiscard]] std::size_t size() const noexcept { return index_.size(); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return index_.memory_bytes(); }
  [[nodiscard]] MatchPointers const& pointers() const noexcept { return pointers_; }

  void reserve(std::size_t tokens) { index_.reserve(tokens); }

  /// Forgets everything, and goes on behind the first `length` tokens, zero without a window, of which nothing will be
  /// found. O(size()), at most the window.
  void begin_at(std::size_t length) noexcept {
    index_.begin_at(length);
    pointers_ = {};
  }

  /// Appends the last of `tokens`, of which all others were appended before.
  void append(std::span<Token const> tokens) {
    COPYSPEC_ASSERT(tokens.size() == size() + 1, "one token at a time");
    pointers_.advance(tokens.back(), [&](std::size_t position) { return tokens[position]; });
    index_.extend(tokens);
    MatchPointer& longest = pointers_.longest;
    if (!longest.active) {
      longest.length = 0;
      longest.misses = 0;
      search(tokens);
    }
    keep_survivor(tokens.size());
  }

 private:
  // A survivor gives up after more failures in a short time than this.
  static constexpr std::uint8_t max_misses = 4;

  void search(std::span<Token const> tokens) noexcept {
    auto const found = index_.find();
    if (!found) return;
    MatchPointer& longest = pointers_.longest;
    std::size_t position = found->newest;
    for (std::size_t i = 0; i < max_candidates && position != 0; ++i) {
      std::uint32_t const length = match_length(tokens, position);
      if (length > longest.length) {
        longest.position = position;
        longest.length = length;
        longest.active = true;
      }
      if (length == max_comparison) break;
      position = index_.previous(position);
    }
  }

  [[nodiscard]] static std::uint32_t match_length(std::span<Token const> tokens, std::size_t position) noexcept {
    std::size_t const limit = std::min(position, max_comparison);
    Token const* const newest = tokens.data() + tokens.size();
    Token const* const earlier = tokens.data() + position;
    std::size_t length = min_length;  // which the index has compared
    while (length < limit && *(earlier - length - 1) == *(newest - length - 1)) ++length;
    return static_cast<std::uint32_t>(length);
  }

  // Where the survivor is lost, or the longest match has proved itself elsewhere, it goes on from that one.
  void keep_survivor(std::size_t length) noexcept {
    MatchPointer const& longest = pointers_.longest;
    MatchPointer& survivor = pointers_.survivor;
    if (survivor.misses > max_misses || survivor.position >= length) survivor.active = false;
    if (!longest.active || (survivor.active && survivor.position == longest.position)) return;
    bool const lost = survivor.active && survivor.length == 0 && longest.length > min_length;
    bool const beaten = survivor.length < longest.length && longest.length >= max_comparison / 2;
    if (survivor.active && !lost && !beaten) return;
    survivor.misses = survivor.active ? std::min<std::uint8_t>(survivor.misses, 2) : std::uint8_t{0};
    survivor.position = longest.position;
    survivor.length = longest.length;
    survivor.history = 7;
    survivor.active = true;
  }

  NgramIndex<> index_;
  MatchPointers pointers_;
};

}  // namespace copyspec::inline v0
