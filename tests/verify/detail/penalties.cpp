// SPDX-License-Identifier: MIT
#include <copyspec/verify/detail/penalties.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/rows.hpp"

using copyspec::DryOptions;
using copyspec::PenaltyOptions;
using copyspec::Token;
using copyspec::detail::apply_penalties;
using copyspec::detail::DryPenalty;
using copyspec::detail::TokenCounts;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();

using Row = std::vector<float>;

// Equal, or as near as floats that were rounded a few times.
bool near(float value, double expected) {
  if (std::isinf(expected) || std::isinf(value)) return static_cast<double>(value) == expected;
  return std::abs(value - expected) <= 1e-5 * std::max(1.0, std::abs(expected));
}

Row penalized(Row row, Tokens const& tokens, PenaltyOptions const& options) {
  TokenCounts counts;
  counts.reset(row.size(), options.window);
  counts.follow(tokens);
  apply_penalties(row, counts, options);
  return row;
}

Row dried(Row row, Tokens const& tokens, DryOptions const& options) {
  DryPenalty dry;
  dry.apply(row, tokens, options);
  return row;
}

// For each token, the longest repetition that it would go on with: all places, one token after the other.
std::map<Token, std::size_t> naive_repetitions(std::span<Token const> before, DryOptions const& options) {
  std::span const newest = before.last(std::min(before.size(), options.window));
  std::map<Token, std::size_t> repetitions;
  for (std::size_t end = 1; end < newest.size(); ++end) {
    std::size_t length = 0;
    while (length < end) {
      Token const token = newest[newest.size() - 1 - length];
      if (token < 0 || std::ranges::find(options.breakers, token) != options.breakers.end()) break;
      if (newest[end - 1 - length] != token) break;
      ++length;
    }
    if (length == 0 || length < options.allowed_length) continue;
    std::size_t& longest = repetitions[newest[end]];
    longest = std::max(longest, length);
  }
  return repetitions;
}

