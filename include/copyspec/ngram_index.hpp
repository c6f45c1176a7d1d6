// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "assert.hpp"
#include "rolling_hash.hpp"
#include "token.hpp"

namespace copyspec::inline v0 {

/// Where a run of tokens was seen before. Each value is the position that followed an occurrence, so the token to copy
/// first is `tokens[position]`.
struct Occurrences {
  std::size_t oldest = 0;
  std::size_t newest = 0;
};

/// Finds earlier occurrences of the newest `length` tokens of one sequence: the match finder of an LZ77 compressor, run
/// on tokens, for matches of one length.
///
///     tokens_    a  b  c  x  a  b  c  y  a  b  c        (borrowed: the caller passes them in)
///                      |           |           |
///     positions_       3 <-------- 7 <-------- 11       previous occurrence of the same n-gram, and its slot
///                      ^                       ^
///     slots_     [ tag(abc), oldest 3,   newest 11 ]    one per distinct n-gram, found by hash, linear probing
///
/// Appending and looking up are one probe: the slot that a new n-gram is entered in also names its earlier
/// occurrences, so `find` only reads what the last append found. An n-gram is entered or found only if its tokens are
/// equal; the hash (a `RollingHash` or anything with its functions) merely says where to look. Appends are undone in
/// reverse order, which restores a linearly probed table exactly, without tombstones.
///
/// Cost: O(1) per appended token and per forgotten token, whatever the context; at most `max_probes` slots are looked
/// at, and an n-gram that finds no place among them is left out (with the hash here that takes an adversary). `find` is
/// O(1). Memory is 26 bytes a token reserved. Allocation happens in `reserve`, and in `extend` beyond what was
/// reserved. No failure but `std::bad_alloc`. Threads: one call at a time; `const` calls may run together.
template <class Hash = RollingHash>
class NgramIndex {
 public:
  /// Indexes n-grams of `length` >= 1 tokens. Allocates nothing.
  explicit NgramIndex(std::size_t length) : length_(length), hash_(length) {}

  [[nodiscard]] std::size_t length() const noexcept { return length_; }

  /// How many tokens were appended and not forgotten.
  [[nodiscard]] std::size_t size() const noexcept { return positions_.size(); }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return positions_.capacity() * sizeof(Position) + slots_.capacity() * sizeof(Slot);
  }

  /// Makes room for `tokens` tokens in all, so that `extend` up to there allocates nothing. O(size() + tokens).
  void reserve(std::size_t tokens) {
    COPYSPEC_ASSERT(tokens <= max_tokens, "an index holds at most 2^31 tokens");
    positions_.reserve(tokens);
    if (slots_.size() < slots_for(tokens)) rebuild(slots_for(tokens));
  }

  /// Appends `tokens[size()..]`. The first `size()` tokens are those appended before.
  void extend(std::span<Token const> tokens) {
    COPYSPEC_ASSERT(tokens.size() >= size(), "tokens were taken away without a truncate");
    if (tokens.size() > positions_.capacity() || slots_for(tokens.size()) > slots_.size())
      reserve(std::max(tokens.size(), std::min(2 * positions_.capacity(), max_tokens)));
    if (!hash_is_current_) rehash(tokens.first(size()));
    while (size() < tokens.size()) append(tokens);
  }

  /// Forgets all but the first `length` tokens, as if the rest had never been appended. O(tokens forgotten).
  void truncate(std::size_t length) noexcept {
    if (length >= size()) return;
    while (size() > length) {
      Position const last = positions_.back();
      positions_.pop_back();
      if (last.slot == no_slot) continue;
      if (last.previous == 0)
        slots_[last.slot] = {};
      else
        slots_[last.slot].newest = last.previous;
    }
    hash_is_current_ = false;
  }

  /// Earlier occurrences of the newest n-gram; the one that ends at the newest token is not its own. Nothing if there
  /// is none, if fewer than `length()` tokens were appended, or if the n-gram covers a negative token.
  [[nodiscard]] std::optional<Occurrences> find() const noexcept {
    if (positions_.empty() || positions_.back().previous == 0) return std::nullopt;
    Position const last = positions_.back();
    return Occurrences{.oldest = slots_[last.slot].oldest, .newest = last.previous};
  }

  /// The occurrence before `position`, one that `find` or this gave; 0 if that was the oldest.
  [[nodiscard]] std::size_t previous(std::size_t position) const noexcept {
    COPYSPEC_ASSERT(position > 0 && position <= size(), "a position that follows an occurrence");
    return positions_[position - 1].previous;
  }

