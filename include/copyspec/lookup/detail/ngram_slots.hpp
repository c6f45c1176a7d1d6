// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A hash table with linear probing. It has a slot for each distinct n-gram, with its oldest and its newest occurrence.
/// The table identifies n-grams by a tag of 32 bits; its caller compares their tokens.
///
/// Slots are freed in one of two ways. In the reverse order of their use, a slot is emptied in place, and the table is
/// exactly as before, without tombstones. In any other order, `erase` moves other slots up. That needs a table
/// constructed with `blocks`: searches then wrap around in blocks of `max_probes` slots, so that moving ends within a
/// block.
///
/// Cost: O(1); at most `max_probes` slots are looked at. Memory: 18 bytes for each n-gram of room; with blocks, up to 3
/// KiB more. Allocates in `make_room` only. Threads: one call at a time; `const` calls may run together.
class NgramSlots {
 public:
  /// The result of a search that finds no slot.
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  /// At a load of 2/3 an unsuccessful search looks at 5 slots on average. Runs of this length do not occur by chance.
  static constexpr std::size_t max_probes = 256;

  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t oldest = 0;
    std::uint32_t newest = 0;  ///< Zero if the slot is empty.
  };

  explicit NgramSlots(bool blocks) : blocks_(blocks) {}

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return slots_.capacity() * sizeof(Slot); }

  [[nodiscard]] Slot& operator[](std::size_t index) noexcept { return slots_[index]; }
  [[nodiscard]] Slot const& operator[](std::size_t index) const noexcept { return slots_[index]; }

  /// Empties the table and makes room for `ngrams`. Returns the old slots.
  std::vector<Slot> make_room(std::size_t ngrams) {
    return std::exchange(slots_, std::vector<Slot>(slots_for(ngrams)));
  }

  /// The slot with `tag` for which `is_equal(newest)`, or else the first empty one. `none` if none of `max_probes`
  /// slots is either.
  template <class IsEqual>
  [[nodiscard]] std::uint32_t find(std::uint32_t tag, IsEqual const& is_equal) const noexcept {
    std::size_t index = home(tag);
    for (std::size_t probe = 0; probe < max_probes; ++probe) {
      Slot const& slot = slots_[index];
      if (slot.newest == 0 || (slot.tag == tag && is_equal(slot.newest))) return static_cast<std::uint32_t>(index);
      index = after(index);
    }
    return none;
  }

  /// Empties a slot of a table with blocks, and moves up later slots that a search would no longer reach. Calls
  /// `moved(slot, index)` for each, with its new index.
  template <class Moved>
  void erase(std::size_t index, Moved const& moved) noexcept {
    auto const distance = [](std::size_t from, std::size_t to) { return (to - from) % max_probes; };
    std::size_t hole = index;
    for (std::size_t i = after(index); i != index && slots_[i].newest != 0; i = after(i)) {
      Slot const slot = slots_[i];
      if (distance(home(slot.tag), i) < distance(hole, i)) continue;
      slots_[hole] = slot;
      moved(slot, static_cast<std::uint32_t>(hole));
      hole = i;
    }
    slots_[hole] = {};
  }

 private:
  [[nodiscard]] std::size_t slots_for(std::size_t ngrams) const noexcept {
    std::size_t const slots = ngrams + ngrams / 2 + 1;
    return blocks_ ? (slots + max_probes - 1) / max_probes * max_probes : slots;
  }

  // The slot that a search looks at after `index`.
  [[nodiscard]] std::size_t after(std::size_t index) const noexcept {
    ++index;
    if (blocks_) return index % max_probes == 0 ? index - max_probes : index;
    return index == slots_.size() ? 0 : index;
  }

  // Takes the high bits of a product instead of a remainder, so that the number of slots need not be a power of two.
  [[nodiscard]] std::size_t home(std::uint32_t tag) const noexcept {
    return static_cast<std::size_t>((std::uint64_t{tag} * slots_.size()) >> 32);
  }

  bool blocks_;
  std::vector<Slot> slots_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
