// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>

#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Classes of row counts, or of positions in a draft: one for each of the first `single`, then four for each
/// doubling, up to `most`. A class is known by its largest row count.
///
/// Functions of their arguments, O(1).
struct RowClasses {
  static constexpr std::size_t single = 64;
  static constexpr std::size_t most = 512;
  static constexpr std::size_t per_doubling = 4;
  static constexpr std::size_t count = single + 3 * per_doubling;

  /// The class of `rows`, from 1 to `most`.
  [[nodiscard]] static constexpr std::size_t of(std::size_t rows) noexcept {
    if (rows <= single) return rows - 1;
    std::size_t const width = width_at(rows);
    auto const doubling = static_cast<std::size_t>(std::countr_zero(width / narrowest));
    return single + per_doubling * doubling + (rows - per_doubling * width - 1) / width;
  }

  /// The largest row count of a class.
  [[nodiscard]] static constexpr std::size_t largest(std::size_t index) noexcept {
    if (index < single) return index + 1;
    std::size_t const doubling = (index - single) / per_doubling;
    return (single + narrowest * ((index - single) % per_doubling + 1)) << doubling;
  }

  /// Whether `rows` >= 1 is the largest row count of its class. No count beyond `most` is.
  [[nodiscard]] static constexpr bool is_largest(std::size_t rows) noexcept {
    return rows <= single || (rows <= most && rows % width_at(rows) == 0);
  }

 private:
  static constexpr std::size_t narrowest = single / per_doubling;

  // How many row counts beyond `single` make one class.
  static constexpr std::size_t width_at(std::size_t rows) noexcept { return std::bit_floor(rows - 1) / per_doubling; }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
