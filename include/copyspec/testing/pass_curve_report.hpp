// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <string>

#include "../core/assert.hpp"
#include "../core/version.hpp"
#include "../cost/pass_level.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What a pass of `rows` costs, in passes of the first level's rows: on straight lines between levels, and beyond the
/// last as much as that. Needs levels at ascending row counts. O(log levels).
[[nodiscard]] inline double cost_between(std::span<PassLevel const> levels, std::size_t rows) noexcept {
  auto const next = std::ranges::lower_bound(levels, rows, {}, &PassLevel::rows);
  double const unit = levels.front().seconds;
  if (next == levels.end()) return levels.back().seconds / unit;
  if (next->rows == rows || next == levels.begin()) return next->seconds / unit;
  PassLevel const& last = *std::prev(next);
  double const part = static_cast<double>(rows - last.rows) / static_cast<double>(next->rows - last.rows);
  return (last.seconds + part * (next->seconds - last.seconds)) / unit;
}

}  // namespace detail
namespace testing {

/// Whether copying can pay with passes that take so long, in words: one or two sentences. Needs levels at ascending row
/// counts, the first of one row, and another. O(levels).
[[nodiscard]] inline std::string judge_pass_curve(std::span<PassLevel const> levels) {
  COPYSPEC_ASSERT(levels.size() > 1 && levels.front().rows == 1, "levels of one row and more");
  // A draft of usual length, or as near as there is.
  auto const beyond = std::ranges::upper_bound(levels, std::size_t{16}, {}, &PassLevel::rows);
  PassLevel const& usual = beyond - levels.begin() < 2 ? levels[1] : *std::prev(beyond);
  double const cost = usual.seconds / levels.front().seconds;
  double const row = std::max(0.0, (cost - 1) / static_cast<double>(usual.rows - 1));
  double const second = detail::cost_between(levels, 2) - 1;
  if (row >= 0.8)
    return fmt::format(
        "A row costs {:.2f} of a pass: this engine computes rows one by one, so copying cannot pay. Read each weight "
        "once for all rows of a pass.",
        row);
  std::string const each =
      second > 2 * row && second > 0.3
          ? fmt::format("The second row costs {:.2f} of a pass, and up to {} rows each costs {:.2f} on average", second,
                        usual.rows, row)
          : fmt::format("Up to {} rows, each costs {:.2f} of a pass", usual.rows, row);
  return fmt::format("{}: a draft of {} tokens pays if more than {:.1f} of them are accepted.", each, usual.rows - 1,
                     std::max(0.0, cost - 1));
}

/// A table of the levels with a bar for each, a line a row count, and what `judge_pass_curve` says. Needs what that
/// needs. O(levels).
[[nodiscard]] inline std::string describe_pass_curve(std::span<PassLevel const> levels) {
  double const unit = levels.front().seconds;
  double const widest = std::ranges::max_element(levels, {}, &PassLevel::seconds)->seconds;
  std::string text = " rows         ms  passes  a row more\n";
  PassLevel const* last = nullptr;
  for (PassLevel const& level : levels) {
    fmt::format_to(std::back_inserter(text), "{:5} {:10.2f} {:7.2f}", level.rows, 1000 * level.seconds,
                   level.seconds / unit);
    if (last == nullptr)
      text.append(12, ' ');
    else
      fmt::format_to(std::back_inserter(text), "{:12.3f}",
                     (level.seconds - last->seconds) / unit / static_cast<double>(level.rows - last->rows));
    text.append("  ").append(static_cast<std::size_t>(1 + 39 * level.seconds / widest), '#');
    if (last != nullptr && level.seconds < last->seconds)
      fmt::format_to(std::back_inserter(text), " less than {} rows", last->rows);
    text.append("\n");
    last = &level;
  }
  return text.append(judge_pass_curve(levels)).append("\n");
}

/// The curve as source code, with a cost for each number of rows up to the last: for `MixingOptions::pass_cost`. Needs
/// what `judge_pass_curve` needs. O(rows).
[[nodiscard]] inline std::string pass_cost_source(std::span<PassLevel const> levels) {
  std::string text = "copyspec::PassCost::table({";
  for (std::size_t rows = 1; rows <= levels.back().rows; ++rows) {
    if (rows > 1) text.append(rows % 12 == 1 ? ",\n                           " : ", ");
    fmt::format_to(std::back_inserter(text), "{:.2f}", detail::cost_between(levels, rows));
  }
  return text.append("})\n");
}

}  // namespace testing
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
