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

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "rolling_hash.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

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
/// With a window, only the n-grams that end at one of the newest `window` tokens are held: with each token that is
/// appended the one that ends `window` tokens before is evicted, and `oldest`, `newest` and `previous` are those of the
/// ones that are held. What was evicted does not come back by a `truncate`.
///
/// Cost: O(1) per appended token and per forgotten token, in the worst case, whatever context and window; at most
/// `max_probes` slots are looked at to enter an n-gram and to evict one, and an n-gram that finds no place among them
/// is left out (with the hash here that takes an adversary). `find` is O(1). Memory is 26 bytes a token reserved; with
/// a window 30, of at most `window` tokens, and up to 3 KiB. Allocation happens in `reserve`, and in `extend` beyond
/// what was reserved. No failure but `std::bad_alloc`. Threads: one call at a time; `const` calls may run together.
template <class Hash = RollingHash>
class NgramIndex {
 public:
  /// Indexes n-grams of `length` >= 1 tokens that end at one of the newest `window` tokens; all of them if `window` is
  /// zero. Allocates nothing.
  explicit NgramIndex(std::size_t length, std::size_t window = 0)
      : length_(length), window_(window == 0 ? unlimited : window), hash_(length) {}

  [[nodiscard]] std::size_t length() const noexcept { return length_; }

