// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "context_hashes.hpp"
#include "context_map.hpp"
#include "match_model.hpp"
#include "mixer_input.hpp"
#include "undo_journal.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A sequence's own text as a source to copy from. It remembers what followed which context, and where the newest
/// tokens occurred before. Reference text that the sequence was given is read as if it were generated before everything
/// else.
///
/// What is remembered is a function of the tokens. Positions in `MatchPointers` count the reference text too; all
/// others count from the first token of the context.
///
/// The newest tokens can be taken back without reading anything again, without a window up to `UndoJournal::capacity`
/// of them. What has to be read again is read in pieces of `max_again` tokens, one for each `begin_reading`, so that no
/// call takes long because of a text that is long.
///
/// Cost: O(1) a token; forgetting everything is O(tokens reserved), two milliseconds for a million of them. Memory: 50
/// bytes for each token reserved, reference text included, and less beyond 52,000 tokens; 10 KiB besides. With a
/// window, at most `window` tokens of both count. Allocates in `reserve` and `set_references` only; if that fails,
/// nothing is changed. Threads: one call at a time.
class OwnText {
 public:
  /// Most tokens that are read again at once. About two milliseconds, like a piece of a text whose tables are in memory
  /// rather than in a cache.
  static constexpr std::size_t max_at_once = 8192;
  static constexpr std::size_t piece = 4096;

  /// What `truncate` did to what was read.
  enum class Truncated : std::uint8_t { nothing, undone, forgotten };

  /// A window of zero is no window.
  explicit OwnText(std::size_t window) : window_(window == 0 ? unlimited : window), match_(window) {}

  /// Number of context tokens that were read.
  [[nodiscard]] std::size_t size() const noexcept { return match_.size() - std::min(match_.size(), reference_.size()); }

  /// Number of context tokens that were read once and are still there, also where they have to be read again.
  [[nodiscard]] std::size_t size_once_read() const noexcept {
    return was_read() - std::min(was_read(), reference_.size());
  }

