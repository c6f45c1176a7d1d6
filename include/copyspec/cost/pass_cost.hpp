// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/assert.hpp"
#include "../core/error.hpp"
#include "../core/version.hpp"
#include "detail/latency_filter.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What a pass of so many rows costs, relative to a pass of one row: a fixed curve, or one learnt from passes.
///
/// A learnt curve keeps a `LatencyFilter` for each row count up to `most_rows`, weighted by how often and how lately it
/// was seen. Where more rows took less time, levels are pooled (isotonic regression, Ayer et al. 1955), so the curve
/// never decreases. Between known row counts it rises by three quarters of what a straight line would, and beyond the
/// last by three quarters of the average: what was never seen looks a little cheap, so that it is tried. Before
/// anything was seen, a row costs `prior` of a pass.
///
/// A row count that looks dear is not chosen, so nothing would ever correct it. Therefore it is forgotten when it was
/// not seen for 16 passes after the first time, and twice as many after each further time, up to 512; the price is
/// then what its neighbours say. One unlucky pass hides a row count for 16 passes, and a row count that is truly dear
/// is taken for cheaper at most once in 512 passes in the long run. A change of speed that shows at one row count makes
/// all others count as seen once.
///
/// `observe` takes O(most_rows), half a microsecond, and everything else O(1). Only making and copying one allocates.
/// Deterministic. Threads: one call at a time; the sequences of a composer share one object.
class PassCost {
 public:
  static constexpr std::size_t most_rows = 64;  ///< Row counts that are told apart when learning.
  static constexpr double prior = 0.2;          ///< What a row costs, in passes of one row, until something is known.
  static constexpr double least_slope = 0.03;   ///< What a row costs at least, beyond the last that was seen.

  /// A curve that is learnt.
  PassCost() : curve_(most_rows), cells_(most_rows) { fit(); }

  /// 1 + `a` for each row after the first. Throws `Error` unless `a` is finite and not negative.
  [[nodiscard]] static PassCost marginal(double a) {
    if (!(a >= 0.0) || !std::isfinite(a))
      raise_error(ErrorCode::bad_options, "a row cannot cost " + std::to_string(a) + " of a pass");
    return PassCost({1.0}, a);
  }

  /// `costs[i]` is what a pass of i + 1 rows costs, in any unit. Beyond the end the last slope goes on, or the curve is
  /// flat if that falls; a single cost goes on with `prior`. Throws `Error` if there is none, or one that is not finite
  /// and positive.
  [[nodiscard]] static PassCost table(std::vector<double> costs) {
    if (costs.empty()) raise_error(ErrorCode::bad_options, "the table of pass costs is empty");
    for (std::size_t i = 0; i < costs.size(); ++i)
      if (!(costs[i] > 0.0) || !std::isfinite(costs[i]))
        raise_error(ErrorCode::bad_options, "entry " + std::to_string(i) + " of the table of pass costs is " +
                                                std::to_string(costs[i]) + ", not a positive number");
    double const unit = costs.front();
    for (double& cost : costs) cost /= unit;
    double const slope = costs.size() == 1 ? prior : std::max(0.0, costs.back() - costs[costs.size() - 2]);
    return PassCost(std::move(costs), slope);
  }

  /// What a pass of `rows` >= 1 rows costs, in passes of one row.
  [[nodiscard]] double operator()(std::size_t rows) const noexcept {
    COPYSPEC_ASSERT(rows > 0, "a pass without rows has no price");
    if (rows <= curve_.size()) return curve_[rows - 1];
    return curve_.back() + slope_ * static_cast<double>(rows - curve_.size());
  }

  /// How long a pass of `rows` >= 1 rows takes when it is not held up; zero as long as nothing was learnt.
  [[nodiscard]] double seconds(std::size_t rows) const noexcept { return unit_ * (*this)(rows); }

  /// How many passes of `rows` rows the curve goes by; zero where it goes by the neighbours.
  [[nodiscard]] std::size_t observed(std::size_t rows) const noexcept {
    return rows > 0 && rows <= cells_.size() && weight(rows) > 0.0 ? cells_[rows - 1].time.count() : 0;
  }

  /// A pass of `rows` rows took `seconds`. Nothing happens if that is not a positive number, if there are no rows or
  /// more than `most_rows`, or if the curve is fixed.
  void observe(std::size_t rows, double seconds) noexcept {
    if (rows == 0 || rows > cells_.size() || !(seconds > 0.0) || !std::isfinite(seconds)) return;
    seconds = std::clamp(seconds, 1e-12, 1e12);  // so that no ratio overflows
    ++passes_;
    Cell& cell = cells_[rows - 1];
    if (weight(rows) <= 0.0 && !cell.time.agrees(seconds)) cell.time.doubt();
    cell.seen = passes_;
    if (cell.time.add(seconds))
      for (Cell& other : cells_)
        if (&other != &cell) other.time.doubt();
    fit();
  }

