// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "detail/ngram_slots.hpp"
#include "detail/position_ring.hpp"
#include "rolling_hash.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Where an n-gram occurred before. Each value is the position after an occurrence, so the first token to copy is
/// `tokens[position]`.
struct Occurrences {
  std::size_t oldest = 0;
  std::size_t newest = 0;
};

/// Finds earlier occurrences of the newest `length` tokens of one sequence. It is the match finder of an LZ77
/// compressor, run on tokens, for matches of one length.
///
///     tokens_    a  b  c  x  a  b  c  y  a  b  c        (borrowed: the caller passes them in)
///                      |           |           |
///     ring_            3 <-------- 7 <-------- 11       previous occurrence of the same n-gram, and its slot
///                      ^                       ^
///     slots_     [ tag(abc), oldest 3,   newest 11 ]    one per distinct n-gram, found by hash, linear probing
///
/// Appending and finding share one probe: the slot that a new n-gram is entered in also names its earlier occurrences,
/// so `find` only reads what the last append found. An n-gram is entered or found only if its tokens are equal; the
/// hash (a `RollingHash` or a type with its functions) only says where to look. Appends are undone in reverse order,
/// which restores a linearly probed table exactly, without tombstones.
///
/// With a window, only the n-grams that end at one of the newest `window` tokens are held. Each appended token evicts
/// the n-gram that ends `window` tokens before it. `oldest`, `newest` and `previous` refer to the held ones. `truncate`
/// does not bring back what was evicted.
///
/// Cost: O(1) for each appended and each forgotten token, in the worst case, for any context and window. Entering or
/// evicting an n-gram looks at no more than `max_probes` slots. An n-gram without a place among them is left out; with
/// this hash that takes an adversary. `find` is O(1). Memory: 26 bytes for each token reserved; with a window 30 bytes
/// for each of at most `window` tokens, and up to 3 KiB. Allocates in `reserve`, and in `extend` beyond what was
/// reserved. Throws only `std::bad_alloc`. Threads: one call at a time; `const` calls may run together.
template <class Hash = RollingHash>
class NgramIndex {
 public:
  /// Indexes n-grams of `length` >= 1 tokens that end at one of the newest `window` tokens; all n-grams if `window` is
  /// zero. Allocates nothing.
  explicit NgramIndex(std::size_t length, std::size_t window = 0)
      : length_(length), hash_(length), ring_(window), slots_(ring_.has_window()) {}

  [[nodiscard]] std::size_t length() const noexcept { return length_; }

  /// Number of tokens appended and not forgotten, held or not.
  [[nodiscard]] std::size_t size() const noexcept { return ring_.size(); }

