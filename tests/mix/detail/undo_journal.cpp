// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/undo_journal.hpp>

#include <doctest/doctest.h>

#include <cstddef>

#include "support/allocation_counter.hpp"

using Journal = copyspec::detail::UndoJournal<std::size_t>;

TEST_CASE("the newest changes come back in reverse order, as many as there is room for") {
  Journal journal;
  CHECK_FALSE(journal.has_room());
  CHECK(journal.size() == 0);
  journal.reserve();
  std::size_t const before = allocations();
  for (std::size_t i = 0; i < 200; ++i) journal.push() = i;
  CHECK(journal.size() == Journal::capacity);
  for (std::size_t i = 0; i < 10; ++i) CHECK(journal.pop() == 199 - i);
  journal.push() = 1000;
  CHECK(journal.pop() == 1000);
  for (std::size_t i = 10; i < Journal::capacity; ++i) CHECK(journal.pop() == 199 - i);
  CHECK(journal.size() == 0);
  journal.push() = 7;
  journal.clear();
  CHECK(journal.size() == 0);
  CHECK(allocations() == before);
  CHECK(journal.memory_bytes() == Journal::capacity * sizeof(std::size_t));
}
