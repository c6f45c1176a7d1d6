// SPDX-License-Identifier: MIT
#include <copyspec/token_rank.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>

using copyspec::rank_of;
using copyspec::Token;
using copyspec::token_of_rank;
using copyspec::value_of_rank;

TEST_CASE("ranks are ordered by value, then by token, the lower one first") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  CHECK(rank_of(1, 5) > rank_of(0.5F, 0));
  CHECK(rank_of(-1, 5) > rank_of(-2, 0));
  CHECK(rank_of(1, 5) > rank_of(1, 6));
  CHECK(rank_of(-0.0F, 5) == rank_of(0.0F, 5));
  CHECK(rank_of(infinity, 0x7FFFFFFF) > rank_of(std::numeric_limits<float>::max(), 0));
  CHECK(rank_of(-infinity, 0x7FFFFFFF) > 0);
  CHECK(rank_of(infinity, 0) < ~std::uint64_t{0});
}

TEST_CASE("a rank tells its value and its token") {
  std::mt19937 random(1);
  for (int i = 0; i < 10000; ++i) {
    float const value = std::normal_distribution<float>(0, 20)(random);
    auto const token = static_cast<Token>(random() >> 1U);
    CHECK(value_of_rank(rank_of(value, token)) == value);
    CHECK(token_of_rank(rank_of(value, token)) == token);
  }
}
