// SPDX-License-Identifier: MIT
#include <copyspec/cost/detail/cost_bound.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "support/random.hpp"

using copyspec::detail::cost_at_most;
using copyspec::detail::KnownCost;
using copyspec_test::Random;

namespace {

// With the twentieth that is added for noise.
double seen(double cost) {
  return 1 + 1.05 * (cost - 1);
}

}  // namespace

TEST_CASE("before any pass of more rows was seen, each row adds 1.2 passes at most") {
  for (std::size_t const rows : {std::size_t{1}, std::size_t{2}, std::size_t{17}, std::size_t{512}}) {
    double const most = 1 + 1.2 * static_cast<double>(rows - 1);
    CHECK(cost_at_most({}, rows) == most);
    CHECK(cost_at_most(std::vector<KnownCost>{{1, 1}}, rows) == most);
  }
}

TEST_CASE("fewer rows cost no more than known ones, and more no more than several passes") {
  std::vector<KnownCost> const known{{1, 1}, {3, 2.3}, {8, 4}};
  CHECK(cost_at_most(known, 3) == doctest::Approx(seen(2.3)));
  CHECK(cost_at_most(known, 2) == doctest::Approx(2));  // a pass more
  CHECK(cost_at_most(known, 4) == doctest::Approx(seen(2.3) + 1));
  CHECK(cost_at_most(known, 5) == doctest::Approx(seen(4)));  // less than two passes more than three rows
  CHECK(cost_at_most(known, 6) == doctest::Approx(seen(4)));
  CHECK(cost_at_most(known, 8) == doctest::Approx(seen(4)));
  CHECK(cost_at_most(known, 9) == doctest::Approx(seen(4) + 1));
  CHECK(cost_at_most(known, 11) == doctest::Approx(seen(4) + seen(2.3)));
  CHECK(cost_at_most(known, 24) == doctest::Approx(3 * seen(4)));
}

TEST_CASE("rows that cost more than passes cost as much as the steepest known ones") {
  std::vector<KnownCost> const known{{1, 1}, {3, 7}};
  CHECK(cost_at_most(known, 2) == doctest::Approx(1 + (seen(7) - 1) / 2));
  CHECK(cost_at_most(known, 3) == doctest::Approx(seen(7)));
  CHECK(cost_at_most(known, 4) == doctest::Approx(seen(7) + 1));
  CHECK(cost_at_most(known, 6) == doctest::Approx(2 * seen(7)));
}

TEST_CASE("a known cost is believed, though more rows were seen to cost less") {
  std::vector<KnownCost> const known{{1, 1}, {7, 5}, {8, 3}};
  CHECK(cost_at_most(known, 7) == doctest::Approx(seen(5)));
  CHECK(cost_at_most(known, 6) == doctest::Approx(std::min(6.0, seen(5))));
}

TEST_CASE("no engine costs more, if rows add at most a pass each and several passes can feed them") {
  Random random(3);
  for (int round = 0; round < 300; ++round) {
    // Steps of random widths and heights; then what several passes would cost, if that is less.
    std::vector<double> cost{0, 1};
    while (cost.size() <= 120) {
      double const step = random.one_in(3) ? static_cast<double>(random.below(1000)) / 1000 : 0;
      double least = cost.back() + step;
      for (std::size_t rows = 1; rows < cost.size(); ++rows)
        least = std::min(least, cost[rows] + cost[cost.size() - rows]);
      cost.push_back(least);
    }
    std::vector<KnownCost> known{{1, 1}};
    for (std::size_t rows = 2; rows <= 100; ++rows)
      if (random.one_in(12)) known.push_back({rows, cost[rows]});
    for (std::size_t rows = 1; rows <= 120; ++rows) {
      CAPTURE(rows);
      double const most = cost_at_most(known, rows);
      REQUIRE(most >= cost[rows] - 1e-9);
      REQUIRE(most <= static_cast<double>(rows) * 1.2);
    }
  }
}
