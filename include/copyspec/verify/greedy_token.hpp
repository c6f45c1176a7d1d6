// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The token with the greatest logit; of equal logits (-0 equals +0) the lowest id. Nothing if the row holds a NaN, or
/// nothing above minus infinity.
///
/// O(row): one read at memory bandwidth, for a maximum and a sum over blocks, then a search in one block. `Scalar` is
/// any floating-point type that Eigen supports. No allocation. Threads: a function of its argument.
template <class Scalar>
[[nodiscard]] std::optional<Token> greedy_token(std::span<Scalar const> row) noexcept {
  // Five vector registers of maxima and five of sums: enough to hide the latency of an addition, and few enough to stay
  // in registers. Four, six and eight were measured too, and blocks of 16 to 256.
  constexpr std::size_t lanes = 5 * std::max<std::size_t>(EIGEN_MAX_ALIGN_BYTES, sizeof(Scalar)) / sizeof(Scalar);
  constexpr std::size_t block = 32 * lanes;
  using Lanes = Eigen::Array<Scalar, static_cast<int>(lanes), 1>;
  using MappedLanes = Eigen::Map<Lanes const>;

  Scalar best = -std::numeric_limits<Scalar>::infinity();
  std::size_t best_begin = 0;
  auto const offer = [&](Scalar maximum, std::size_t begin) {
    if (maximum > best) {
      best = maximum;
      best_begin = begin;
    }
  };
  Lanes sums = Lanes::Zero();
  std::size_t begin = 0;
  for (; row.size() - begin >= block; begin += block) {
    Lanes maxima = MappedLanes(row.data() + begin);
    sums += maxima;
    for (std::size_t i = lanes; i < block; i += lanes) {
      MappedLanes const values(row.data() + begin + i);
      maxima = maxima.max(values);
      sums += values;
    }
    offer(maxima.maxCoeff(), begin);
  }
  Scalar sum = sums.sum();
  for (std::size_t i = begin; i < row.size(); ++i) {
    offer(row[i], i);
    sum += row[i];
  }
  // A maximum can miss a NaN, but a sum cannot. Infinities of both signs also sum to NaN, so look again.
  auto const is_nan = [](Scalar value) { return value != value; };
  if (is_nan(sum) && std::ranges::any_of(row, is_nan)) return std::nullopt;
  if (!(best > -std::numeric_limits<Scalar>::infinity())) return std::nullopt;
  auto const found = std::find(row.begin() + static_cast<std::ptrdiff_t>(best_begin), row.end(), best);
  return static_cast<Token>(found - row.begin());
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
