// SPDX-License-Identifier: MIT
#include <copyspec/detail/float_bits.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <random>

using copyspec::detail::bits_of_float;
using copyspec::detail::float_from_bits;
using copyspec::detail::ordered_bits;
using copyspec::detail::value_of_ordered;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("a float keeps its bits") {
  for (std::uint32_t const bits : {0U, 0x80000000U, 0x7F800000U, 0x00000001U, 0x7FC01234U})
    CHECK(bits_of_float(float_from_bits(bits)) == bits);
  CHECK(float_from_bits(0xFF800000U) == -infinite);
}

TEST_CASE("bits are ordered as their values are") {
  std::array<float, 11> const ascending = {-infinite,
                                           std::numeric_limits<float>::lowest(),
                                           -2,
                                           -1,
                                           -std::numeric_limits<float>::denorm_min(),
                                           0,
                                           std::numeric_limits<float>::denorm_min(),
                                           std::numeric_limits<float>::min(),
                                           1,
                                           std::numeric_limits<float>::max(),
                                           infinite};
  for (std::size_t i = 1; i < ascending.size(); ++i) CHECK(ordered_bits(ascending[i - 1]) < ordered_bits(ascending[i]));
  CHECK(ordered_bits(-0.0F) == ordered_bits(0.0F));
  std::mt19937 random(1);
  for (int round = 0; round < 100000; ++round) {
    float const a = float_from_bits(static_cast<std::uint32_t>(random()));
    float const b = float_from_bits(static_cast<std::uint32_t>(random()));
    if (std::isnan(a) || std::isnan(b)) continue;
    REQUIRE((ordered_bits(a) < ordered_bits(b)) == (a < b));
  }
}

TEST_CASE("ordered bits give their value back, both zeros the positive one") {
  for (float const value : {-infinite, -1.5F, -std::numeric_limits<float>::denorm_min(), 0.0F, 1e-40F, 3.0F, infinite})
    CHECK(bits_of_float(value_of_ordered(ordered_bits(value))) == bits_of_float(value));
  CHECK(bits_of_float(value_of_ordered(ordered_bits(-0.0F))) == 0);
}
