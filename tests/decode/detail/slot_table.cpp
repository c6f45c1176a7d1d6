// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/slot_table.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/sequence.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "support/random.hpp"
#include "support/tokens.hpp"

using copyspec::Sequence;
using copyspec::SequenceId;
using copyspec_test::id;
using copyspec_test::Random;

namespace {

struct Slot {
  Sequence sequence;
  std::uint64_t number = 0;
  bool removed = false;
};

using Table = copyspec::detail::SlotTable<Slot>;

std::vector<Slot*> all_of(Table const& table) {
  std::vector<Slot*> slots;
  table.for_each([&](Slot& slot) { slots.push_back(&slot); });
  return slots;
}

}  // namespace

TEST_CASE("a table is what a list of slots in the order of their numbers says, whatever is added and removed") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Table table;
    std::vector<Slot*> plain;
    std::vector<SequenceId> ids;
    auto const place_of = [&](SequenceId wanted) {
      return static_cast<std::size_t>(std::ranges::find(ids, wanted) - ids.begin());
    };
    for (int step = 0; step < 200; ++step) {
      SequenceId const one = id(random.below(8));
      SequenceId const other = id(random.below(8));
      std::size_t const at = place_of(one);
      bool const known = at < ids.size();
      REQUIRE((table.find(one) != Table::none) == known);
      if (!known) {
        table.add(std::make_unique<Slot>(Slot{Sequence(one, 10)}));
        plain.push_back(&table.at(one));
        ids.push_back(one);
      } else if (random.one_in(3)) {
        table.remove(table.find(one));
        plain.erase(plain.begin() + static_cast<std::ptrdiff_t>(at));
        ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at));
      } else if (place_of(other) == ids.size()) {
        table.rename(one, other);
        ids[at] = other;
      }
      if (table.pinned() ? random.one_in(4) : random.one_in(20)) table.pin(!table.pinned());
      if (!table.pinned() && random.one_in(4)) {
        table.compact();
        REQUIRE(table.places() == ids.size());
        for (std::size_t i = 0; i < ids.size(); ++i) REQUIRE(&table[i] == plain[i]);
      }
      REQUIRE(table.size() == ids.size());
      REQUIRE(all_of(table) == plain);
      REQUIRE(std::ranges::is_sorted(plain, {}, &Slot::number));
      for (std::size_t i = 0; i < ids.size(); ++i) REQUIRE(&table.at(ids[i]) == plain[i]);
    }
  }
}

TEST_CASE("while slots are pinned, one that is removed is no longer found, and not destroyed") {
  Table table;
  table.add(std::make_unique<Slot>(Slot{Sequence(id(3), 10)}));
  Slot const& slot = table.at(id(3));
  table.pin(true);
  table.remove(0);
  CHECK(slot.removed);
  CHECK(slot.sequence.id() == id(3));
  CHECK(table.find(id(3)) == Table::none);
  CHECK(table.find_at(0) == nullptr);
  CHECK(table.size() == 0);
  CHECK(table.places() == 1);
  table.pin(false);
  table.compact();
  CHECK(table.places() == 0);
}
