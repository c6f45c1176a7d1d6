// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "../core/version.hpp"
#include "pass_cost.hpp"
#include "pass_report.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What one sequence's rows cost, of passes that it shares with others: what they add to the pass, and the sequence's
/// share of what the pass costs without them. As if alone until a pass was observed.
///
/// O(1), and what `PassCost` takes. Threads: one call at a time.
class SequenceCost {
 public:
  explicit SequenceCost(PassCost pass_cost) : pass_cost_(std::move(pass_cost)) {}

  /// Of whole passes, as far as it is known.
  [[nodiscard]] PassCost const& pass_cost() const noexcept { return pass_cost_; }

  /// Of `rows` >= 1 rows.
  [[nodiscard]] double operator()(std::size_t rows) const noexcept {
    double const alone = pass_cost_(others_ + 1);
    return pass_cost_(others_ + rows) - alone + alone / static_cast<double>(sequences_);
  }

  /// A pass took its time. The next one is taken to have as many other rows.
  void observe(PassReport const& report) noexcept {
    pass_cost_.observe(report.rows, report.seconds);
    sequences_ = std::max<std::size_t>(report.sequences, 1);
    others_ = report.rows - report.rows / sequences_;
  }

 private:
  PassCost pass_cost_;
  std::size_t others_ = 0;     // rows that other sequences bring to a pass
  std::size_t sequences_ = 1;  // in it
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