  /// Number of tokens that there is room for, at most the window.
  [[nodiscard]] std::size_t capacity() const noexcept { return ring_.capacity(); }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return ring_.memory_bytes() + slots_.memory_bytes(); }

  /// Makes room for `tokens` tokens in all, so that `extend` up to there allocates nothing. If allocation fails, the
  /// index has no more room than before, and finds what it found. O(size() + tokens), each at most the window.
  void reserve(std::size_t tokens) {
    tokens = std::min(tokens, ring_.window());
    if (tokens <= ring_.capacity()) return;
    COPYSPEC_ASSERT(tokens <= max_tokens, "an index holds at most 2^31 tokens");
    rebuild(tokens);
    ring_.reserve(tokens);
  }

  /// Appends `tokens[size()..]`. The first `size()` tokens must be those appended before. If more than `window` are
  /// new, only the newest are read.
  void extend(std::span<Token const> tokens) {
    COPYSPEC_ASSERT(tokens.size() >= size(), "tokens were taken away without a truncate");
    COPYSPEC_ASSERT(tokens.size() <= max_tokens, "an index counts at most 2^31 tokens");
    if (tokens.size() > ring_.capacity()) make_room(tokens.size());
    if (!hash_is_current_) rehash(tokens.first(size()));
    while (size() < tokens.size()) append(tokens);
  }

  /// Forgets all but the first `length` tokens, as if the rest had never been appended, except that n-grams they
  /// evicted stay evicted. O(tokens forgotten), at most the window.
  void truncate(std::size_t length) noexcept {
    if (length >= size()) return;
    for (std::size_t const end = std::max(length, ring_.evicted()); size() > end; ring_.pop()) {
      Record const last = ring_[size()];
      if (last.slot == Ring::no_slot) continue;
      if (last.previous != 0) {
        slots_[last.slot].newest = last.previous;
        if (ring_.has_window()) ring_[last.previous].slot = last.slot;
      } else if (ring_.has_window()) {
        erase(last.slot);
      } else {
        slots_[last.slot] = {};
      }
    }
    if (length < ring_.evicted()) ring_.begin_at(length);
    hash_is_current_ = false;
  }

  /// Forgets everything and continues after the first `length` tokens, as if the n-grams that end there had been
  /// evicted. Without a window, `length` must be zero. O(tokens forgotten), at most the window.
  void begin_at(std::size_t length) noexcept {
    COPYSPEC_ASSERT(length == 0 || ring_.has_window(), "without a window everything is held");
    truncate(0);
    ring_.begin_at(length);
    hash_is_current_ = false;
  }

  /// Earlier occurrences of the newest n-gram, without the one that ends at the newest token. Nothing if there is none,
  /// if fewer than `length()` tokens were appended, or if the n-gram contains a negative token.
  [[nodiscard]] std::optional<Occurrences> find() const noexcept {
    if (size() == ring_.evicted()) return std::nullopt;
    Record const last = ring_[size()];
    if (last.previous == 0) return std::nullopt;
    return Occurrences{.oldest = slots_[last.slot].oldest, .newest = last.previous};
  }

  /// The occurrence before `position`, which `find` or this function returned; 0 if that was the oldest.
  [[nodiscard]] std::size_t previous(std::size_t position) const noexcept {
    COPYSPEC_ASSERT(position > ring_.evicted() && position <= size(), "a position that follows an occurrence");
    return ring_[position].previous;
  }

 private:
  using Ring = detail::PositionRing;
  using Slots = detail::NgramSlots;
  using Record = Ring::Record;
  static_assert(Ring::no_slot == Slots::none);

  static constexpr std::size_t max_tokens = std::size_t{1} << 31;

  // Makes room for `size` tokens in all, more than there are records.
  void make_room(std::size_t size) {
    if (size - this->size() > ring_.window()) begin_at(size - ring_.window());
    std::size_t const held = std::min(size - ring_.evicted(), ring_.window());
    if (held > ring_.capacity()) reserve(std::max(held, std::min(2 * ring_.capacity(), max_tokens)));
  }

  void append(std::span<Token const> tokens) {
    if (ring_.has_window() && ring_.is_full()) evict();
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
    ring_.push(run_ == length_ ? enter(tokens.first(end)) : Record{});
  }

  // Enters the n-gram at the end of `tokens`.
  Record enter(std::span<Token const> tokens) noexcept {
    auto const end = static_cast<std::uint32_t>(tokens.size());
    auto const tag = static_cast<std::uint32_t>(hash_.value() >> 32);
    std::uint32_t const index = slots_.find(tag, [&](std::size_t newest) { return equal(tokens, newest, end); });
    if (index == Slots::none) return {};
    Slots::Slot& slot = slots_[index];
    if (slot.newest == 0) {
      slot = {.tag = tag, .oldest = end, .newest = end};
      return {.slot = index, .previous = 0};
    }
    Record const entered{.slot = index, .previous = slot.newest};
    if (ring_.has_window()) ring_.set_next(slot.newest, end);
    slot.newest = end;
    return entered;
  }

  // Evicts the oldest position, which is the oldest occurrence of its n-gram.
  void evict() noexcept {
    std::size_t const oldest = ring_.evicted() + 1;
    std::uint32_t const index = ring_[oldest].slot;
    ring_.evict();
    if (index == Ring::no_slot) return;
    Slots::Slot& slot = slots_[index];
    if (slot.newest == slot.oldest) return erase(index);
    slot.oldest = ring_.next(oldest);
    ring_[slot.oldest] = {.slot = index, .previous = 0};
  }

  // Frees a slot in any order. Once an n-gram was evicted, slots are no longer freed in the reverse order of their use.
  void erase(std::uint32_t index) noexcept {
    slots_.erase(index, [&](Slots::Slot const& slot, std::uint32_t now) {
      ring_[slot.oldest].slot = ring_[slot.newest].slot = now;
    });
  }

  [[nodiscard]] bool equal(std::span<Token const> tokens, std::size_t a, std::size_t b) const noexcept {
    Token const* const first = tokens.data() + a - length_;
    return std::equal(first, first + length_, tokens.data() + b - length_);
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
  void rebuild(std::size_t tokens) {
    std::vector<Slots::Slot> const old = slots_.make_room(tokens);
    for (std::size_t i = ring_.evicted(); i < size(); ++i) {
      auto const end = static_cast<std::uint32_t>(i + 1);
      Record& record = ring_[end];
      if (record.slot == Ring::no_slot) continue;
      if (record.previous == 0) {
        std::uint32_t const tag = old[record.slot].tag;
        record.slot = slots_.find(tag, [](std::size_t) { return false; });
        if (record.slot != Slots::none) slots_[record.slot] = {.tag = tag, .oldest = end, .newest = end};
      } else {
        record.slot = ring_[record.previous].slot;
        if (record.slot != Ring::no_slot) slots_[record.slot].newest = end;
      }
      if (record.slot == Ring::no_slot) record.previous = 0;
    }
  }

  std::size_t length_;
  Hash hash_;
  std::size_t run_ = 0;  // tokens in the hash
  bool hash_is_current_ = true;
  detail::PositionRing ring_;
  detail::NgramSlots slots_;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
