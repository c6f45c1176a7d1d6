// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>

#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Classes of row counts, or of positions in a draft: one for each of the first `single`, then sixteen for each
/// doubling, up to `most`. A class is known by its largest row count.
///
/// Functions of their arguments, O(1).
struct RowClasses {
  static constexpr std::size_t single = 64;
  static constexpr std::size_t most = 512;
  static constexpr std::size_t count = single + 3 * 16;

  /// The class of `rows`, from 1 to `most`.
  [[nodiscard]] static constexpr std::size_t of(std::size_t rows) noexcept {
    if (rows <= single) return rows - 1;
    std::size_t const width = width_at(rows);
    std::size_t const doubling = static_cast<std::size_t>(std::countr_zero(width)) - 2;
    return single + 16 * doubling + (rows - 16 * width - 1) / width;
  }

  /// The largest row count of a class.
  [[nodiscard]] static constexpr std::size_t largest(std::size_t index) noexcept {
    if (index < single) return index + 1;
    std::size_t const doubling = (index - single) / 16;
    return (single + 4 * ((index - single) % 16 + 1)) << doubling;
  }

  /// Whether `rows` >= 1 is the largest row count of its class. No count beyond `most` is.
  [[nodiscard]] static constexpr bool is_largest(std::size_t rows) noexcept {
    return rows <= single || (rows <= most && rows % width_at(rows) == 0);
  }

 private:
  // How many row counts beyond `single` make one class.
  static constexpr std::size_t width_at(std::size_t rows) noexcept { return std::bit_floor(rows - 1) / 16; }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
