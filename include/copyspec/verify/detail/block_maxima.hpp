// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The greatest logit of each block of a row. A search for great logits then reads the row once and a few blocks a
/// second time.
///
/// `take` is O(row), at memory bandwidth. Allocates only for a row longer than any before. Threads: one call at a time.
class BlockMaxima {
 public:
  /// Logits per block; the last block of a row may be shorter.
  static constexpr std::size_t block = 128;

  /// Reads `row`, which must stay valid and unchanged while this object is used. Returns false if it holds a NaN, or
  /// nothing above minus infinity.
  [[nodiscard]] bool take(std::span<float const> row) {
    using Block = Eigen::Array<float, static_cast<int>(block), 1>;
    row_ = row;
    maxima_.clear();
    maxima_.reserve((row.size() + block - 1) / block);
    greatest_ = -std::numeric_limits<float>::infinity();
    float sum = 0;
    std::size_t begin = 0;
    for (; row.size() - begin >= block; begin += block) {
      Eigen::Map<Block const> const values(row.data() + begin);
      maxima_.push_back(values.maxCoeff());
      sum += values.sum();
    }
    if (begin < row.size()) {
      float maximum = row[begin];
      for (float const value : row.subspan(begin)) {
        maximum = std::max(maximum, value);
        sum += value;
      }
      maxima_.push_back(maximum);
    }
    // A maximum can miss a NaN, but a sum cannot. Infinities of both signs also sum to NaN, so look again.
    auto const is_nan = [](float value) { return value != value; };
    if (is_nan(sum) && std::ranges::any_of(row, is_nan)) return false;
    for (float const maximum : maxima_) greatest_ = std::max(greatest_, maximum);
    return greatest_ > -std::numeric_limits<float>::infinity();
  }

  /// The row that was taken.
  [[nodiscard]] std::span<float const> row() const noexcept { return row_; }
  /// Number of blocks of the row.
  [[nodiscard]] std::size_t blocks() const noexcept { return maxima_.size(); }
  /// The greatest logit of block `index`.
  [[nodiscard]] float of(std::size_t index) const noexcept { return maxima_[index]; }
  /// The greatest logit of each block. Valid until the next `take`.
  [[nodiscard]] std::span<float const> all() const noexcept { return maxima_; }

  /// The greatest logit of the row.
  [[nodiscard]] float greatest() const noexcept { return greatest_; }

  /// Calls `visit(token, logit)` for each logit of at least `least`, in ascending token order. Reads only blocks that
  /// hold such a logit.
  template <class Visit>
  void for_each_at_least(float least, Visit&& visit) const {
    for (std::size_t b = 0; b < maxima_.size(); ++b) {
      if (maxima_[b] < least) continue;
      std::size_t const end = std::min(row_.size(), (b + 1) * block);
      for (std::size_t i = b * block; i < end; ++i)
        if (row_[i] >= least) visit(i, row_[i]);
    }
  }

 private:
  std::span<float const> row_;
  std::vector<float> maxima_;
  float greatest_ = -std::numeric_limits<float>::infinity();
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
