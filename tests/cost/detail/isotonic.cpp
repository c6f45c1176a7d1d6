// SPDX-License-Identifier: MIT
#include <copyspec/cost/detail/isotonic.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <random>
#include <vector>

using copyspec::detail::CostKnot;
using copyspec::detail::pool_levels;

namespace {

using Knots = std::vector<CostKnot>;

Knots any_knots(std::mt19937& random, std::size_t most, double heaviest) {
  Knots knots;
  for (std::size_t rows = 1 + random() % 3; rows < 512 && knots.size() < most; rows += 1 + random() % 20)
    knots.push_back({rows, 1 + static_cast<double>(random() % 1000) / 100,
                     2.1 + (heaviest - 2.1) * static_cast<double>(random() % 1000) / 1000});
  return knots;
}

double loss(Knots const& knots, std::vector<double> const& levels) {
  double sum = 0;
  for (std::size_t i = 0; i < knots.size(); ++i)
    sum += knots[i].weight * (levels[i] - knots[i].level) * (levels[i] - knots[i].level);
  return sum;
}

// The weighted mean of the knots from `begin` to before `end`.
double mean(Knots const& knots, std::size_t begin, std::size_t end) {
  double sum = 0;
  double weight = 0;
  for (; begin < end; ++begin) {
    sum += knots[begin].weight * knots[begin].level;
    weight += knots[begin].weight;
  }
  return sum / weight;
}

}  // namespace

TEST_CASE("without sure levels, the result is the best one that does not fall") {
  std::mt19937 random(1);
  for (std::size_t round = 0; round < 5000; ++round) {
    // Not even all of them together are sure.
    Knots const knots = any_knots(random, 3, 2.6);
    Knots pooled = knots;
    pool_levels(pooled);
    for (std::size_t i = 0; i < knots.size(); ++i) {
      // The formula of isotonic regression: the greatest of the least means.
      double expected = 0;
      for (std::size_t begin = 0; begin <= i; ++begin) {
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t end = i + 1; end <= knots.size(); ++end) least = std::min(least, mean(knots, begin, end));
        expected = std::max(expected, least);
      }
      REQUIRE(pooled[i].level == doctest::Approx(expected));
      REQUIRE(pooled[i].rows == knots[i].rows);
    }
  }
}

TEST_CASE("levels that rise are kept, and a sure drop is") {
  Knots knots = {{1, 1, 16}, {2, 3, 16}, {4, 2, 16}, {5, 2.5, 3}, {6, 2.4, 3}};
  pool_levels(knots);
  CHECK(knots[1].level == 3);
  CHECK(knots[2].level == 2);
  CHECK(knots[3].level == doctest::Approx(2.45));
  CHECK(knots[4].level == doctest::Approx(2.45));
  // A small drop is noise, and so is one to or from a level that is not sure.
  for (Knots each : {Knots{{1, 2, 16}, {2, 1.71, 16}}, Knots{{1, 3, 7}, {2, 2, 16}}, Knots{{1, 3, 16}, {2, 2, 7}}}) {
    double const expected = mean(each, 0, 2);
    pool_levels(each);
    CHECK(each[0].level == doctest::Approx(expected));
    CHECK(each[1].level == doctest::Approx(expected));
  }
  // What was hardly seen gives way.
  Knots delayed = {{1, 1, 16}, {2, 50, 2}, {3, 1.5, 16}};
  pool_levels(delayed);
  CHECK(delayed[1].level == 1.5);
  Knots none;
  pool_levels(none);
}

TEST_CASE("whatever falls afterwards falls by more than 15 %") {
  std::mt19937 random(2);
  std::size_t drops = 0;
  for (std::size_t round = 0; round < 500; ++round) {
    Knots const knots = any_knots(random, 20, 16);
    Knots pooled = knots;
    pool_levels(pooled);
    std::vector<double> levels;
    for (CostKnot const& knot : pooled) levels.push_back(knot.level);
    // Pooling is no worse than one mean for all, and means stay within what was seen.
    REQUIRE(loss(knots, levels) <= loss(knots, std::vector<double>(knots.size(), mean(knots, 0, knots.size()))) + 1e-9);
    for (std::size_t i = 1; i < levels.size(); ++i) {
      if (levels[i] >= levels[i - 1]) continue;
      REQUIRE(levels[i] < 0.85 * levels[i - 1]);
      ++drops;
    }
  }
  CHECK(drops > 100);
}
