// SPDX-License-Identifier: MIT
#include <copyspec/verify/detail/suppressed_stops.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <limits>
#include <vector>

using copyspec::Token;
using copyspec::detail::SuppressedStops;

namespace {

constexpr float excluded = -std::numeric_limits<float>::infinity();
constexpr std::size_t all = std::numeric_limits<std::size_t>::max();

}  // namespace

TEST_CASE("stop tokens are excluded before the least number of new tokens, and not after it") {
  std::vector<Token> tokens{2, 0, 2};
  SuppressedStops const stops({.answer = 5, .stop_tokens = tokens, .min_new_tokens = 3});
  // A copy is kept.
  tokens.clear();
  CHECK(stops.at(5));
  CHECK(stops.at(7));
  CHECK_FALSE(stops.at(8));
  std::vector<float> row{1, 2, 3, 4};
  stops.exclude(row);
  CHECK(row == std::vector<float>{excluded, 2, excluded, 4});
}

TEST_CASE("without stop tokens, or a least number, nothing is suppressed") {
  std::vector<Token> const tokens{1};
  CHECK_FALSE(SuppressedStops().at(0));
  CHECK_FALSE(SuppressedStops({.answer = 5, .stop_tokens = tokens}).at(5));
  CHECK_FALSE(SuppressedStops({.answer = 5, .min_new_tokens = 3}).at(5));
}

TEST_CASE("the least number may be any, and stop tokens outside the row are passed over") {
  std::vector<Token> const tokens{-1, 4, std::numeric_limits<Token>::max(), 3};
  SuppressedStops const stops({.answer = 7, .stop_tokens = tokens, .min_new_tokens = all});
  CHECK(stops.at(7));
  CHECK(stops.at(all - 1));
  std::vector<float> row{1, 2, 3, 4};
  stops.exclude(row);
  CHECK(row == std::vector<float>{1, 2, 3, excluded});
}
