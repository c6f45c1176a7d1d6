// SPDX-License-Identifier: MIT
#include <copyspec/cost/pass_cost.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

#include <copyspec/cost/detail/row_classes.hpp>
#include <copyspec/cost/draft_length.hpp>

#include "support/allocation_counter.hpp"

using copyspec::draft_length;
using copyspec::max_draft_tokens;
using copyspec::PassCost;
using copyspec::detail::RowClasses;

namespace {

void observe(PassCost& cost, std::size_t rows, double seconds, int times = 20) {
  for (int i = 0; i < times; ++i) cost.observe(rows, seconds);
}

bool same(PassCost const& a, PassCost const& b) {
  for (std::size_t rows = 1; rows <= 700; ++rows)
    if (a(rows) != b(rows) || a.seconds(rows) != b.seconds(rows) || a.observed(rows) != b.observed(rows)) return false;
  return true;
}

// The draft of text that is being copied.
std::size_t draft(PassCost const& cost) {
  return draft_length(std::vector<float>(max_draft_tokens, 0.999F), cost);
}

// 2 ms and 20 us a row up to 192 rows, and 10 ms more beyond.
double with_jump(std::size_t rows) {
  return 2e-3 + 2e-5 * static_cast<double>(rows - 1) + (rows > 192 ? 1e-2 : 0.0);
}

}  // namespace

TEST_CASE("passes of up to 512 rows are observed, each at the largest row count that is tracked with it") {
  CHECK(PassCost::most_rows == 512);
  for (std::size_t rows = 2; rows <= PassCost::most_rows; ++rows) {
    CAPTURE(rows);
    PassCost cost;
    observe(cost, 1, 1, 3);
    observe(cost, rows, 4, 3);
    std::size_t const largest = RowClasses::largest(RowClasses::of(rows));
    CHECK(cost.observed(largest) == 3);
    CHECK(cost(largest) == doctest::Approx(4));
    // No other row count was.
    CHECK((rows == largest || cost.observed(rows) == 0));
    for (std::size_t other = 2; other <= PassCost::most_rows + 100; ++other)
      REQUIRE((other == largest || cost.observed(other) == 0));
    // Fewer rows look cheap, and more go on from there.
    for (std::size_t fewer = 2; fewer < largest; ++fewer) REQUIRE(cost(fewer) < 4);
    CHECK(cost(largest + 1) > 4);
    CHECK(cost.added_at_most(largest - 1) >= 3);
  }
}

TEST_CASE("a pass between two row counts that are tracked counts as the larger") {
  PassCost between;
  PassCost larger;
  for (PassCost* const cost : {&between, &larger}) observe(*cost, 1, 1);
  for (std::size_t const rows : {65U, 66U, 79U, 80U}) {
    observe(between, rows, 3);
    observe(larger, 80, 3);
  }
  CHECK(same(between, larger));
  observe(between, 81, 5);
  observe(larger, 96, 5);
  CHECK(same(between, larger));
  observe(between, 449, 30);
  observe(larger, 512, 30);
  CHECK(same(between, larger));
  CHECK(larger.observed(80) == 80);
  CHECK(larger.observed(79) == 0);
  CHECK(larger(80) == doctest::Approx(3));
  CHECK(larger(96) == doctest::Approx(5));
  CHECK(larger(512) == doctest::Approx(30));
}

TEST_CASE("passes of more rows than are tracked say nothing") {
  PassCost cost;
  observe(cost, 1, 1);
  observe(cost, 512, 9);
  PassCost const before = cost;
  for (std::size_t const rows :
       {std::size_t{0}, std::size_t{513}, std::size_t{528}, std::size_t{1024}, ~std::size_t{0}})
    observe(cost, rows, 7);
  CHECK(same(cost, before));
  CHECK(cost.observed(513) == 0);
  CHECK(cost.observed(1024) == 0);
}

TEST_CASE(
    "beyond the last row count that was observed a row costs the average slope, or three quarters below 32 rows") {
  PassCost few;
  observe(few, 1, 1);
  observe(few, 31, 4);
  CHECK(few(41) == doctest::Approx(4 + 0.75 * 10 * 3 / 30));
  PassCost cost;
  observe(cost, 1, 1);
  observe(cost, 101, 6);
  // It counts as 112 rows.
  double const row = 5.0 / 111;
  CHECK(cost(112) == doctest::Approx(6));
  for (std::size_t const rows : {113U, 200U, 512U, 513U, 5000U})
    CHECK(cost(rows) == doctest::Approx(6 + row * static_cast<double>(rows - 112)));
  // When it is forgotten, so is what comes after it.
  for (int i = 0; i < 1000; ++i) cost.observe(1, 1);
  for (std::size_t const rows : {2U, 112U, 300U, 512U, 513U, 5000U})
    CHECK(cost(rows) == doctest::Approx(PassCost()(rows)));
}

TEST_CASE("when the largest row count is forgotten, the curve goes on from the next") {
  PassCost cost;
  observe(cost, 1, 1);
  observe(cost, 112, 1.5);
  observe(cost, 224, 6);
  PassCost const before = cost;
  cost.observe(512, 200);
  CHECK(cost(512) == doctest::Approx(200));
  for (int i = 0; i < 16; ++i) cost.observe(1, 1);
  REQUIRE(cost.observed(512) == 0);
  double const row = 5.0 / 223;
  for (std::size_t const rows : {225U, 300U, 512U, 700U}) {
    CHECK(cost(rows) == doctest::Approx(6 + row * static_cast<double>(rows - 224)));
    CHECK(cost(rows) == before(rows));
  }
}

