// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <limits>
#include <random>
#include <vector>

namespace copyspec_test {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

// A row of which some tokens cannot be said, but not all.
inline std::vector<float> any_logits(std::mt19937_64& random, std::size_t count) {
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> row(count);
  for (float& logit : row) logit = random() % 8 == 0 ? minus_infinity : normal(random);
  row[random() % count] = 0;
  return row;
}

}  // namespace copyspec_test