bool same_as_naive(Row const& dried, Row const& row, Tokens const& tokens, DryOptions const& options) {
  std::map<Token, std::size_t> const repetitions = naive_repetitions(tokens, options);
  for (std::size_t i = 0; i < row.size(); ++i) {
    double expected = row[i];
    auto const found = repetitions.find(static_cast<Token>(i));
    if (found != repetitions.end())
      expected -= options.multiplier * std::pow(static_cast<double>(options.base),
                                                static_cast<double>(found->second - options.allowed_length));
    if (!near(dried[i], expected)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("a repeated token is taken from as llama.cpp does") {
  Row const row = {2, -2, 0, 3, 5};
  CHECK(penalized(row, {0, 1, 2, 0}, {.repetition = 2}) == Row{1, -4, 0, 3, 5});
  CHECK(penalized(row, {0, 1, 2, 0}, {.frequency = 0.5F}) == Row{1, -2.5F, -0.5F, 3, 5});
  CHECK(penalized(row, {0, 1, 2, 0}, {.presence = 0.5F}) == Row{1.5F, -2.5F, -0.5F, 3, 5});
  CHECK(penalized(row, {0, 1, 2, 0}, {.repetition = 2, .frequency = 1, .presence = 0.25F}) ==
        Row{-1.25F, -5.25F, -1.25F, 3, 5});
  CHECK(penalized(row, {0, 1, 2, 0}, {.frequency = 1, .window = 1}) == Row{1, -2, 0, 3, 5});
  CHECK(penalized(row, {0, 1, 2, 0}, {.frequency = 1, .window = 0}) == row);
  CHECK(penalized(row, {}, {.repetition = 2}) == row);
  CHECK(penalized(row, {0, 0}, {.frequency = -1}) == Row{4, -2, 0, 3, 5});
  CHECK(penalized({-infinite, infinite}, {0, 1}, {.repetition = 0.5F, .frequency = -3, .presence = 1}) ==
        Row{-infinite, infinite});
}

TEST_CASE("penalties are those of naive formulas") {
  Random random(1);
  std::normal_distribution<float> normal;
  for (int round = 0; round < 500; ++round) {
    std::size_t const vocabulary = 1 + below(random, 50);
    Row const row = random_row(random, vocabulary);
    Tokens tokens;
    for (std::size_t i = below(random, 200); i > 0; --i)
      tokens.push_back(static_cast<Token>(below(random, vocabulary + 4)) - 2);
    PenaltyOptions options = {
        .repetition = std::exp(normal(random)), .frequency = normal(random), .presence = normal(random)};
    std::size_t const windows[] = {0, 1, 10, 64, PenaltyOptions::all_tokens};
    options.window = windows[below(random, 5)];
    Row const after = penalized(row, tokens, options);
    std::span const newest = std::span(tokens).last(std::min(tokens.size(), options.window));
    for (std::size_t i = 0; i < vocabulary; ++i) {
      auto const count = static_cast<double>(std::ranges::count(newest, static_cast<Token>(i)));
      double expected = row[i];
      if (count > 0) {
        expected = expected <= 0 ? expected * options.repetition : expected / options.repetition;
        expected -= count * options.frequency + options.presence;
      }
      REQUIRE(near(after[i], expected));
    }
  }
}

TEST_CASE("what would go on with a repetition is taken from, the more the longer it is") {
  Row const row(10, 0.0F);
  DryOptions const options = {.multiplier = 1, .base = 2, .allowed_length = 2};
  auto const only = [&](std::size_t token, float logit) {
    Row expected = row;
    expected[token] = logit;
    return expected;
  };
  CHECK(dried(row, {1, 2, 3, 4, 1, 2, 3}, options) == only(4, -2));
  CHECK(dried(row, {1, 2, 3, 4, 2, 3}, options) == only(4, -1));
  CHECK(dried(row, {1, 2, 3, 4, 9, 3}, options) == row);
  CHECK(dried(row, {5, 5, 5}, options) == only(5, -1));
  CHECK(dried(row, {5, 5, 5, 5}, options) == only(5, -2));
  CHECK(dried(row, {7}, options) == row);
  CHECK(dried(row, {}, options) == row);
  // Of two repetitions with one token behind them, the longer counts.
  CHECK(dried(row, {0, 1, 2, 3, 4, 2, 3, 4, 1, 2, 3}, options) == only(4, -2));
  SUBCASE("beyond a breaker there is no repetition") {
    DryOptions broken = options;
    broken.breakers = {2};
    CHECK(dried(row, {1, 2, 3, 4, 1, 2, 3}, broken) == row);
    CHECK(dried(row, {1, 2, 3, 4, 5, 6, 2, 3, 4, 5}, broken) == only(6, -2));
    CHECK(dried(row, {4, 3, 2, 4, 3, 2}, broken) == row);
  }
  SUBCASE("a window hides what is older") {
    DryOptions narrow = options;
    narrow.window = 6;
    CHECK(dried(row, {1, 2, 3, 4, 1, 2, 3}, narrow) == only(4, -1));
    narrow.window = 5;
    CHECK(dried(row, {1, 2, 3, 4, 1, 2, 3}, narrow) == row);
    narrow.window = 0;
    CHECK(dried(row, {5, 5, 5, 5}, narrow) == row);
  }
}

TEST_CASE("what covers a position without a token is no repetition") {
  DryOptions const options = {.multiplier = 1, .base = 2, .allowed_length = 1};
  Row const row(5, 0.0F);
  CHECK(dried(row, {-1, -1, -1, 3, -1, -1, -1}, options) == row);
  CHECK(dried(row, {-1, -1, 2, 3, -1, -1, 2}, options) == Row{0, 0, 0, -1, 0});
  CHECK(dried(row, {2, -1, 2}, options) == row);
  CHECK(dried(row, {2, 7, 2}, options) == row);
}

TEST_CASE("repetitions are those of a naive search") {
  Random random(2);
  std::size_t found = 0;
  for (int round = 0; round < 3000; ++round) {
    std::size_t const vocabulary = 1 + below(random, round % 2 == 0 ? 4 : 30);
    Tokens tokens = copying_text(random, 1 + below(random, 150), vocabulary);
    for (Token& token : tokens)
      if (below(random, 60) == 0) token = static_cast<Token>(below(random, 3)) - 2;
    if (below(random, 3) == 0) std::ranges::fill(tokens, Token{0});
    DryOptions options = {.multiplier = 0.8F, .base = 1.0F + static_cast<float>(below(random, 4)) / 8};
    options.allowed_length = below(random, 5);
    std::size_t const windows[] = {0, 1, 2, 20, 1024, ~std::size_t{0}};
    options.window = windows[below(random, 6)];
    for (std::size_t i = below(random, 4); i > 1; --i)
      options.breakers.push_back(static_cast<Token>(below(random, vocabulary + 5)));
    // Tokens from here on are not of the row.
    Row const row = random_row(random, vocabulary);
    found += naive_repetitions(tokens, options).size();
    REQUIRE(same_as_naive(dried(row, tokens, options), row, tokens, options));
  }
  CHECK(found > 1500);
}

TEST_CASE("a penalty that is too great for a float makes no NaN") {
  Tokens const tokens(1000, 1);
  for (float const multiplier : {-2.0F, 1.0F, 2.0F}) {
    for (float const logit : {-infinite, -1.0F, infinite}) {
      Row const row = dried({0, logit}, tokens, {.multiplier = multiplier});
      CHECK(row[0] == 0.0F);
      CHECK_FALSE(std::isnan(row[1]));
      if (std::isinf(logit)) CHECK(row[1] == logit);
    }
  }
}

TEST_CASE("a window no greater than one before allocates nothing, and a growing one seldom") {
  Random random(3);
  Tokens const tokens = copying_text(random, 3000, 5);
  Row row(5, 0.0F);
  DryPenalty dry;
  DryOptions const options = {.multiplier = 0.01F, .base = 1, .breakers = {4}};
  std::size_t before = allocations();
  for (std::size_t length = 0; length <= 1024; ++length) dry.apply(row, std::span(tokens).first(length), options);
  CHECK(allocations() - before < 40);
  Tokens const same(2000, 1);
  before = allocations();
  for (std::size_t length = 1024; length <= tokens.size(); ++length)
    dry.apply(row, std::span(tokens).first(length), options);
  dry.apply(row, same, options);
  CHECK(allocations() == before);
}
