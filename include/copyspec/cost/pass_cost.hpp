// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/assert.hpp"
#include "../core/error.hpp"
#include "../core/version.hpp"
#include "detail/average_row.hpp"
#include "detail/cost_bound.hpp"
#include "detail/isotonic.hpp"
#include "detail/latency_filter.hpp"
#include "detail/level_check.hpp"
#include "detail/row_classes.hpp"
#include "pass_level.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The cost of a pass by its number of rows, relative to a pass of one row: a fixed curve, or one learnt from observed
/// passes.
///
/// A learnt curve keeps a `LatencyFilter` for each row count up to 64, and for four larger ones a doubling, up to
/// `most_rows`: a pass of a row count between two of these counts as one of the larger. It is weighted by how often and
/// how recently its row count was observed. Where more rows took less time, levels are pooled (`pool_levels`), unless
/// that is sure: some kernels are faster for more rows. Between observed row counts the curve rises by three quarters
/// of linear interpolation. Beyond the last it rises by three quarters of the average slope, or by all of it from 32
/// rows on. So row counts without observations look slightly cheap and get tried. Before any observation, a row costs
/// `prior` of a pass.
///
/// An overestimated cost would never be corrected, because that row count would never be tried again. So after its
/// first observation, a row count is forgotten if it is not observed for 16 passes. Each further observation makes that
/// four times as long, up to 512 passes. A forgotten row count takes its cost from its neighbours. So one unlucky pass
/// hides it for 16 passes, and a truly expensive one is underestimated at most once in 512. When a change of speed
/// shows at one row count, all others count as observed once.
///
/// `observe` is O(row counts tracked), up to 2 us; everything else is O(1), unless it says so. Only construction and
/// copying allocate. Deterministic. Threads: one call at a time; the sequences of a composer share one object.
class PassCost {
 public:
  static constexpr std::size_t most_rows = detail::RowClasses::most;  ///< Largest row count that a learnt curve tracks.
  static constexpr double prior = 0.2;  ///< Cost of a row, in passes of one row, before any observation.
  /// Least cost of a row beyond the last observed row count, unless half of what one costs there on average is less.
  static constexpr double least_slope = 0.03;

  /// A learnt curve, without observations.
  PassCost() : curve_(most_rows), cells_(detail::RowClasses::count) { fit(); }

  /// A fixed curve: 1, plus `a` for each row after the first. Throws `Error` unless `a` is finite and not negative.
  [[nodiscard]] static PassCost marginal(double a) {
    if (!(a >= 0.0) || !std::isfinite(a))
      raise_error(ErrorCode::bad_options, "a row cannot cost " + std::to_string(a) + " of a pass");
    return PassCost({1.0}, a);
  }

  /// A fixed curve: `costs[i]` is the cost of a pass of i + 1 rows, in any unit. Beyond the end it continues with the
  /// last slope, or flat if that is negative; a single cost continues with `prior`. Throws `Error` if `costs` is empty
  /// or an entry is not finite and positive.
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

  /// The cost of a pass of `rows` >= 1 rows, in passes of one row. O(1).
  [[nodiscard]] double operator()(std::size_t rows) const noexcept {
    COPYSPEC_ASSERT(rows > 0, "a pass has at least one row");
    if (rows <= drawn_) return curve_[rows - 1];
    return curve_[drawn_ - 1] + slope_ * static_cast<double>(rows - drawn_);
  }

  /// Whether costs are in passes of one row. Those of a learnt curve that has seen other passes are not, until it has
  /// seen two of one row, as one may have been delayed, or sixteen in all, since there may never be two.
  [[nodiscard]] bool in_plain_passes() const noexcept {
    return remembered_ == 0 || cells_.front().time.count() >= 2 || passes_ >= patience;
  }

  /// The cost of a pass of `rows`, no less than that of the most rows up to these that were seen twice, or lately.
  /// O(log n) for n row counts seen.
  [[nodiscard]] double without_forgetting(std::size_t rows) const noexcept {
    auto const seen = std::span(levels_).first(remembered_);
    auto const more = std::ranges::upper_bound(seen, rows, {}, &detail::KnownCost::rows);
    return std::max((*this)(rows), more == seen.begin() ? 0.0 : std::prev(more)->cost);
  }

