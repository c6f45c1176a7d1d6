// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What a pass of so many rows was seen to cost, in passes of one row.
struct KnownCost {
  std::size_t rows;
  double cost;
};

/// Most that a pass of `rows` >= 1 rows costs, by what passes of other row counts, ascending, were seen to cost. The
/// least of these bounds:
///
/// - the known cost of as many rows;
/// - that of more rows, since fewer rows do not cost more;
/// - that of several passes: as many as fit of a known row count, and one with the rows that remain;
/// - each row after the first adds one pass, or as much as those of the steepest known row count do, if that is more.
///
/// Times are noisy, so a twentieth is added to what known passes cost more than one of one row. Before any is known,
/// each row adds 1.2 passes: those of some engines cost a pass each, and the second one even more. O(known), and log of
/// that for each. No allocation.
[[nodiscard]] inline double cost_at_most(std::span<KnownCost const> known, std::size_t rows) noexcept {
  constexpr double noise = 1.05;
  constexpr double unknown = 1.2;
  auto const seen = [](KnownCost const& of) { return 1 + noise * (of.cost - 1); };
  if (!known.empty() && known.front().rows == 1) known = known.subspan(1);
  double steepest = known.empty() ? unknown : 1;
  for (auto const& of : known) steepest = std::max(steepest, (seen(of) - 1) / static_cast<double>(of.rows - 1));
  auto const alone = [&](std::size_t few) { return 1 + steepest * static_cast<double>(few - 1); };
  auto const first_of = [&](std::size_t least) {
    return std::ranges::lower_bound(known, least, {}, [](KnownCost const& of) { return of.rows; });
  };
  double most = alone(rows);
  if (auto const next = first_of(rows); next != known.end()) {
    if (next->rows == rows) return seen(*next);
    most = std::min(most, seen(*next));
  }
  for (auto const& of : known) {
    if (of.rows >= rows) break;
    double passes = static_cast<double>(rows / of.rows) * seen(of);
    if (std::size_t const rest = rows % of.rows; rest > 0) passes += std::min(alone(rest), seen(*first_of(rest)));
    most = std::min(most, passes);
  }
  return most;
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
