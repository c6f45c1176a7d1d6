// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/truncation_cursor.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

using copyspec::detail::TruncationCursor;

namespace {

// As much of a slot as a cursor looks at.
struct Slot {
  struct Sequence {
    bool due = false;
    bool runs = true;
    [[nodiscard]] bool needs_truncate() const { return due; }
    [[nodiscard]] bool running() const { return runs; }
  } sequence;
};

struct Slots {
  std::vector<Slot> slots;
  std::size_t* looks = nullptr;
  [[nodiscard]] std::size_t places() const { return slots.size(); }
  [[nodiscard]] Slot const& operator[](std::size_t place) const {
    if (looks != nullptr) ++*looks;
    return slots[place];
  }
};

Slots some(std::vector<Slot::Sequence> const& sequences) {
  Slots slots;
  for (auto const& sequence : sequences) slots.slots.push_back({sequence});
  return slots;
}

constexpr std::size_t none = TruncationCursor::none;

// All that are asked for, each answered.
std::vector<std::size_t> all(TruncationCursor& cursor, Slots& slots, std::vector<std::size_t> const& fed) {
  std::vector<std::size_t> asked;
  for (std::size_t place; (place = cursor.next(slots, fed)) != none;) {
    CHECK(cursor.asked() == place);
    asked.push_back(place);
    slots.slots[place].sequence.due = false;
    cursor.answered();
    CHECK(cursor.asked() == none);
  }
  return asked;
}

using Places = std::vector<std::size_t>;

}  // namespace

TEST_CASE("between passes, running sequences are asked for, in order") {
  TruncationCursor cursor;
  Slots slots = some({{.due = true}, {.due = false}, {.due = true, .runs = false}, {.due = true}});
  CHECK(all(cursor, slots, {2, 1}) == Places{0, 3});
  CHECK(cursor.next(slots, {}) == none);
}

TEST_CASE("after a pass its sequences come first, ended or not, and then the others") {
  TruncationCursor cursor;
  Slots slots = some({{.due = true}, {.due = true, .runs = false}, {.due = true}, {.due = true, .runs = false}});
  cursor.restart_after_pass();
  CHECK(all(cursor, slots, {2, 1}) == Places{2, 1, 0});
  // The end of that pass was told once.
  slots = some({{.due = true, .runs = false}});
  CHECK(all(cursor, slots, {0}).empty());
}

TEST_CASE("a restart forgets the pass") {
  TruncationCursor cursor;
  Slots slots = some({{.due = true, .runs = false}, {.due = true}});
  cursor.restart_after_pass();
  cursor.restart();
  CHECK(all(cursor, slots, {0}) == Places{1});
}

TEST_CASE("a request without an answer is made again, from the first") {
  TruncationCursor cursor;
  Slots slots = some({{.due = false}, {.due = true}, {.due = true}});
  CHECK(cursor.next(slots, {}) == 1);
  CHECK(cursor.restart_if_unanswered());
  CHECK(cursor.asked() == none);
  CHECK_FALSE(cursor.restart_if_unanswered());
  slots.slots[0].sequence.due = true;
  CHECK(all(cursor, slots, {}) == Places{0, 1, 2});
}

TEST_CASE("sequences that were seen are not looked at again for each of the others") {
  std::size_t looks = 0;
  Slots slots = some(std::vector<Slot::Sequence>(1000, {.due = true}));
  slots.looks = &looks;
  TruncationCursor cursor;
  CHECK(all(cursor, slots, {}).size() == 1000);
  CHECK(looks < 5000);
}
