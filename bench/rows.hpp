// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

namespace copyspec_bench {

inline constexpr std::size_t vocabulary = 151936;
inline constexpr std::size_t rows = 11;

/// Rows of logits, normal with a standard deviation of 3, whose greatest are the tokens 100, 101, ....
inline std::vector<float> make_logits(float greatest) {
  std::vector<float> logits(rows * vocabulary);
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.0F, 3.0F);
  std::ranges::generate(logits, [&] { return normal(random); });
  for (std::size_t row = 0; row < rows; ++row) logits[row * vocabulary + 100 + row] = greatest;
  return logits;
}

}  // namespace copyspec_bench
