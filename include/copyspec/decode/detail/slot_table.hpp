// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Slots of sequences by id and, in the order in which they were added, by place. A slot stays where it is in memory
/// until it is removed, and, while slots are pinned, until `compact`. `Slot` has `sequence`, `number` and `removed` as
/// `SequenceSlot` has them.
///
/// O(1), unless stated otherwise. Allocates in `add` and `rename` only. Threads: one call at a time.
template <class Slot>
class SlotTable {
 public:
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

  /// Number of sequences that are there.
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  /// Number of places. After `compact`, and until a slot is removed, that is the number of sequences.
  [[nodiscard]] std::size_t places() const noexcept { return slots_.size(); }
  /// The slot at a place, or null if it was removed.
  [[nodiscard]] Slot* find_at(std::size_t place) const noexcept {
    Slot* const slot = slots_[place].get();
    return slot == nullptr || slot->removed ? nullptr : slot;
  }
  /// The slot at a place that was not removed.
  [[nodiscard]] Slot& operator[](std::size_t place) const noexcept { return *slots_[place]; }

  /// The place of `id`, or `none`. O(1).
  [[nodiscard]] std::size_t find(SequenceId id) const noexcept {
    auto const found = places_.find(id);
    return found == places_.end() ? none : found->second;
  }

  /// The slot of `id`, which must exist.
  [[nodiscard]] Slot& at(SequenceId id) const noexcept {
    std::size_t const place = find(id);
    COPYSPEC_ASSERT(place != none, "no such sequence");
    return *slots_[place];
  }

  /// Adds a slot under an id that is new, and gives it a number greater than all before. If it throws, nothing has
  /// changed.
  void add(std::unique_ptr<Slot> slot) {
    if (slots_.size() == slots_.capacity()) slots_.reserve(2 * slots_.size() + 1);
    places_.emplace(slot->sequence.id(), slots_.size());
    slot->number = numbers_++;
    slots_.push_back(std::move(slot));
  }

  /// Changes the id of a sequence to a new one. If it throws, nothing has changed.
  void rename(SequenceId from, SequenceId to) {
    std::size_t const place = find(from);
    COPYSPEC_ASSERT(place != none && find(to) == none, "a sequence moves to an id that is new");
    places_.emplace(to, place);
    places_.erase(from);
    slots_[place]->sequence.rename(to);
  }

  /// Removes a slot, at once or, if slots are pinned, with the next `compact`. O(1).
  void remove(std::size_t place) noexcept {
    places_.erase(slots_[place]->sequence.id());
    slots_[place]->removed = true;
    if (!pinned_) slots_[place].reset();
    compact_ = false;
  }

  /// While slots are pinned, none is destroyed.
  void pin(bool pinned) noexcept { pinned_ = pinned; }
  [[nodiscard]] bool pinned() const noexcept { return pinned_; }

  /// Closes the gaps that removed slots left. O(sequences) if there are any.
  void compact() noexcept {
    COPYSPEC_ASSERT(!pinned_, "a callback of `emit` must not run passes");
    if (std::exchange(compact_, true)) return;
    std::erase_if(slots_, [](auto const& slot) { return slot == nullptr || slot->removed; });
    for (std::size_t i = 0; i < slots_.size(); ++i) places_.find(slots_[i]->sequence.id())->second = i;
  }

  /// Calls `visit(slot)` for each sequence.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t i = 0; i < slots_.size(); ++i)
      if (Slot* const slot = find_at(i)) visit(*slot);
  }

 private:
  std::vector<std::unique_ptr<Slot>> slots_;  // null, or marked, where one was removed
  std::unordered_map<SequenceId, std::size_t> places_;
  std::uint64_t numbers_ = 1;  // of the next slot
  bool compact_ = true;
  bool pinned_ = false;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
