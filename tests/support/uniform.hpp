// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <random>

namespace copyspec_test {

// A number below `bound`.
inline std::size_t below(std::mt19937_64& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

// A number from 0 to 1.
inline double uniform(std::mt19937_64& random) {
  return std::uniform_real_distribution<double>(0, 1)(random);
}

}  // namespace copyspec_test
