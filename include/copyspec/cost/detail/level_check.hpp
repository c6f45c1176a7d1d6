// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "../../core/error.hpp"
#include "../../core/version.hpp"
#include "../pass_level.hpp"
#include "row_classes.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

inline constexpr double shortest_pass = 1e-12;  ///< Seconds.
inline constexpr double longest_pass = 1e12;    ///< Seconds.

/// Throws `Error` that begins with `where` unless a `PassCost` can have learnt these levels: row counts ascend and are
/// tracked, seconds are within the bounds above, and there were passes. O(levels).
inline void require_levels(std::span<PassLevel const> levels, std::string const& where) {
  std::size_t before = 0;
  for (auto const& [rows, seconds, passes] : levels) {
    auto const refuse = [&, rows = rows](std::string const& what) {
      std::string message = where;
      message.append(": passes of ").append(std::to_string(rows)).append(" rows ").append(what);
      raise_error(ErrorCode::file, message);
    };
    if (rows <= before) refuse("come after passes of " + std::to_string(before));
    if (rows > RowClasses::most || !RowClasses::is_largest(rows)) refuse("are not tracked");
    if (!(seconds >= shortest_pass && seconds <= longest_pass))
      refuse("cannot take " + std::to_string(seconds) + " seconds");
    if (passes == 0) refuse("were never observed");
    before = rows;
  }
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
