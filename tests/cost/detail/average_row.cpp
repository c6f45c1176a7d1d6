// SPDX-License-Identifier: MIT
#include <copyspec/cost/detail/average_row.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <random>
#include <vector>

using copyspec::detail::average_row;
using copyspec::detail::CostKnot;

TEST_CASE("on a straight line, each row adds its slope, whatever the weights") {
  std::vector<CostKnot> knots;
  for (std::size_t const rows : {2U, 3U, 7U, 40U, 512U})
    knots.push_back({rows, 5 + 0.25 * static_cast<double>(rows), 1 + static_cast<double>(rows % 3)});
  CHECK(average_row(knots) == doctest::Approx(0.25));
}

TEST_CASE("less than two levels, or levels that fall, have no slope") {
  CHECK(average_row({}) == 0);
  std::vector<CostKnot> knots{{4, 2, 16}};
  CHECK(average_row(knots) == 0);
  knots.push_back({9, 1, 16});
  CHECK(average_row(knots) == 0);
}

TEST_CASE("no other line is nearer to the levels") {
  std::mt19937 random(7);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<CostKnot> knots;
    for (std::size_t rows = 1 + random() % 9; knots.size() < 2 + random() % 7; rows += 1 + random() % 20)
      knots.push_back({rows, static_cast<double>(rows + random() % 30), 1 + static_cast<double>(random() % 16)});
    // The error of the best line with this slope.
    auto const error = [&](double slope) {
      double weights = 0;
      double mean = 0;
      for (CostKnot const& of : knots) {
        weights += of.weight;
        mean += of.weight * (of.level - slope * static_cast<double>(of.rows));
      }
      double sum = 0;
      for (CostKnot const& of : knots) {
        double const off = of.level - slope * static_cast<double>(of.rows) - mean / weights;
        sum += of.weight * off * off;
      }
      return sum;
    };
    double const slope = average_row(knots);
    CHECK(error(slope) <= error(slope + 1e-3));
    if (slope > 1e-3) CHECK(error(slope) <= error(slope - 1e-3));
  }
}

TEST_CASE("a level that was seldom observed moves the slope little") {
  std::vector<CostKnot> const knots{{4, 2, 16}, {8, 3, 16}, {12, 4, 16}, {5, 30, 1}};
  CHECK(average_row(knots) == doctest::Approx(0.25).epsilon(0.9));
  std::vector<CostKnot> const as_often{{4, 2, 16}, {8, 3, 16}, {12, 4, 16}, {5, 30, 16}};
  CHECK(average_row(as_often) == 0);
}
