// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <cstddef>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "copying_text.hpp"

template <class Scalar>
Scalar const infinity = std::numeric_limits<Scalar>::infinity();
template <class Scalar>
Scalar const not_a_number = std::numeric_limits<Scalar>::quiet_NaN();

// The greatest logit, one logit after the other.
template <class Scalar>
std::optional<copyspec::Token> scan(std::span<Scalar const> row) {
  Scalar best = -infinity<Scalar>;
  std::optional<copyspec::Token> token;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] != row[i]) return std::nullopt;
    if (!(row[i] > best)) continue;
    best = row[i];
    token = static_cast<copyspec::Token>(i);
  }
  return token;
}

template <class Scalar>
std::optional<copyspec::Token> scan(std::vector<Scalar> const& row) {
  return scan(std::span<Scalar const>(row));
}

// Few different values, so that many are equal, or many.
template <class Scalar>
std::vector<Scalar> coarse_row(Random& random, std::size_t length, std::size_t values) {
  std::vector<Scalar> row(length);
  for (Scalar& logit : row) logit = Scalar(static_cast<float>(below(random, values)) / 8.0F - 4.0F);
  return row;
}
