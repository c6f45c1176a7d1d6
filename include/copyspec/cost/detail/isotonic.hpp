// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <span>

#include "../../core/assert.hpp"
#include "../../core/version.hpp"
#include "row_classes.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The level of passes of one row count, and how much it weighs.
struct CostKnot {
  std::size_t rows;
  double level;
  double weight;
};

/// Removes drops from levels at ascending row counts that are noise: isotonic regression by pooling adjacent violators
/// (Ayer et al. 1955). Adjacent levels that do not rise become their weighted mean.
///
/// A drop is kept if it is sure: both levels, or the means that they became, weigh at least `sure`, and the later one
/// is lower by more than 15 %. Some kernels are faster for more rows. A level that weighs up to `hardly` was
/// probably delayed if a later one is lower: it is lowered to that first.
///
/// O(knots). No allocation. Requires: at most `RowClasses::count` knots.
inline void pool_levels(std::span<CostKnot> knots) noexcept {
  constexpr double hardly = 2.0;
  constexpr double sure = 8.0;
  constexpr double drop = 0.85;
  COPYSPEC_ASSERT(knots.size() <= RowClasses::count, "a knot for each class at most");
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t i = knots.size(); i-- > 0;) {
    if (knots[i].weight <= hardly) knots[i].level = std::min(knots[i].level, lowest);
    lowest = std::min(lowest, knots[i].level);
  }
  std::array<CostKnot, RowClasses::count> pools;  // `rows` is the last of each pool
  std::size_t count = 0;
  for (CostKnot pooled : knots) {
    for (; count > 0 && pools[count - 1].level >= pooled.level; --count) {
      CostKnot const& last = pools[count - 1];
      if (last.weight >= sure && pooled.weight >= sure && pooled.level < drop * last.level) break;
      double const both = last.weight + pooled.weight;
      pooled.level = (last.weight * last.level + pooled.weight * pooled.level) / both;
      pooled.weight = both;
    }
    pools[count++] = pooled;
  }
  auto pooled = pools.begin();
  for (CostKnot& knot : knots) {
    if (knot.rows > pooled->rows) ++pooled;
    knot.level = pooled->level;
  }
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
