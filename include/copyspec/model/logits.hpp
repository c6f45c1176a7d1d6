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

/// Non-owning view of logits rows in host memory: row `i` is `vocabulary` scalars at `data + i * stride`.
///
/// Trivially copyable; pass by value. Valid as long as the memory it points to: for a `Model`, until the model's next
/// call. Threads: an immutable view, safe to read from several threads.
template <class ScalarType>
class LogitsView {
 public:
  using Scalar = ScalarType;

  /// No rows.
  constexpr LogitsView() noexcept = default;

  /// `stride` is the distance in scalars from one row to the next, at least `vocabulary`.
  constexpr LogitsView(Scalar const* data, std::size_t rows, std::size_t vocabulary, std::size_t stride) noexcept
      : data_(data), rows_(rows), vocabulary_(vocabulary), stride_(stride) {
    COPYSPEC_ASSERT(stride >= vocabulary, "rows overlap");
  }

  /// Contiguous rows: the stride is `vocabulary`.
  constexpr LogitsView(Scalar const* data, std::size_t rows, std::size_t vocabulary) noexcept
      : LogitsView(data, rows, vocabulary, vocabulary) {}

  [[nodiscard]] constexpr Scalar const* data() const noexcept { return data_; }
  [[nodiscard]] constexpr std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] constexpr std::size_t vocabulary() const noexcept { return vocabulary_; }
  [[nodiscard]] constexpr std::size_t stride() const noexcept { return stride_; }

  /// Row `index`, of `vocabulary()` scalars. O(1).
  [[nodiscard]] constexpr std::span<Scalar const> row(std::size_t index) const noexcept {
    COPYSPEC_ASSERT(index < rows_, "row out of range");
    return {data_ + index * stride_, vocabulary_};
  }

  /// The `count` rows starting at `first`, e.g. those of one segment of a pass. O(1).
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

/// A row as floats: the row itself if it holds floats, otherwise a copy in `space`. O(row). Allocates only when `space`
/// has to grow. The result is valid as long as `row` and `space`.
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
