// SPDX-License-Identifier: MIT
#include <copyspec/detail/simd4.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

using copyspec::detail::Four;

TEST_CASE("four numbers are read and written where they stand") {
  std::array<float, 6> const from{1, 2, 3, 4, 5, 6};
  std::array<float, 6> to{};
  copyspec::detail::store_four(&to[1], 2 * copyspec::detail::load_four(&from[2]));
  CHECK(to == std::array<float, 6>{0, 6, 8, 10, 12, 0});
}

TEST_CASE("the exponential is within 3e-7 of the result") {
  double worst = 0;
  for (float x = -80; x < 80; x += 0.001F) {
    // A different number in each place.
    Four const given = copyspec::detail::fast_exp(Four{x, -x, x / 7, 0});
    for (std::size_t i = 0; i < 3; ++i) {
      double const expected = std::exp(static_cast<double>(i == 0 ? x : i == 1 ? -x : x / 7));
      worst = std::max(worst, std::abs(static_cast<double>(given[i]) / expected - 1));
    }
    REQUIRE(given[3] == 1);
  }
  CHECK(worst < 3e-7);
}

TEST_CASE("the logarithm is within 2e-7 of the result, or of one") {
  double worst = 0;
  for (float x = 1e-6F; x < 1e6F; x *= 1.0001F) {
    Four const given = copyspec::detail::fast_log(Four{x, 1 / x, 1 + x, 1});
    std::array<float, 3> const of{x, 1 / x, 1 + x};
    for (std::size_t i = 0; i < of.size(); ++i) {
      double const expected = std::log(static_cast<double>(of[i]));
      worst = std::max(worst, std::abs(static_cast<double>(given[i]) - expected) / std::max(1.0, std::abs(expected)));
    }
    REQUIRE(given[3] == 0);
  }
  CHECK(worst < 2e-7);
}
