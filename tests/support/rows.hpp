// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <limits>
#include <random>
#include <vector>

#include "copying_text.hpp"

// Rows of logits of all kinds: flat, peaked, normal, of few different values, with infinities of one sign or both. Each
// gives a token.
inline std::vector<float> random_row(Random& random, std::size_t length) {
  constexpr float infinite = std::numeric_limits<float>::infinity();
  std::normal_distribution<float> normal;
  std::size_t const kind = below(random, 7);
  std::vector<float> row(length, 0.25F);
  for (float& logit : row) {
    if (kind == 1) logit = normal(random) + (below(random, 50) == 0 ? 12.0F : 0.0F);
    if (kind == 2 || kind >= 5) logit = 3 * normal(random);
    if (kind == 3) logit = static_cast<float>(below(random, 4)) - 2;
    if (kind == 4) logit = static_cast<float>(below(random, 40)) / 2 * (below(random, 2) == 0 ? 1.0F : -1.0F);
    if (kind >= 5 && below(random, 3) == 0) logit = -infinite;
    if (kind == 6 && below(random, 20) == 0) logit = infinite;
  }
  if (kind >= 5) row[below(random, length)] = normal(random);
  return row;
}

// A row of a normal distribution.
inline std::vector<float> normal_row(Random& random, std::size_t length, float deviation) {
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> row(length);
  for (float& logit : row) logit = normal(random);
  return row;
}