  /// Whether the reference text and `length` tokens of context were read.
  [[nodiscard]] bool has_read(std::size_t length) const noexcept { return match_.size() == reference_.size() + length; }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return match_.memory_bytes() + followed_.memory_bytes() + journal_.memory_bytes() +
           reference_.capacity() * sizeof(Token);
  }

  /// The positions that the newest tokens are being copied from.
  [[nodiscard]] MatchPointers const& pointers() const noexcept { return match_.pointers(); }

  /// Sets `texts` instead of the earlier ones, and forgets the context. Returns whether it did; it does not if there
  /// were none and are none. Copies the texts; none allocate nothing. O(tokens of all texts, and of room reserved).
  bool set_references(std::span<std::vector<Token> const> texts) {
    if (texts.empty() && reference_.empty()) return false;
    std::vector<Token> reference = joined(texts);
    std::size_t const context = reserved_ - std::min(reserved_, reference_.size());
    std::size_t const read = size_once_read();
    if (!make_room(context + reference.size())) forget();
    reference_ = std::move(reference);
    // If it is the first text, it is read at once, like the prompt.
    was_read_ = read == 0 ? 0 : reference_.size() + read;
    return true;
  }

  /// Makes room for `length` tokens of context. Returns whether everything was forgotten for it and must be read again.
  bool reserve(std::size_t length) { return make_room(length + reference_.size()); }

  /// Takes back all but the first `length` tokens of context.
  Truncated truncate(std::size_t length) noexcept {
    was_read_ = std::min(was_read_, reference_.size() + length);
    if (length >= size()) return Truncated::nothing;
    if (size() - length <= journal_.size()) {
      while (size() > length) undo(journal_.pop());
      return Truncated::undone;
    }
    forget();
    was_read_ = reference_.size() + length;
    return Truncated::forgotten;
  }

  /// Begins to read what is new of a context of `length` tokens: skips what is older than the window, and reads
  /// reference text that was not read. Returns how many tokens of the context may be read now.
  std::size_t begin_reading(std::size_t length) noexcept {
    std::size_t const whole = reference_.size() + length;
    std::size_t const again = std::min(was_read_, whole);
    std::size_t left = again <= max_at_once ? again : piece;
    auto const end = [&] { return match_.size() + left < again ? match_.size() + left : whole; };
    std::size_t const begin = match_.size();
    read_references(end());
    if (match_.size() < reference_.size()) return 0;
    left -= std::min(left, match_.size() - begin);
    if (length - size() > window_) match_.begin_at(reference_.size() + length - window_);
    return end() - reference_.size();
  }

  /// Reads the token of `context` at the position `size()`, between these contexts. Only if `undoable`, it can be taken
  /// back alone.
  void append(std::span<Token const> context, ContextHashes const& before, ContextHashes const& after,
              bool undoable) noexcept {
    Entry* const entry = undoable && journal_.has_room() ? &journal_.push() : nullptr;
    if (entry == nullptr) journal_.clear();
    read(
        context[size()], before, after, [&](std::size_t position) { return context[position]; }, entry);
  }

  /// Advances `pointers` by one token, as if it had been generated. `token_at` is as in `describe`.
  template <class TokenAt>
  void advance(MatchPointers& pointers, Token token, TokenAt const& token_at) const noexcept {
    pointers.advance(token, text_of(token_at));
  }

  /// Writes to `input` what is known of the token at the position `length`, which comes after `contexts`. `token_at(i)`
  /// is the token at an earlier position, of the context or of a draft after it.
  template <class TokenAt>
  void describe(ContextHashes const& contexts, MatchPointers const& pointers, std::size_t length,
                TokenAt const& token_at, MixerInput& input) const noexcept {
    for (std::size_t i = 0; i < MixerInput::own_contexts; ++i)
      if (contexts.values[i] != 0) input.successors[i] = followed_.find(contexts.values[i]);
    input.votes[0] = vote(pointers.longest, length, token_at);
    input.votes[1] = vote(pointers.recovered, length, token_at);
    input.hits = pointers.hits;
    input.newest = contexts.newest;
  }

  /// The token that a pointer expects at the position `length`, if any. `token_at` is as in `describe`.
  template <class TokenAt>
  [[nodiscard]] MixerInput::Vote vote(MatchPointer const& pointer, std::size_t length,
                                      TokenAt const& token_at) const noexcept {
    if (!pointer.active || pointer.position >= reference_.size() + length) return {};
    Source const source = pointer.position < reference_.size() ? Source::reference : Source::context;
    return MixerInput::Vote::of(pointer, text_of(token_at)(pointer.position), source);
  }

 private:
  static constexpr std::size_t unlimited = ~std::size_t{0};
  // 2 MiB. Beyond that, nearly every probe misses the caches. Older tokens are left to the longest match.
  static constexpr std::size_t max_contexts = std::size_t{1} << 17;

  // The reference text, followed by what `token_at` returns.
  template <class TokenAt>
  [[nodiscard]] auto text_of(TokenAt const& token_at) const noexcept {
    return [this, &token_at](std::size_t position) {
      return position < reference_.size() ? reference_[position] : token_at(position - reference_.size());
    };
  }

  // What one token changed.
  struct Entry {
    MatchModel::Change match;
    std::array<ContextMap::Change, ContextHashes::count> followed;
  };

  static std::vector<Token> joined(std::span<std::vector<Token> const> texts) {
    std::size_t size = 0;
    for (std::vector<Token> const& text : texts) size += text.size() + 1;
    std::vector<Token> joined;
    joined.reserve(size);
    for (std::vector<Token> const& text : texts) {
      joined.insert(joined.end(), text.begin(), text.end());
      // The -1 ends every match, so none continues from one text into the next, or into the context.
      joined.push_back(-1);
    }
    return joined;
  }

  // How many tokens, reference text included, are or were read and are still there.
  [[nodiscard]] std::size_t was_read() const noexcept { return std::max(was_read_, match_.size()); }

  // Makes room for `length` tokens, reference text included. Returns whether everything was forgotten for it.
  bool make_room(std::size_t length) {
    if (std::min(length, window_) <= reserved_) return false;
    // At least a quarter more than last time, so that a context that grows turn by turn is seldom read again.
    std::size_t const room = std::min(std::max(length, reserved_ + reserved_ / 4), window_);
    std::size_t const read = was_read();
    ContextMap followed;
    followed.reset(std::min(room * 5 / 2, max_contexts));
    if (window_ == unlimited && room > max_at_once) journal_.reserve();
    match_.reserve(room);
    // Nothing fails from here on.
    followed_ = std::move(followed);
    journal_.clear();
    reserved_ = room;
    was_read_ = read;
    return true;
  }

  // Reads `token`, the next token of the text that `token_at` returns after the reference text. Writes what it changed
  // to `entry`, if there is one.
  template <class TokenAt>
  void read(Token token, ContextHashes const& before, ContextHashes const& after, TokenAt const& token_at,
            Entry* entry) noexcept {
    for (std::size_t i = 0; i < ContextHashes::count; ++i) {
      ContextMap::Change* const change = entry == nullptr ? nullptr : &entry->followed[i];
      if (before.values[i] != 0)
        followed_.observe(before.values[i], token, change);
      else if (change != nullptr)
        *change = {};
    }
    if (entry != nullptr) entry->match = match_.change_of(after.three);
    match_.append(text_of(token_at), after.three);
  }

  void undo(Entry const& entry) noexcept {
    match_.undo(entry.match);
    for (std::size_t i = ContextHashes::count; i-- > 0;) followed_.undo(entry.followed[i]);
  }

  void forget() noexcept {
    was_read_ = was_read();
    followed_.clear();
    match_.begin_at(0);
    journal_.clear();
  }

  // Reads reference text before the position `end`.
  void read_references(std::size_t end) noexcept {
    auto const token_at = [&](std::size_t position) { return reference_[position]; };
    auto const nothing = [](std::size_t) { return Token{-1}; };
    end = std::min(end, reference_.size());
    if (match_.size() >= end) return;
    ContextHashes before(match_.size(), token_at);
    while (match_.size() < end) {
      ContextHashes const after(match_.size() + 1, token_at);
      read(reference_[match_.size()], before, after, nothing, nullptr);
      before = after;
    }
  }

  std::size_t window_;
  std::vector<Token> reference_;  // the texts, each followed by -1
  MatchModel match_;              // its positions count the reference text
  ContextMap followed_;
  UndoJournal<Entry> journal_;  // of the newest tokens of the context
  std::size_t reserved_ = 0;
  std::size_t was_read_ = 0;  // tokens of both that were read before everything was forgotten
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
