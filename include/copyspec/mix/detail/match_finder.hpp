// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/version.hpp"
#include "../../detail/relaxed.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Maps keys to the positions where they were entered, newest first: the hash chains of an LZ77 match finder (Deutsch,
/// RFC 1951, 1996), over a sliding window.
///
///     heads_   home of key -> newest position
///     links_   position    -> how far back the previous one of the same home is
///
/// A key is any 64-bit hash of the tokens before a position (`ContextHashes::three`, say). Keys may share a home, so a
/// position found is only a candidate: compare the tokens. No position outside the window is returned. Each is less
/// than the one before it, so a walk along a chain ends.
///
/// O(1) per call, unless stated otherwise. Memory: 10 bytes per position of capacity. Allocates in `reserve` only.
/// Threads: one call of `enter` at a time, beside any number of `newest` and `previous`, which may then miss what is
/// being entered. All other calls, copies and assignments need exclusive access.
class MatchFinder {
 public:
  /// What an `enter` will change.
  class Change {
    friend class MatchFinder;
    std::uint64_t last_ = 0;
    std::uint32_t head_ = 0;
    std::uint32_t link_ = 0;
  };

  /// Size of the window in positions, up to the last one entered.
  [[nodiscard]] std::size_t capacity() const noexcept { return links_.size(); }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return (heads_.capacity() + links_.capacity()) * sizeof(std::uint32_t);
  }

  /// An upper bound on `memory_bytes` for a window of `positions`.
  [[nodiscard]] static constexpr std::size_t memory_bytes(std::size_t positions) noexcept {
    return (heads_for(positions) + positions) * sizeof(std::uint32_t);
  }

  /// Makes the window hold at least `positions`, at most 2^31. Forgets everything if it has to grow. If allocation
  /// fails, nothing is changed. O(positions).
  void reserve(std::size_t positions) {
    COPYSPEC_ASSERT(positions <= max_positions, "a window holds at most 2^31 positions");
    if (positions <= capacity()) return;
    std::vector<std::uint32_t> links(positions);
    std::vector<std::uint32_t> heads(heads_for(positions));
    links_ = std::move(links);
    heads_ = std::move(heads);
    last_ = 0;
  }

  /// Forgets everything. O(capacity).
  void clear() noexcept {
    std::ranges::fill(heads_, 0);
    std::ranges::fill(links_, 0);
    last_ = 0;
  }

  /// Enters `key` at `position`, which is greater than all positions entered before. Requires `reserve`.
  void enter(std::uint64_t key, std::size_t position) noexcept {
    COPYSPEC_ASSERT(position > last_, "positions are entered in ascending order, from 1 on");
    COPYSPEC_ASSERT(capacity() > 0, "call reserve first");
    std::uint32_t& head = heads_[home(key)];
    store_relaxed(last_, std::uint64_t{position});
    std::size_t const earlier = newest(key);
    store_relaxed(links_[place(position)], earlier == 0 ? 0 : static_cast<std::uint32_t>(position - earlier));
    store_relaxed(head, static_cast<std::uint32_t>(position));
  }

  /// What `enter(key, position)` will change, for `undo`. Requires `reserve`.
  [[nodiscard]] Change change_of(std::uint64_t key, std::size_t position) const noexcept {
    Change change;
    change.last_ = last_;
    change.head_ = heads_[home(key)];
    change.link_ = links_[place(position)];
    return change;
  }

  /// Restores what was before `enter(key, position)`, the newest that was not undone. `change` is what `change_of` said
  /// of it. Requires: no `clear` and no growth since.
  void undo(std::uint64_t key, std::size_t position, Change const& change) noexcept {
    heads_[home(key)] = change.head_;
    links_[place(position)] = change.link_;
    last_ = change.last_;
  }

  /// The newest position in the window where `key` may have been entered; 0 if there is none. Requires `reserve`.
  [[nodiscard]] std::size_t newest(std::uint64_t key) const noexcept {
    COPYSPEC_ASSERT(capacity() > 0, "call reserve first");
    std::uint32_t const head = load_relaxed(heads_[home(key)]);
    std::uint64_t const last = load_relaxed(last_);
    return back(last, last, static_cast<std::uint32_t>(last) - head);
  }

  /// The next older position of the same home; 0 if there is none. `position` is one returned before.
  [[nodiscard]] std::size_t previous(std::size_t position) const noexcept {
    std::uint32_t const link = load_relaxed(links_[place(position)]);
    return link == 0 ? 0 : back(load_relaxed(last_), position, link);
  }

 private:
  static constexpr std::size_t max_positions = std::size_t{1} << 31;

  static constexpr std::size_t heads_for(std::size_t positions) noexcept { return positions + positions / 2 + 1; }

  // The position `distance` before `position`, if the window that ends at `last` contains it. A negative result wraps
  // to more than `last`.
  [[nodiscard]] std::size_t back(std::uint64_t last, std::uint64_t position, std::uint32_t distance) const noexcept {
    std::uint64_t const found = position - distance;
    return found <= last && last - found < capacity() ? static_cast<std::size_t>(found) : 0;
  }

  [[nodiscard]] std::size_t home(std::uint64_t key) const noexcept {
    return static_cast<std::size_t>(((key >> 32) * heads_.size()) >> 32);
  }

  // If everything fits, as for one sequence, there is nothing to divide.
  [[nodiscard]] std::size_t place(std::size_t position) const noexcept {
    return position < capacity() ? position : position % capacity();
  }

  std::vector<std::uint32_t> heads_;  // the lower halves of positions
  std::vector<std::uint32_t> links_;  // by position, modulo the capacity
  std::uint64_t last_ = 0;            // the position entered last
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
