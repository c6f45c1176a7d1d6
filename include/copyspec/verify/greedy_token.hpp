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

/// The token with the greatest logit; the lowest id among equals, where -0 equals +0. Nothing if the row holds a NaN
/// or nothing above minus infinity.
///
/// Reads the row once, at the speed of memory: a maximum and a sum over blocks, then a search in one block. `Scalar` is
/// any floating-point type that Eigen knows. No allocation.
template <class Scalar>
[[nodiscard]] std::optional<Token> greedy_token(std::span<Scalar const> row) noexcept {
  // Five vector registers of maxima and five of sums: enough to hide the latency of an addition, and few enough to stay
  // registers. Measured beside four, six and eight, and blocks of 16 to 256.
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
  // A NaN slips through a maximum but not through a sum; infinities of both signs also make one, so look again.
  auto const is_nan = [](Scalar value) { return value != value; };
  if (is_nan(sum) && std::ranges::any_of(row, is_nan)) return std::nullopt;
  if (!(best > -std::numeric_limits<Scalar>::infinity())) return std::nullopt;
  auto const found = std::find(row.begin() + static_cast<std::ptrdiff_t>(best_begin), row.end(), best);
  return static_cast<Token>(found - row.begin());
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
