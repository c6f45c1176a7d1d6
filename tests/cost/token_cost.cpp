// SPDX-License-Identifier: MIT
#include <copyspec/cost/token_cost.hpp>

#include <doctest/doctest.h>

using copyspec::TokenCost;

TEST_CASE("a token costs what plain decoding takes until a step was seen") {
  TokenCost const cost;
  CHECK(cost(1.0) == 1.0);
  CHECK(cost(0.25) == 0.25);
}

TEST_CASE("steps add up: their cost by their tokens") {
  TokenCost cost;
  cost.observe(4, 2.0);
  CHECK(cost(1.0) == doctest::Approx(0.5));
  cost.observe(1, 1.0);
  CHECK(cost(1.0) == doctest::Approx((0.98 * 2 + 1) / (0.98 * 4 + 1)));
}

TEST_CASE("it is never more than plain decoding takes") {
  TokenCost cost;
  cost.observe(1, 3.0);
  CHECK(cost(1.0) == 1.0);
}

TEST_CASE("it follows a text that changes, in some fifty steps") {
  TokenCost cost;
  for (int step = 0; step < 1000; ++step) cost.observe(10, 1.0);
  CHECK(cost(1.0) == doctest::Approx(0.1));
  for (int step = 0; step < 50; ++step) cost.observe(1, 1.0);
  // What was before has still a third of its steps, and they said ten times as much.
  CHECK(cost(1.0) > 0.2);
  for (int step = 0; step < 250; ++step) cost.observe(1, 1.0);
  CHECK(cost(1.0) > 0.95);
}
