// SPDX-License-Identifier: MIT
#include <copyspec/lookup/detail/position_ring.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"

using copyspec::detail::PositionRing;

namespace {

// What a ring keeps, as a map of the positions that are held.
struct Kept {
  std::uint32_t slot = 0;
  std::uint32_t previous = 0;
  std::uint32_t next = 0;
};
using Plain = std::map<std::size_t, Kept>;

void check_same(PositionRing const& ring, Plain const& plain) {
  REQUIRE(ring.size() - ring.evicted() == plain.size());
  for (auto const& [position, kept] : plain) {
    REQUIRE(position > ring.evicted());
    REQUIRE(position <= ring.size());
    REQUIRE(ring[position].slot == kept.slot);
    REQUIRE(ring[position].previous == kept.previous);
    if (ring.has_window()) REQUIRE(ring.next(position) == kept.next);
  }
}

std::uint32_t any(Random& random) {
  return static_cast<std::uint32_t>(random());
}

}  // namespace

TEST_CASE("any order of appending, taking away at both ends, growing and beginning elsewhere agrees with a map") {
  Random random(1);
  for (std::size_t const window : {0U, 1U, 2U, 5U, 64U}) {
    for (int round = 0; round < 50; ++round) {
      PositionRing ring(window);
      Plain plain;
      for (int step = 0; step < 500; ++step) {
        std::size_t const what = below(random, 100);
        if (what < 60) {
          if (ring.is_full()) {
            ring.evict();
            plain.erase(plain.begin());
          }
          std::size_t const wanted = std::min(ring.size() + 1, ring.window());
          if (wanted > ring.capacity()) ring.reserve(std::min(wanted + below(random, 20), ring.window()));
          Kept const kept{.slot = any(random), .previous = any(random), .next = any(random)};
          ring.push({.slot = kept.slot, .previous = kept.previous});
          if (ring.has_window()) ring.set_next(ring.size(), kept.next);
          plain[ring.size()] = kept;
        } else if (what < 80 && !plain.empty()) {
          plain.erase(ring.size());
          ring.pop();
        } else if (what < 90 && !plain.empty() && ring.has_window()) {
          ring.evict();
          plain.erase(plain.begin());
        } else if (what < 98 && !plain.empty()) {
          std::size_t const position = ring.evicted() + 1 + below(random, plain.size());
          plain[position].slot = any(random);
          ring[position].slot = plain[position].slot;
        } else if (what == 99 && ring.has_window()) {
          ring.begin_at(below(random, 1000));
          if (ring.capacity() < ring.window()) ring.reserve(ring.window());
          plain.clear();
        }
        check_same(ring, plain);
      }
    }
  }
}

TEST_CASE("a ring is full when it holds its window, and an array never is") {
  PositionRing ring(3);
  PositionRing array(0);
  ring.reserve(3);
  array.reserve(10);
  CHECK(ring.has_window());
  CHECK_FALSE(array.has_window());
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(ring.is_full() == (i >= 3));
    if (ring.is_full()) ring.evict();
    ring.push({});
    array.push({});
    CHECK_FALSE(array.is_full());
  }
  CHECK(ring.size() == 10);
  CHECK(ring.evicted() == 7);
  CHECK(array.evicted() == 0);
}

TEST_CASE("a record that was never written names no slot and no other position") {
  PositionRing::Record const record;
  CHECK(record.slot == PositionRing::no_slot);
  CHECK(record.previous == 0);
}

TEST_CASE("memory is 8 bytes a position reserved, with a window 12, and a full ring goes on without more") {
  PositionRing array(0);
  CHECK(array.memory_bytes() == 0);
  array.reserve(1000);
  CHECK(array.memory_bytes() == 8000);
  PositionRing ring(100);
  ring.reserve(100);
  CHECK(ring.memory_bytes() == 1200);
  std::size_t const before = allocations();
  for (std::size_t i = 0; i < 1000; ++i) {
    if (ring.is_full()) ring.evict();
    ring.push({});
  }
  CHECK(allocations() == before);
}