  /// Most that `more` rows add to a pass of one row, in such passes. A fixed curve knows it. A learnt one takes the
  /// least bound that row counts seen twice, or lately, give (`cost_at_most`): before any, 1.2 passes for each row.
  /// Since times are noisy, each row adds at least what it does on average up to the largest such row count, up to
  /// 0.05. O(n log n) for n row counts seen.
  [[nodiscard]] double added_at_most(std::size_t more) const noexcept {
    if (cells_.empty()) return (*this)(1 + more) - 1.0;
    auto const seen = std::span(levels_).first(remembered_);
    double least = 0.05;
    if (!seen.empty() && seen.back().rows > 1)
      least = std::clamp((seen.back().cost - 1.0) / static_cast<double>(seen.back().rows - 1), 0.0, least);
    return std::max(detail::cost_at_most(seen, 1 + more) - 1.0, least * static_cast<double>(more));
  }

  /// What a row adds on average, by the straight line that is nearest to the observed levels; zero before there are
  /// two, or if the curve is fixed.
  [[nodiscard]] double average_row() const noexcept { return average_row_; }

  /// How long a pass of `rows` >= 1 rows takes, in seconds, when nothing delays it; zero before any observation.
  [[nodiscard]] double seconds(std::size_t rows) const noexcept { return unit_ * (*this)(rows); }

  /// How many observed passes of `rows` rows the curve uses; zero where the cost comes from the neighbours. Those of
  /// row counts that are tracked together count at the largest of them.
  [[nodiscard]] std::size_t observed(std::size_t rows) const noexcept {
    if (rows == 0 || cells_.empty() || !detail::RowClasses::is_largest(rows)) return 0;
    Cell const& cell = cells_[detail::RowClasses::of(rows)];
    return weight(cell) > 0.0 ? cell.time.count() : 0;
  }

  /// What a learnt curve has learnt, at ascending row counts: those that were seen lately or twice. Empty if the curve
  /// is fixed. O(row counts seen). Allocates the result.
  [[nodiscard]] std::vector<PassLevel> levels() const {
    std::vector<PassLevel> levels;
    for (auto const& [rows, level] : std::span(levels_).first(remembered_)) {
      detail::LatencyFilter const& time = cells_[detail::RowClasses::of(rows)].time;
      levels.push_back({.rows = rows, .seconds = time.level(), .passes = time.count()});
    }
    return levels;
  }

  /// A learnt curve that continues from `levels`, which another one returned, as if just observed. Throws `Error` that
  /// begins with `where` if row counts do not ascend or are not tracked, if seconds are not positive and finite, or if
  /// there were no passes.
  [[nodiscard]] static PassCost remembered(std::span<PassLevel const> levels, std::string const& where) {
    detail::require_levels(levels, where);
    PassCost cost;
    for (auto const& [rows, seconds, passes] : levels)
      cost.cells_[detail::RowClasses::of(rows)].time = detail::LatencyFilter(seconds, passes);
    cost.fit();
    return cost;
  }

  /// Takes in that a pass of `rows` rows took `seconds`. Does nothing if `seconds` is not a positive finite number, if
  /// there are no rows or more than `most_rows`, or if the curve is fixed.
  void observe(std::size_t rows, double seconds) noexcept {
    if (rows == 0 || rows > most_rows || cells_.empty() || !(seconds > 0.0) || !std::isfinite(seconds)) return;
    seconds = std::clamp(seconds, detail::shortest_pass, detail::longest_pass);  // so that no ratio overflows
    ++passes_;
    Cell& cell = cells_[detail::RowClasses::of(rows)];
    if (weight(cell) <= 0.0 && !cell.time.agrees(seconds)) cell.time.doubt();
    cell.seen = passes_;
    if (cell.time.add(seconds))
      for (Cell& other : cells_)
        if (&other != &cell) other.time.doubt();
    fit();
  }

 private:
  static constexpr std::size_t patience = 16;       // passes until a row count with one observation expires
  static constexpr std::size_t longest_life = 512;  // the same with many
  static constexpr double trusted = 16.0;           // more observations than this add no weight
  static constexpr double optimism = 0.75;
  static constexpr std::size_t many = 32;  // rows from which on tries are expensive

