// SPDX-License-Identifier: MIT
#include <copyspec/verify/detail/token_counts.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"

using copyspec::Token;
using copyspec::detail::TokenCounts;

namespace {

using Counts = std::map<Token, std::uint32_t>;

constexpr std::size_t all_tokens = ~std::size_t{0};

Counts counted(TokenCounts const& counts) {
  Counts all;
  counts.for_each([&](Token token, std::uint32_t count) {
    REQUIRE(count > 0);
    REQUIRE(all.emplace(token, count).second);
  });
  return all;
}

Counts naive(std::span<Token const> tokens, std::size_t vocabulary, std::size_t window) {
  Counts all;
  for (Token const token : tokens.last(std::min(tokens.size(), window)))
    if (token >= 0 && static_cast<std::size_t>(token) < vocabulary) ++all[token];
  return all;
}

// Among them some that hold no token, and some beyond the vocabulary.
Token random_token(Random& random, std::size_t vocabulary) {
  return static_cast<Token>(below(random, vocabulary + 5)) - 3;
}

}  // namespace

TEST_CASE("a context that grows, or is cut and goes on otherwise, is counted as a count does") {
  Random random(1);
  for (int round = 0; round < 50; ++round) {
    std::size_t const vocabulary = 1 + below(random, 60);
    Tokens tokens;
    TokenCounts counts;
    // The same object, for one window after the other.
    for (std::size_t const window : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{64}, all_tokens}) {
      CAPTURE(window);
      counts.reset(vocabulary, window);
      REQUIRE(counted(counts).empty());
      for (int step = 0; step < 40; ++step) {
        std::size_t const most = step % 5 == 0 ? 150 : 4;
        if (below(random, 6) == 0) {
          tokens.resize(tokens.size() - std::min(tokens.size(), below(random, most)));
          counts.follow(tokens);
        }
        for (std::size_t i = below(random, most); i > 0; --i) tokens.push_back(random_token(random, vocabulary));
        counts.follow(tokens);
        REQUIRE(counted(counts) == naive(tokens, vocabulary, window));
      }
    }
  }
}

TEST_CASE("a context that is cut to fewer may be another one") {
  TokenCounts counts;
  counts.reset(10, 4);
  counts.follow(Tokens{1, 2, 3, 4, 5, 6});
  counts.follow(Tokens{7, 7, 8});
  CHECK(counted(counts) == Counts{{7, 2}, {8, 1}});
  counts.follow(Tokens{});
  CHECK(counted(counts).empty());
}

TEST_CASE("a window without a token of the vocabulary has none, and no vocabulary has none") {
  TokenCounts counts;
  counts.reset(4, all_tokens);
  counts.follow(Tokens{-1, -5, 4, 1000000});
  CHECK(counted(counts).empty());
  counts.reset(0, 64);
  counts.follow(Tokens{0, 1, 2});
  CHECK(counted(counts).empty());
}

TEST_CASE("following allocates nothing, also where all tokens of a window differ") {
  Random random(2);
  Tokens tokens = counting(0, 900);
  for (int i = 0; i < 2000; ++i) tokens.push_back(random_token(random, 1000));
  for (std::size_t const window : {std::size_t{0}, std::size_t{1}, std::size_t{64}, all_tokens}) {
    CAPTURE(window);
    TokenCounts counts;
    counts.reset(1000, window);
    std::size_t const before = allocations();
    for (std::size_t length = 0; length <= tokens.size(); length += 1 + length % 3)
      counts.follow(std::span(tokens).first(length));
    counts.follow(std::span(tokens).first(500));
    counts.follow(tokens);
    CHECK(allocations() == before);
    CHECK(counted(counts) == naive(tokens, 1000, window));
  }
}
