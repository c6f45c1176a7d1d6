// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <span>

#include "../../core/version.hpp"
#include "isotonic.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What a row adds on average: the slope of the straight line that is nearest to the levels (weighted least squares),
/// or zero if it falls, or if there are less than two levels. O(knots). No allocation.
[[nodiscard]] inline double average_row(std::span<CostKnot const> knots) noexcept {
  double weights = 0;
  double rows = 0;
  double levels = 0;
  for (CostKnot const& knot : knots) {
    weights += knot.weight;
    rows += knot.weight * static_cast<double>(knot.rows);
    levels += knot.weight * knot.level;
  }
  double square = 0;
  double product = 0;
  for (CostKnot const& knot : knots) {
    double const more = static_cast<double>(knot.rows) - rows / weights;
    square += knot.weight * more * more;
    product += knot.weight * more * (knot.level - levels / weights);
  }
  return square > 0 ? std::max(product / square, 0.0) : 0.0;
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