 private:
  static constexpr std::size_t patience = 16;  // passes after which a row count is forgotten that was seen once
  static constexpr std::size_t doublings = 5;  // of it, at most
  static constexpr double trusted = 16.0;      // seen more often, a row count weighs no more
  static constexpr double hardly = 2.0;        // and with this weight it is hardly known
  static constexpr double optimism = 0.75;

  struct Cell {
    detail::LatencyFilter time;
    std::size_t seen = 0;  // in which pass, the last time
  };

  struct Knot {
    std::size_t rows;
    double level;
    double weight;
  };

  PassCost(std::vector<double> curve, double slope) : curve_(std::move(curve)), slope_(slope) {}

  [[nodiscard]] static double plain(std::size_t rows) noexcept { return 1.0 + prior * static_cast<double>(rows - 1); }

  // How much the level of a row count counts: zero if it was never seen, or is forgotten.
  [[nodiscard]] double weight(std::size_t rows) const noexcept {
    Cell const& cell = cells_[rows - 1];
    std::size_t const count = cell.time.count();
    if (count == 0) return 0.0;
    auto const life = static_cast<double>(patience << std::min(count - 1, doublings));
    double const left = 1.0 - static_cast<double>(passes_ - cell.seen) / life;
    // One row is what everything is relative to, and is never forgotten.
    return std::min(static_cast<double>(count), trusted) * std::max(left, rows == 1 ? 0.1 : 0.0);
  }

  // Makes the curve from the levels.
  void fit() noexcept {
    std::array<Knot, most_rows> known;
    std::size_t count = 0;
    for (std::size_t rows = 1; rows <= cells_.size(); ++rows)
      if (double const of = weight(rows); of > 0.0) known[count++] = {rows, cells_[rows - 1].time.level(), of};
    std::span<Knot> const knots = std::span(known).first(count);
    // What is hardly known was held up if more rows took less time.
    double lowest = std::numeric_limits<double>::infinity();
    for (std::size_t i = count; i-- > 0;) {
      if (knots[i].weight <= hardly) knots[i].level = std::min(knots[i].level, lowest);
      lowest = std::min(lowest, knots[i].level);
    }
    pool(knots);
    draw(knots);
  }

  // Gives adjacent knots that fall their weighted mean, until none falls.
  static void pool(std::span<Knot> knots) noexcept {
    std::array<Knot, most_rows> pools;  // `rows` is the last of each
    std::size_t count = 0;
    for (Knot pooled : knots) {
      for (; count > 0 && pools[count - 1].level >= pooled.level; --count) {
        Knot const& last = pools[count - 1];
        double const both = last.weight + pooled.weight;
        pooled.level = (last.weight * last.level + pooled.weight * pooled.level) / both;
        pooled.weight = both;
      }
      pools[count++] = pooled;
    }
    auto pooled = pools.begin();
    for (Knot& knot : knots) {
      if (knot.rows > pooled->rows) ++pooled;
      knot.level = pooled->level;
    }
  }

  void draw(std::span<Knot const> knots) noexcept {
    unit_ = knots.empty() ? 0.0 : knots.front().level / plain(knots.front().rows);
    slope_ = prior;
    if (knots.size() > 1) {
      // A few levels that happen to be equal do not make all rows free.
      double const rise = (knots.back().level / unit_ - 1.0) / static_cast<double>(knots.back().rows - 1);
      slope_ = std::max(optimism * rise, least_slope);
    }
    auto next = knots.begin();
    double slope = prior;
    for (std::size_t rows = 1; rows <= curve_.size(); ++rows) {
      if (next == knots.end() || rows < next->rows) {
        curve_[rows - 1] = rows == 1 ? 1.0 : curve_[rows - 2] + slope;
        continue;
      }
      double const level = curve_[rows - 1] = next->level / unit_;
      ++next;
      slope = next == knots.end() ? slope_
                                  : optimism * (next->level / unit_ - level) / static_cast<double>(next->rows - rows);
    }
  }

  std::vector<double> curve_;  // of passes of one row, two, ...
  double slope_ = 0.0;         // beyond the end of the curve
  double unit_ = 0.0;          // seconds of a pass of one row
  std::vector<Cell> cells_;    // by rows; empty if the curve is fixed
  std::size_t passes_ = 0;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