TEST_CASE("where many rows are free, further rows look half as expensive as these are on average, so they are tried") {
  for (std::size_t const rows : {16U, 17U, 33U, 64U, 128U, 512U}) {
    CAPTURE(rows);
    for (double const level : {1.0, 1.1}) {
      PassCost cost;
      observe(cost, 1, 1);
      observe(cost, rows, level);
      double const average = level / static_cast<double>(rows);
      double const slope =
          std::max(0.75 * (level - 1) / static_cast<double>(rows - 1), std::min(PassCost::least_slope, average / 2));
      CHECK(cost(rows + 100) == doctest::Approx(level + 100 * slope));
    }
  }
}

TEST_CASE("a learnt curve is positive and hardly decreases where costs rise, with passes of up to 512 rows") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    PassCost cost;
    for (int i = 0; i < 300; ++i) {
      std::size_t const rows = random() % 3 == 0 ? 1 : 1 + random() % PassCost::most_rows;
      cost.observe(rows, std::exp((seed % 4 == 0 ? 10.0 : 0.05) * normal(random)) * (1 + static_cast<double>(rows)));
      REQUIRE(cost(1) == 1.0);
      for (std::size_t more = 2; more <= 600; ++more) {
        REQUIRE(std::isfinite(cost(more)));
        REQUIRE(cost(more) > 0);
        // With little noise, no drop is sure enough to be kept.
        if (seed % 4 != 0) REQUIRE(cost(more) >= cost(more - 1));
      }
    }
  }
}

TEST_CASE("a jump of the cost at 192 rows shows, and drafts end below it") {
  PassCost cost;
  std::mt19937 random(5);
  for (int pass = 0; pass < 3000; ++pass) {
    std::size_t const rows = pass % 8 == 0 ? 1 : 1 + random() % 300;
    cost.observe(rows, with_jump(rows));
  }
  CHECK(1 + draft(cost) == 192);
  // Of the passes that count as so many rows, most have less.
  CHECK(cost(192) == doctest::Approx(with_jump(192) / with_jump(1)).epsilon(0.1));
  CHECK(cost(224) == doctest::Approx(with_jump(224) / with_jump(1)).epsilon(0.1));
  CHECK(cost.observed(192) > 10);
  CHECK(cost.observed(224) > 10);
  CHECK(cost.seconds(192) == doctest::Approx(with_jump(192)).epsilon(0.1));
}

TEST_CASE("in a loop that drafts as far as pays, rows beyond a jump of the cost are tried now and then") {
  PassCost cost;
  std::size_t tried = 0;
  std::size_t most = 0;
  for (int pass = 0; pass < 5000; ++pass) {
    std::size_t const rows = pass % 8 == 0 ? 1 : 1 + draft(cost);
    cost.observe(rows, with_jump(rows));
    tried += rows > 192 ? 1U : 0U;
    if (rows <= 192) most = std::max(most, rows);
  }
  CHECK(tried > 0);
  CHECK(tried < 100);
  CHECK(most == 192);
}

TEST_CASE("where rows cost next to nothing, drafts grow to the longest within some passes") {
  PassCost cost;
  int passes = 0;
  for (; passes < 100 && draft(cost) < max_draft_tokens - 1; ++passes) {
    std::size_t const rows = passes % 2 == 0 ? 1 : 1 + draft(cost);
    cost.observe(rows, 1e-2 + 1e-6 * static_cast<double>(rows));
  }
  CHECK(passes < 20);
  CHECK(cost(512) < 1.5);
}

TEST_CASE("a fixed curve of any length is as it was given, and goes on with its last slope") {
  std::vector<double> costs;
  for (int i = 0; i < 600; ++i) costs.push_back(2 + 0.01 * i + (i % 7 == 0 ? 0.5 : 0.0));
  PassCost table = PassCost::table(costs);
  auto const check = [&] {
    for (std::size_t rows = 1; rows <= costs.size(); ++rows) REQUIRE(table(rows) == costs[rows - 1] / costs[0]);
    double const slope = (costs[599] - costs[598]) / costs[0];
    CHECK(slope > 0);
    CHECK(table(601) == doctest::Approx(costs[599] / costs[0] + slope));
    CHECK(table(1000) == doctest::Approx(costs[599] / costs[0] + 400 * slope));
  };
  check();
  for (std::size_t rows = 1; rows <= 512; ++rows) table.observe(rows, 1);
  check();
  CHECK(table.observed(300) == 0);
  PassCost const line = PassCost::marginal(0.02);
  for (std::size_t const rows : {1U, 64U, 65U, 512U, 513U, 4000U})
    CHECK(line(rows) == doctest::Approx(1 + 0.02 * static_cast<double>(rows - 1)));
  CHECK(line.observed(80) == 0);
}

TEST_CASE("a copy of a learnt curve goes its own way beyond 64 rows, too") {
  PassCost cost;
  observe(cost, 1, 1);
  observe(cost, 300, 9);
  PassCost const before = cost;
  PassCost copy = cost;
  observe(copy, 400, 20);
  CHECK(same(cost, before));
  CHECK_FALSE(same(cost, copy));
  cost = copy;
  CHECK(same(cost, copy));
}

TEST_CASE("observing passes of many rows allocates nothing, nor does asking what they cost") {
  PassCost cost;
  std::mt19937 random(3);
  std::size_t const before = allocations();
  double sum = 0;
  for (int i = 0; i < 2000; ++i) {
    std::size_t const rows = 1 + random() % 600;
    cost.observe(rows, 1e-3 * (1 + 0.01 * static_cast<double>(rows)));
    sum += cost(rows) + cost.seconds(513) + cost.added_at_most(rows);
  }
  CHECK(allocations() == before);
  CHECK(std::isfinite(sum));
}
