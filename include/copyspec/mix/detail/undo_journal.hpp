// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What the newest changes were, up to `capacity` of them, so that they can be undone in reverse order. Older ones are
/// forgotten.
///
/// O(1) a call. Memory: `capacity` entries. Allocates in `reserve` only. Threads: one call at a time.
template <class Entry>
class UndoJournal {
 public:
  static constexpr std::size_t capacity = 64;

  /// Makes room. If that fails, nothing is changed.
  void reserve() {
    if (entries_.empty()) entries_ = std::vector<Entry>(capacity);
  }

  /// Whether room was made.
  [[nodiscard]] bool has_room() const noexcept { return !entries_.empty(); }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return entries_.capacity() * sizeof(Entry); }

  /// How many changes can be undone.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  void clear() noexcept { size_ = 0; }

  /// The entry of a new change, to be written; it has what an older entry left. Requires `reserve`.
  [[nodiscard]] Entry& push() noexcept {
    COPYSPEC_ASSERT(has_room(), "call reserve first");
    end_ = (end_ + 1) % capacity;
    size_ = std::min(size_ + 1, capacity);
    return entries_[end_];
  }

  /// Removes the newest change and returns its entry, valid until the next `push`. Requires one.
  [[nodiscard]] Entry const& pop() noexcept {
    COPYSPEC_ASSERT(size_ > 0, "there is a change");
    Entry const& entry = entries_[end_];
    end_ = (end_ + capacity - 1) % capacity;
    --size_;
    return entry;
  }

 private:
  std::vector<Entry> entries_;  // a ring
  std::size_t end_ = 0;         // index of the newest
  std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
