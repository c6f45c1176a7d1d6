// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What an n-gram index keeps for each position of a sequence. Positions count from one. Each has a record, and with a
/// window the next occurrence of the n-gram that ends there. Without a window it is a plain array; with one, a ring of
/// the newest `window` positions.
///
///     window 4    index        0    1    2    3
///                 position     5    6    3    4        lap 4: positions 5 and 6 were written over 1 and 2
///
/// Positions leave at both ends: the newest by `pop`, the oldest by `evict`. An evicted position does not come back.
///
/// Cost: O(1), except `reserve`. Memory: 8 bytes for each position reserved, 12 with a window. Allocates in `reserve`
/// only. Threads: one call at a time; `const` calls may run together.
class PositionRing {
 public:
  static constexpr std::uint32_t no_slot = std::numeric_limits<std::uint32_t>::max();

  /// With a window, slots move. `slot` is then valid only for the oldest and the newest occurrence of an n-gram; it is
  /// not read for those in between.
  struct Record {
    std::uint32_t slot = no_slot;
    std::uint32_t previous = 0;  ///< The previous occurrence; zero is none.
  };

  /// A window of zero is no window. Allocates nothing.
  explicit PositionRing(std::size_t window) : window_(window == 0 ? unlimited : window) {}

  [[nodiscard]] bool has_window() const noexcept { return window_ != unlimited; }
  /// Maximum number of positions held; without a window, the largest `std::size_t`.
  [[nodiscard]] std::size_t window() const noexcept { return window_; }
  /// The newest position, held or not.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The newest position that was evicted. Later positions are held.
  [[nodiscard]] std::size_t evicted() const noexcept { return evicted_; }
  /// Number of positions that there is room for.
  [[nodiscard]] std::size_t capacity() const noexcept { return records_.size(); }
  [[nodiscard]] bool is_full() const noexcept { return size_ - evicted_ == window_; }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return records_.capacity() * sizeof(Record) + next_.capacity() * sizeof(std::uint32_t);
  }

  /// Makes room for `positions`, more than the capacity and at most the window.
  void reserve(std::size_t positions) {
    if (has_window()) resize(next_, positions);
    resize(records_, positions);
  }

  /// The record of a position that is held.
  [[nodiscard]] Record& operator[](std::size_t position) noexcept { return records_[at(position)]; }
  [[nodiscard]] Record const& operator[](std::size_t position) const noexcept { return records_[at(position)]; }

  /// The next occurrence of the n-gram that ends at a position, as set. Only with a window.
  [[nodiscard]] std::uint32_t next(std::size_t position) const noexcept { return next_[at(position)]; }
  void set_next(std::size_t position, std::uint32_t next) noexcept { next_[at(position)] = next; }

  /// Appends the position after `size()`, for which there is room.
  void push(Record const& record) noexcept {
    COPYSPEC_ASSERT(!is_full(), "evict makes room in the window");
    if (size_ - lap_ == window_) lap_ = size_;
    records_[at(size_ + 1)] = record;
    ++size_;
  }

  /// Removes the newest position, which is held.
  void pop() noexcept { --size_; }

  /// Removes the oldest position that is held.
  void evict() noexcept { ++evicted_; }

  /// Continues after `size` positions, none of which is held.
  void begin_at(std::size_t size) noexcept { size_ = evicted_ = lap_ = size; }

 private:
  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

  [[nodiscard]] std::size_t at(std::size_t position) const noexcept {
    if (!has_window()) return position - 1;
    std::size_t const index = position - 1 - lap_;
    return index < window_ ? index : index + window_;
  }

  template <class Element>
  static void resize(std::vector<Element>& elements, std::size_t size) {
    elements.reserve(size);  // unlike resize, allocates no more than asked for
    elements.resize(size);
  }

  std::size_t window_;
  std::size_t size_ = 0;
  std::size_t evicted_ = 0;
  std::size_t lap_ = 0;  // number of positions before the current lap around the ring
  std::vector<Record> records_;
  std::vector<std::uint32_t> next_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
