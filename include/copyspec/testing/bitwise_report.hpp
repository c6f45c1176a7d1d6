// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <string>

#include "../core/version.hpp"
#include "bitwise.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace testing {

/// The greatest number of rows up to which all that were compared are bit for bit those of the `reference`, in
/// all contexts; 0 if none are. O(results^2).
template <BitwiseCount BitwiseRows::*reference>
[[nodiscard]] std::size_t equal_up_to(std::span<BitwiseRows const> results) noexcept {
  std::size_t most = 0;
  for (BitwiseRows const& result : results)
    if (std::ranges::none_of(results, [&](BitwiseRows const& other) {
          return other.rows <= result.rows && (other.*reference).differing > 0;
        }))
      most = std::max(most, result.rows);
  return most;
}

/// What can be promised after these results, in one sentence. O(results^2).
[[nodiscard]] inline std::string judge_bitwise(std::span<BitwiseRows const> results) {
  std::size_t const one = equal_up_to<&BitwiseRows::one>(results);
  std::size_t const two = equal_up_to<&BitwiseRows::two>(results);
  if (one > 0 && one >= two) return fmt::format("Rows are bit for bit those of passes of one row up to n = {}.", one);
  if (two > 0) return fmt::format("Rows are bit for bit those of passes of two rows from n = 2 to {}.", two);
  return "No promise: rows differ in bits from those of passes of one row and of two rows.";
}

/// A table of the results, a line for each context and number of rows, and what `judge_bitwise` says.
[[nodiscard]] inline std::string describe_bitwise(std::span<BitwiseRows const> results) {
  std::string text =
      "                  against passes of one row           against passes of two rows\n"
      "   held    n   rows  differ   largest  flips       rows  differ   largest  flips\n";
  auto const add = [&](BitwiseCount const& count) {
    fmt::format_to(std::back_inserter(text), "{:7} {:7} {:9.3g} {:6}", count.compared, count.differing, count.largest,
                   count.flips);
  };
  for (BitwiseRows const& result : results) {
    fmt::format_to(std::back_inserter(text), "{:7} {:4}", result.context, result.rows);
    add(result.one);
    text.append("    ");
    add(result.two);
    text.append("\n");
  }
  return text.append(judge_bitwise(results)).append("\n");
}

}  // namespace testing
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
