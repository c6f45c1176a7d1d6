// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/reading_budget.hpp>

#include <doctest/doctest.h>

using copyspec::detail::ReadingBudget;

TEST_CASE("what is unread is read once the gains passed up come to its cost") {
  ReadingBudget budget;
  int steps = 1;
  while (!budget.affords(0.375, 1.0, 0)) ++steps;
  CHECK(steps == 4);
  budget.spend();
  CHECK_FALSE(budget.affords(0.15, 1.0, 0));
  // Nothing to read: at once.
  CHECK(ReadingBudget().affords(0.01, 0, 0));
}

TEST_CASE("what turns usually gain counts as far as this turn has not had it") {
  ReadingBudget budget;
  CHECK(budget.affords(0.15, 1.0, 1.0));
  ReadingBudget poor;
  CHECK_FALSE(poor.affords(0.15, 1.0, 0.5));
  CHECK(poor.end_turn() == doctest::Approx(0.1));
  CHECK(poor.end_turn() == 0);
}
