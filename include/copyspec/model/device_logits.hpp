// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../core/assert.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Logits rows in device memory: row `i` is `vocabulary` scalars at `data + i * stride`. The host must not dereference
/// `data()`. That is why this is not a `LogitsView` and has no `row()`: code that expects rows in host memory does not
/// compile with it.
///
/// Trivially copyable; pass by value. Valid as long as the memory it points to: for a `DeviceModel`, until the model's
/// next call. The rows are complete for work enqueued on the stream that wrote them. Threads: an immutable view, safe
/// to read from several threads.
template <class ScalarType>
class DeviceLogitsView {
 public:
  using Scalar = ScalarType;

  /// No rows.
  constexpr DeviceLogitsView() noexcept = default;

  /// `stride` is the distance in scalars from one row to the next, at least `vocabulary`.
  constexpr DeviceLogitsView(Scalar const* data, std::size_t rows, std::size_t vocabulary, std::size_t stride) noexcept
      : data_(data), rows_(rows), vocabulary_(vocabulary), stride_(stride) {
    COPYSPEC_ASSERT(stride >= vocabulary, "rows overlap");
  }

  /// Contiguous rows: the stride is `vocabulary`.
  constexpr DeviceLogitsView(Scalar const* data, std::size_t rows, std::size_t vocabulary) noexcept
      : DeviceLogitsView(data, rows, vocabulary, vocabulary) {}

  [[nodiscard]] constexpr Scalar const* data() const noexcept { return data_; }
  [[nodiscard]] constexpr std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] constexpr std::size_t vocabulary() const noexcept { return vocabulary_; }
  [[nodiscard]] constexpr std::size_t stride() const noexcept { return stride_; }

  /// The `count` rows starting at `first`. O(1).
  [[nodiscard]] constexpr DeviceLogitsView subview(std::size_t first, std::size_t count) const noexcept {
    COPYSPEC_ASSERT(first <= rows_ && count <= rows_ - first, "rows out of range");
    return {count == 0 ? data_ : data_ + first * stride_, count, vocabulary_, stride_};
  }

 private:
  Scalar const* data_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t vocabulary_ = 0;
  std::size_t stride_ = 0;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
