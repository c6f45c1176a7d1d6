// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <vector>

#include "../core/assert.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Rows of logits in host memory that somebody else owns: row `i` is `vocabulary` scalars at `data + i * stride`.
///
/// Trivially copyable, pass by value. Valid as long as what it points to: for a `Model`, until its next call.
template <class ScalarType>
class LogitsView {
 public:
  using Scalar = ScalarType;

  constexpr LogitsView() noexcept = default;

  /// `stride` counts scalars from one row to the next and is at least `vocabulary`.
  constexpr LogitsView(Scalar const* data, std::size_t rows, std::size_t vocabulary, std::size_t stride) noexcept
      : data_(data), rows_(rows), vocabulary_(vocabulary), stride_(stride) {
    COPYSPEC_ASSERT(stride >= vocabulary, "rows overlap");
  }

  /// Rows without gaps between them.
  constexpr LogitsView(Scalar const* data, std::size_t rows, std::size_t vocabulary) noexcept
      : LogitsView(data, rows, vocabulary, vocabulary) {}

  [[nodiscard]] constexpr Scalar const* data() const noexcept { return data_; }
  [[nodiscard]] constexpr std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] constexpr std::size_t vocabulary() const noexcept { return vocabulary_; }
  [[nodiscard]] constexpr std::size_t stride() const noexcept { return stride_; }

  /// One row, as long as the vocabulary.
  [[nodiscard]] constexpr std::span<Scalar const> row(std::size_t index) const noexcept {
    COPYSPEC_ASSERT(index < rows_, "row out of range");
    return {data_ + index * stride_, vocabulary_};
  }

  /// The `count` rows from `first` on, e.g. one segment's share of a pass.
  [[nodiscard]] constexpr LogitsView subview(std::size_t first, std::size_t count) const noexcept {
    COPYSPEC_ASSERT(first <= rows_ && count <= rows_ - first, "rows out of range");
    return {count == 0 ? data_ : data_ + first * stride_, count, vocabulary_, stride_};
  }

 private:
  Scalar const* data_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t vocabulary_ = 0;
  std::size_t stride_ = 0;
};

namespace detail {

/// A row as floats: the row itself, or a copy in `space`, which allocates only if it is shorter than ever before.
template <class Scalar>
[[nodiscard]] std::span<float const> as_floats(std::span<Scalar const> row, std::vector<float>& space) {
  if constexpr (std::same_as<Scalar, float>) {
    return row;
  } else {
    space.resize(row.size());
    std::ranges::transform(row, space.begin(), [](Scalar logit) { return static_cast<float>(logit); });
    return space;
  }
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