  /// How many tokens were appended and not forgotten, held or not.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return positions_.capacity() * sizeof(Position) + next_.capacity() * sizeof(std::uint32_t) +
           slots_.capacity() * sizeof(Slot);
  }

  /// Makes room for `tokens` tokens in all, so that `extend` up to there allocates nothing. O(size() + tokens), neither
  /// more than the window.
  void reserve(std::size_t tokens) {
    tokens = std::min(tokens, window_);
    if (tokens <= positions_.size()) return;
    COPYSPEC_ASSERT(tokens <= max_tokens, "an index holds at most 2^31 tokens");
    rebuild(slots_for(tokens));
    if (has_window()) resize(next_, tokens);
    resize(positions_, tokens);
  }

  /// Appends `tokens[size()..]`. The first `size()` tokens are those appended before. Of more than `window` new ones
  /// only the newest are read.
  void extend(std::span<Token const> tokens) {
    COPYSPEC_ASSERT(tokens.size() >= size(), "tokens were taken away without a truncate");
    COPYSPEC_ASSERT(tokens.size() <= max_tokens, "an index counts at most 2^31 tokens");
    if (tokens.size() > positions_.size()) make_room(tokens.size());
    if (!hash_is_current_) rehash(tokens.first(size()));
    while (size() < tokens.size()) append(tokens);
  }

  /// Forgets all but the first `length` tokens, as if the rest had never been appended, except that what they evicted
  /// stays evicted. O(tokens forgotten), at most the window.
  void truncate(std::size_t length) noexcept {
    if (length >= size()) return;
    for (std::size_t const end = std::max(length, evicted_); size_ > end; --size_) {
      Position const last = positions_[at(size_)];
      if (last.slot == no_slot) continue;
      if (last.previous != 0) {
        slots_[last.slot].newest = last.previous;
        if (has_window()) positions_[at(last.previous)].slot = last.slot;
      } else if (has_window()) {
        erase(last.slot);
      } else {
        slots_[last.slot] = {};
      }
    }
    if (length < evicted_) size_ = evicted_ = lap_ = length;
    hash_is_current_ = false;
  }

  /// Forgets everything, and goes on behind the first `length` tokens, zero without a window, as if what ends there had
  /// been evicted. O(tokens forgotten), at most the window.
  void begin_at(std::size_t length) noexcept {
    COPYSPEC_ASSERT(length == 0 || has_window(), "without a window everything is held");
    truncate(0);
    size_ = evicted_ = lap_ = length;
    hash_is_current_ = false;
  }

  /// Earlier occurrences of the newest n-gram; the one that ends at the newest token is not its own. Nothing if there
  /// is none, if fewer than `length()` tokens were appended, or if the n-gram covers a negative token.
  [[nodiscard]] std::optional<Occurrences> find() const noexcept {
    if (size_ == evicted_) return std::nullopt;
    Position const last = positions_[at(size_)];
    if (last.previous == 0) return std::nullopt;
    return Occurrences{.oldest = slots_[last.slot].oldest, .newest = last.previous};
  }

  /// The occurrence before `position`, one that `find` or this gave; 0 if that was the oldest.
  [[nodiscard]] std::size_t previous(std::size_t position) const noexcept {
    COPYSPEC_ASSERT(position > evicted_ && position <= size(), "a position that follows an occurrence");
    return positions_[at(position)].previous;
  }

 private:
  // Positions count from one, as the position after the n-gram's last token, so zero means none. With a window, where
  // slots move, `slot` is kept for the oldest and the newest occurrence only; nobody asks those in between.
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
  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_tokens = std::size_t{1} << 31;
  // At a load of 2/3 an unsuccessful search looks at 5 slots on average; runs as long as this are not met by chance.
  static constexpr std::size_t max_probes = 256;

  [[nodiscard]] bool has_window() const noexcept { return window_ != unlimited; }

  // With a window, searches go around in blocks of `max_probes` slots, so that filling the place of an evicted n-gram
  // ends within its block.
  [[nodiscard]] std::size_t slots_for(std::size_t tokens) const noexcept {
    std::size_t const slots = tokens + tokens / 2 + 1;
    return has_window() ? (slots + max_probes - 1) / max_probes * max_probes : slots;
  }

  // The slot that a search looks at behind `index`.
  [[nodiscard]] std::size_t after(std::size_t index) const noexcept {
    ++index;
    if (has_window()) return index % max_probes == 0 ? index - max_probes : index;
    return index == slots_.size() ? 0 : index;
  }

  // Where a position is held: in a ring of `window_` of which `lap_` tokens came before the first.
  [[nodiscard]] std::size_t at(std::size_t position) const noexcept {
    if (!has_window()) return position - 1;
    std::size_t const index = position - 1 - lap_;
    return index < window_ ? index : index + window_;
  }

  template <class Element>
  static void resize(std::vector<Element>& elements, std::size_t size) {
    elements.reserve(size);  // which, other than resize, allocates no more
    elements.resize(size);
  }

  // For `size` tokens in all, more than there are records.
  void make_room(std::size_t size) {
    if (size - size_ > window_) begin_at(size - window_);
    std::size_t const held = std::min(size - evicted_, window_);
    if (held > positions_.size()) reserve(std::max(held, std::min(2 * positions_.size(), max_tokens)));
  }

  void append(std::span<Token const> tokens) {
    if (has_window()) slide();
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
    positions_[at(end)] = run_ == length_ ? enter(tokens.first(end)) : Position{};
    size_ = end;
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
        if (has_window()) next_[at(slot.newest)] = end;
        slot.newest = end;
        return entered;
      }
      index = after(index);
    }
    return {};
  }

  // Makes room in the window for one token.
  void slide() noexcept {
    if (size_ - evicted_ == window_) evict();
    if (size_ - lap_ == window_) lap_ = size_;
  }

  // Forgets the oldest position, which is the oldest occurrence of its n-gram.
  void evict() noexcept {
    std::size_t const oldest = at(++evicted_);
    std::uint32_t const index = positions_[oldest].slot;
    if (index == no_slot) return;
    Slot& slot = slots_[index];
    if (slot.newest == slot.oldest) return erase(index);
    slot.oldest = next_[oldest];
    positions_[at(slot.oldest)] = {.slot = index, .previous = 0};
  }

  // Empties a slot, and moves those behind it up that a search would no longer reach: once an n-gram was evicted, slots
  // are no longer given up in the reverse order in which they were taken.
  void erase(std::size_t index) noexcept {
    auto const distance = [](std::size_t from, std::size_t to) { return (to - from) % max_probes; };
    std::size_t hole = index;
    for (std::size_t i = after(index); i != index && slots_[i].newest != 0; i = after(i)) {
      Slot const slot = slots_[i];
      if (distance(home(slot.tag), i) < distance(hole, i)) continue;
      slots_[hole] = slot;
      positions_[at(slot.oldest)].slot = positions_[at(slot.newest)].slot = static_cast<std::uint32_t>(hole);
      hole = i;
    }
    slots_[hole] = {};
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
    for (std::size_t i = evicted_; i < size_; ++i) {
      auto const end = static_cast<std::uint32_t>(i + 1);
      Position& position = positions_[at(end)];
      if (position.slot == no_slot) continue;
      if (position.previous == 0) {
        position.slot = place({.tag = old[position.slot].tag, .oldest = end, .newest = end});
      } else {
        position.slot = positions_[at(position.previous)].slot;
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
      index = after(index);
    }
    return no_slot;
  }

  std::size_t length_;
  std::size_t window_;
  std::size_t size_ = 0;
  std::size_t evicted_ = 0;  // positions up to this one are not held
  std::size_t lap_ = 0;      // tokens before those of the lap around the ring that is being written
  Hash hash_;
  std::size_t run_ = 0;  // tokens inside the hash
  bool hash_is_current_ = true;
  std::vector<Position> positions_;
  std::vector<std::uint32_t> next_;  // the next occurrence of the same n-gram, if there is a window
  std::vector<Slot> slots_;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