  struct Cell {
    detail::LatencyFilter time;
    std::size_t seen = 0;  // the last pass that observed it
  };

  PassCost(std::vector<double> curve, double slope) : curve_(std::move(curve)), drawn_(curve_.size()), slope_(slope) {}

  // The weight of a cell's level: zero without observations, or when they have expired.
  [[nodiscard]] double weight(Cell const& cell) const noexcept {
    std::size_t const count = cell.time.count();
    if (count == 0) return 0.0;
    auto const life = static_cast<double>(std::min(patience << 2 * std::min<std::size_t>(count - 1, 3), longest_life));
    double const left = 1.0 - static_cast<double>(passes_ - cell.seen) / life;
    // Everything is relative to one row, so its level never expires.
    return std::min(static_cast<double>(count), trusted) * std::max(left, &cell == cells_.data() ? 0.1 : 0.0);
  }

  // Recomputes the curve from the levels, and lists the costs of row counts that were seen twice, or lately.
  void fit() noexcept {
    std::array<detail::CostKnot, detail::RowClasses::count> known;
    std::size_t count = 0;
    remembered_ = 0;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      detail::LatencyFilter const& time = cells_[i].time;
      if (time.count() == 0) continue;
      std::size_t const rows = detail::RowClasses::largest(i);
      double const of = weight(cells_[i]);
      if (of > 0.0) known[count++] = {rows, time.level(), of};
      if (of > 0.0 || time.count() > 1) levels_[remembered_++] = {rows, of > 0.0 ? 0.0 : time.level()};
    }
    std::span<detail::CostKnot> const knots = std::span(known).first(count);
    detail::pool_levels(knots);
    draw(knots);
    average_row_ = knots.empty() ? 0.0 : detail::average_row(knots) / unit_;
    for (auto& [rows, level] : std::span(levels_).first(remembered_))
      level = level > 0.0 ? level / unit_ : curve_[rows - 1];
  }

  void draw(std::span<detail::CostKnot const> knots) noexcept {
    unit_ = knots.empty() ? 0.0 : knots.front().level / (1.0 + prior * static_cast<double>(knots.front().rows - 1));
    slope_ = prior;
    if (knots.size() > 1) {
      double const level = knots.back().level / unit_;
      auto const most = static_cast<double>(knots.back().rows);
      // Levels that happen to be equal do not make all further rows free. But rows that looked more expensive than the
      // observed ones are on average would never be tried.
      double const rise = (knots.back().rows < many ? optimism : 1.0) * (level - 1.0) / (most - 1.0);
      slope_ = std::max(rise, std::min(least_slope, 0.5 * level / most));
    }
    auto next = knots.begin();
    double slope = prior;
    drawn_ = knots.empty() ? 1 : knots.back().rows;
    for (std::size_t rows = 1; rows <= drawn_; ++rows) {
      if (next == knots.end() || rows < next->rows) {  // without knots, the first row
        curve_[rows - 1] = rows == 1 ? 1.0 : curve_[rows - 2] + slope;
        continue;
      }
      double const level = curve_[rows - 1] = next->level / unit_;
      if (++next == knots.end()) break;
      slope = optimism * (next->level / unit_ - level) / static_cast<double>(next->rows - rows);
      // Between many rows and more, what the last ones cost so far: a jump may come late.
      if (rows >= many) slope = std::min(slope, std::max(level - 1.0, 0.0) / static_cast<double>(rows - 1));
    }
  }

  std::vector<double> curve_;  // cost of one row, two rows, ...
  std::size_t drawn_ = 0;      // row counts that have an entry in `curve_` now
  double slope_ = 0.0;         // per row beyond these
  // Row counts that are remembered, and their costs.
  std::array<detail::KnownCost, detail::RowClasses::count> levels_{};
  std::size_t remembered_ = 0;
  double unit_ = 0.0;         // seconds of a pass of one row
  double average_row_ = 0.0;  // in such passes
  std::vector<Cell> cells_;   // by class of row counts; empty if the curve is fixed
  std::size_t passes_ = 0;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
