// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "../core/version.hpp"
#include "pass_cost.hpp"
#include "pass_report.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The cost of one sequence's rows in passes shared with other sequences: what its draft adds to the pass, plus the
/// sequence's share of the pass without any draft. Other sequences' drafts are not part of that share, since each
/// sequence pays for its own. If each row costs the same, these costs add up to the cost of the pass. Until a pass is
/// observed, the sequence counts as alone.
///
/// O(1), plus the cost of `PassCost::observe` in `observe`. No allocation except copying. Threads: one call at a time.
class SequenceCost {
 public:
  static constexpr std::size_t most_shared = 64;  ///< Rows that `least_extra` looks at.

  explicit SequenceCost(PassCost pass_cost) : pass_cost_(std::move(pass_cost)) {}

  /// The cost of whole passes, as learnt so far.
  [[nodiscard]] PassCost const& pass_cost() const noexcept { return pass_cost_; }

  /// The cost of `rows` >= 1 rows of this sequence, in passes of one row.
  [[nodiscard]] double operator()(std::size_t rows) const noexcept { return extra(rows - 1) + token(); }

  /// What a draft of so many tokens adds to a pass.
  [[nodiscard]] double extra(std::size_t drafted) const noexcept {
    return pass_cost_(others_ + 1 + drafted) - pass_cost_(others_ + 1);
  }

  /// Least that a row of a draft adds, if others share with it what all of them add to a pass in which each sequence
  /// has one row: of up to `most_shared` rows, the least average.
  [[nodiscard]] double least_extra() const noexcept {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t rows = 1; rows <= most_shared; ++rows)
      least = std::min(least, (pass_cost_(sequences_ + rows) - pass_cost_(sequences_)) / static_cast<double>(rows));
    return least;
  }

  /// What a draft of so many tokens added to the newest pass, if each drafted token of that added the same. Times are
  /// noisy, so each adds at least what a row does on average. If that pass had no drafts: what a draft would have
  /// added.
  [[nodiscard]] double added(std::size_t drafted) const noexcept {
    double const least = pass_cost_.average_row() * static_cast<double>(drafted);
    if (rows_ <= sequences_) return std::max(extra(drafted), least);
    double const all = pass_cost_(rows_) - pass_cost_(sequences_);
    return std::max(all * static_cast<double>(drafted) / static_cast<double>(rows_ - sequences_), least);
  }

  /// What a token costs without drafts: the sequence's share of a pass in which each has one row.
  [[nodiscard]] double token() const noexcept { return pass_cost_(sequences_) / static_cast<double>(sequences_); }

  /// Sequences of the newest pass.
  [[nodiscard]] std::size_t sequences() const noexcept { return sequences_; }

  /// Whether the newest pass had no other sequence.
  [[nodiscard]] bool alone() const noexcept { return sequences_ == 1; }

  /// Takes in an observed pass. The next one is assumed to have the same number of other rows.
  void observe(PassReport const& report) noexcept {
    pass_cost_.observe(report.rows, report.seconds);
    sequences_ = std::max<std::size_t>(report.sequences, 1);
    rows_ = report.rows;
    others_ = rows_ - rows_ / sequences_;
  }

 private:
  PassCost pass_cost_;
  std::size_t rows_ = 0;       // of the newest pass
  std::size_t others_ = 0;     // rows of the other sequences in a pass
  std::size_t sequences_ = 1;  // in a pass
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
