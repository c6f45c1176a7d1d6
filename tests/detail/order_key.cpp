// SPDX-License-Identifier: MIT
#include <copyspec/detail/order_key.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>

using copyspec::Token;
using copyspec::detail::order_key_of;
using copyspec::detail::token_of_order_key;
using copyspec::detail::value_of_order_key;

TEST_CASE("ranks are ordered by value, then by token, the lower one first") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  CHECK(order_key_of(1, 5) > order_key_of(0.5F, 0));
  CHECK(order_key_of(-1, 5) > order_key_of(-2, 0));
  CHECK(order_key_of(1, 5) > order_key_of(1, 6));
  CHECK(order_key_of(-0.0F, 5) == order_key_of(0.0F, 5));
  CHECK(order_key_of(infinity, 0x7FFFFFFF) > order_key_of(std::numeric_limits<float>::max(), 0));
  CHECK(order_key_of(-infinity, 0x7FFFFFFF) > 0);
  CHECK(order_key_of(infinity, 0) < ~std::uint64_t{0});
}

TEST_CASE("a rank tells its value and its token") {
  std::mt19937 random(1);
  for (int i = 0; i < 10000; ++i) {
    float const value = std::normal_distribution<float>(0, 20)(random);
    auto const token = static_cast<Token>(random() >> 1U);
    CHECK(value_of_order_key(order_key_of(value, token)) == value);
    CHECK(token_of_order_key(order_key_of(value, token)) == token);
  }
}
