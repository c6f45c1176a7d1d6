// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/version.hpp"
#include "../../cost/draft_length.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Copies of the rows that tokens of a draft were drawn from: `Draft::drawn_from`. A token that was not drawn has an
/// empty row.
///
/// O(row) a row kept. Allocates for longer rows than ever before: `max_predicted_tokens` rows. Threads: one call at a
/// time.
class DrawnRows {
 public:
  /// Forgets all rows.
  void clear() noexcept { size_ = 0; }

  /// How many tokens there are up to the last one that was drawn.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Token `place` was drawn from `row`. Needs: places ascend, and all rows of a draft are equally long.
  void keep(std::size_t place, std::span<float const> row) {
    COPYSPEC_ASSERT(place >= size_ && place < max_predicted_tokens, "places of a draft, ascending");
    values_.resize(std::max(values_.size(), max_predicted_tokens * row.size()));
    std::span<float> const kept = std::span(values_).subspan(place * row.size(), row.size());
    std::ranges::copy(row, kept.begin());
    std::fill(rows_.begin() + static_cast<std::ptrdiff_t>(size_), rows_.begin() + static_cast<std::ptrdiff_t>(place),
              std::span<float const>());
    rows_[place] = kept;
    size_ = place + 1;
  }

  /// Those of the first `count` tokens, as far as there are any. Valid until the next `keep` or `clear`.
  [[nodiscard]] std::span<std::span<float const> const> first(std::size_t count) const noexcept {
    return std::span(rows_).first(std::min(size_, count));
  }

 private:
  std::vector<float> values_;
  std::array<std::span<float const>, max_predicted_tokens> rows_{};
  std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
