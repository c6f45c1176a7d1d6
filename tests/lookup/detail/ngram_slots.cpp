// SPDX-License-Identifier: MIT
#include <copyspec/lookup/detail/ngram_slots.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "support/copying_text.hpp"

using copyspec::detail::NgramSlots;

namespace {

// An n-gram is a tag and a number that tells it from others of that tag; the newest occurrence names it.
using Ngram = std::pair<std::uint32_t, std::uint32_t>;

class Table {
 public:
  Table(bool blocks, std::size_t room) : slots(blocks) { static_cast<void>(slots.make_room(room)); }

  [[nodiscard]] std::uint32_t find(Ngram const& ngram) const {
    return slots.find(ngram.first, [&](std::uint32_t newest) { return names.at(newest) == ngram; });
  }

  // Where it was entered; `none` if there is no place.
  std::uint32_t enter(Ngram const& ngram) {
    std::uint32_t const index = find(ngram);
    if (index == NgramSlots::none) return index;
    REQUIRE(slots[index].newest == 0);
    names[++last] = ngram;
    slots[index] = {.tag = ngram.first, .oldest = last, .newest = last};
    return index;
  }

  NgramSlots slots;
  std::map<std::uint32_t, Ngram> names;
  std::uint32_t last = 0;
};

std::vector<std::uint32_t> newest_of(NgramSlots const& slots, std::size_t count) {
  std::vector<std::uint32_t> newest;
  for (std::size_t i = 0; i < count; ++i) newest.push_back(slots[i].newest);
  return newest;
}

// Few different homes, so that n-grams are in one another's way.
Ngram any_ngram(Random& random, std::uint32_t spread) {
  auto const part = static_cast<std::uint32_t>(below(random, spread));
  return {0xffffffffU / spread * part, static_cast<std::uint32_t>(below(random, 40))};
}

}  // namespace

TEST_CASE("slots given back in the reverse order leave the table as it was") {
  Random random(1);
  std::size_t const room = 100;
  for (int round = 0; round < 50; ++round) {
    Table table(false, room);
    std::vector<std::uint32_t> taken;
    std::vector<std::vector<std::uint32_t>> states;
    for (std::size_t i = 0; i < room; ++i) {
      Ngram const ngram = any_ngram(random, 10);
      std::uint32_t const found = table.find(ngram);
      REQUIRE(found != NgramSlots::none);
      if (table.slots[found].newest != 0) continue;
      states.push_back(newest_of(table.slots, room + room / 2 + 1));
      taken.push_back(table.enter(ngram));
    }
    for (; !taken.empty(); taken.pop_back(), states.pop_back()) {
      table.slots[taken.back()] = {};
      REQUIRE(newest_of(table.slots, room + room / 2 + 1) == states.back());
    }
  }
}

TEST_CASE("any order of entering and erasing agrees with a map, and each slot that moves is told") {
  Random random(2);
  std::size_t moves = 0;
  for (int round = 0; round < 30; ++round) {
    std::size_t const room = 300 + below(random, 300);
    auto const spread = static_cast<std::uint32_t>(1 + below(random, 20));
    Table table(true, room);
    std::map<Ngram, std::uint32_t> where;
    for (int step = 0; step < 2000; ++step) {
      Ngram const ngram = any_ngram(random, spread);
      auto const known = where.find(ngram);
      std::uint32_t const found = table.find(ngram);
      if (known == where.end()) {
        // Fewer than a search looks at are entered for each home, or it finds no place.
        if (found == NgramSlots::none) continue;
        REQUIRE(table.slots[found].newest == 0);
        if (where.size() < room) where[ngram] = table.enter(ngram);
        continue;
      }
      REQUIRE(found == known->second);
      if (below(random, 2) == 0) continue;
      where.erase(known);
      table.slots.erase(found, [&](NgramSlots::Slot const& slot, std::uint32_t now) {
        where.at(table.names.at(slot.newest)) = now;
        ++moves;
      });
    }
    for (auto const& [ngram, index] : where) {
      REQUIRE(table.slots[index].tag == ngram.first);
      REQUIRE(table.find(ngram) == index);
    }
  }
  CHECK(moves > 1000);
}

TEST_CASE("no more than a bounded number of slots is looked at, and then nothing is found") {
  for (bool const blocks : {false, true}) {
    CAPTURE(blocks);
    Table table(blocks, 1000);
    std::uint32_t entered = 0;
    while (table.enter({1U << 31, entered}) != NgramSlots::none) ++entered;
    CHECK(entered == NgramSlots::max_probes);
    CHECK(table.find({1U << 31, 0}) != NgramSlots::none);
    CHECK(table.find({1U << 31, entered}) == NgramSlots::none);
    std::size_t compared = 0;
    static_cast<void>(table.slots.find(1U << 31, [&](std::uint32_t) {
      ++compared;
      return false;
    }));
    CHECK(compared == NgramSlots::max_probes);
  }
}

TEST_CASE("with blocks a search stays within its block, without them it goes around the table") {
  // Homes in the last slots.
  std::uint32_t const last = 0xffffffffU;
  Table table(false, 100);
  CHECK(table.enter({last, 0}) == 150);
  CHECK(table.enter({last, 1}) == 0);
  Table blocks(true, 1000);
  CHECK(blocks.enter({last, 0}) == 6 * NgramSlots::max_probes - 1);
  CHECK(blocks.enter({last, 1}) == 5 * NgramSlots::max_probes);
}

TEST_CASE("making room gives the slots that were there, and leaves a table that is empty") {
  Table table(false, 10);
  std::uint32_t const index = table.enter({7, 1});
  auto const old = table.slots.make_room(1000);
  REQUIRE(old.size() == 16);
  CHECK(old[index].tag == 7);
  CHECK(old[index].newest == 1);
  CHECK(table.slots[table.find({7, 1})].newest == 0);
  CHECK(table.slots.memory_bytes() == 12 * 1501);
  Table blocks(true, 1);
  CHECK(blocks.slots.memory_bytes() == 12 * NgramSlots::max_probes);
}