 private:
  // Positions count from one, as the position after the n-gram's last token, so zero means none.
  struct Position {
    std::uint32_t slot = no_slot;
    std::uint32_t previous = 0;
  };
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t oldest = 0;
    std::uint32_t newest = 0;
  };

  static constexpr std::uint32_t no_slot = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::size_t max_tokens = std::size_t{1} << 31;
  // At a load of 2/3 an unsuccessful search looks at 5 slots on average; runs as long as this are not met by chance.
  static constexpr std::size_t max_probes = 256;

  static constexpr std::size_t slots_for(std::size_t tokens) noexcept { return tokens + tokens / 2 + 1; }

  void append(std::span<Token const> tokens) {
    std::size_t const end = size() + 1;
    Token const token = tokens[end - 1];
    if (token < 0) {
      hash_.clear();
      run_ = 0;
    } else if (run_ < length_) {
      hash_.push(token);
      ++run_;
    } else {
      hash_.slide(tokens[end - 1 - length_], token);
    }
    positions_.push_back(run_ == length_ ? enter(tokens.first(end)) : Position{});
  }

  // Enters the n-gram at the end of `tokens`.
  Position enter(std::span<Token const> tokens) noexcept {
    auto const end = static_cast<std::uint32_t>(tokens.size());
    auto const tag = static_cast<std::uint32_t>(hash_.value() >> 32);
    std::size_t index = home(tag);
    for (std::size_t probe = 0; probe < max_probes; ++probe) {
      Slot& slot = slots_[index];
      if (slot.newest == 0) {
        slot = {.tag = tag, .oldest = end, .newest = end};
        return {.slot = static_cast<std::uint32_t>(index), .previous = 0};
      }
      if (slot.tag == tag && equal(tokens, slot.newest, end)) {
        Position const entered{.slot = static_cast<std::uint32_t>(index), .previous = slot.newest};
        slot.newest = end;
        return entered;
      }
      if (++index == slots_.size()) index = 0;
    }
    return {};
  }

  [[nodiscard]] bool equal(std::span<Token const> tokens, std::size_t a, std::size_t b) const noexcept {
    Token const* const first = tokens.data() + a - length_;
    return std::equal(first, first + length_, tokens.data() + b - length_);
  }

  // The high bits of a product instead of a remainder, so that the number of slots need not be a power of two.
  [[nodiscard]] std::size_t home(std::uint32_t tag) const noexcept {
    return static_cast<std::size_t>((std::uint64_t{tag} * slots_.size()) >> 32);
  }

  void rehash(std::span<Token const> tokens) noexcept {
    hash_.clear();
    run_ = 0;
    for (Token const token : tokens.last(std::min(length_, tokens.size()))) {
      if (token < 0) {
        hash_.clear();
        run_ = 0;
      } else {
        hash_.push(token);
        ++run_;
      }
    }
    hash_is_current_ = true;
  }

  // Enters every n-gram again, in the order of the appends, so that undoing them still restores the table.
  void rebuild(std::size_t slot_count) {
    std::vector<Slot> const old = std::exchange(slots_, std::vector<Slot>(slot_count));
    for (std::size_t i = 0; i < positions_.size(); ++i) {
      Position& position = positions_[i];
      if (position.slot == no_slot) continue;
      auto const end = static_cast<std::uint32_t>(i + 1);
      if (position.previous == 0) {
        position.slot = place({.tag = old[position.slot].tag, .oldest = end, .newest = end});
      } else {
        position.slot = positions_[position.previous - 1].slot;
        if (position.slot != no_slot) slots_[position.slot].newest = end;
      }
      if (position.slot == no_slot) position.previous = 0;
    }
  }

  std::uint32_t place(Slot const& slot) noexcept {
    std::size_t index = home(slot.tag);
    for (std::size_t probe = 0; probe < max_probes; ++probe) {
      if (slots_[index].newest == 0) {
        slots_[index] = slot;
        return static_cast<std::uint32_t>(index);
      }
      if (++index == slots_.size()) index = 0;
    }
    return no_slot;
  }

  std::size_t length_;
  Hash hash_;
  std::size_t run_ = 0;  // tokens inside the hash
  bool hash_is_current_ = true;
  std::vector<Position> positions_;
  std::vector<Slot> slots_;
};

}  // namespace copyspec::inline v0
