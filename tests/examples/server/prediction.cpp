// SPDX-License-Identifier: MIT
#include "examples/server/prediction.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "support/random.hpp"
#include "support/tokens.hpp"

using copyspec::Token;
using copyspec_server::prediction_overlap;
using copyspec_test::any_tokens;
using copyspec_test::Random;
using copyspec_test::Tokens;

namespace {

// The longest common subsequence, by the plain dynamic program.
std::size_t slow_overlap(std::span<Token const> a, std::span<Token const> b) {
  std::vector<std::vector<std::size_t>> longest(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j)
      longest[i][j] = a[i - 1] == b[j - 1] ? longest[i - 1][j - 1] + 1 : std::max(longest[i - 1][j], longest[i][j - 1]);
  return longest[a.size()][b.size()];
}

// Some tokens changed, left out or put in.
Tokens edited(Random& random, Tokens const& tokens, std::size_t vocabulary) {
  Tokens result;
  for (Token const token : tokens) {
    if (random.one_in(8)) continue;
    if (random.one_in(8)) result.push_back(static_cast<Token>(random.below(vocabulary)));
    result.push_back(random.one_in(8) ? static_cast<Token>(random.below(vocabulary)) : token);
  }
  return result;
}

}  // namespace

TEST_CASE("the overlap is the longest common subsequence, at every size about a word") {
  Random random(1);
  std::vector<std::size_t> const sizes{0, 1, 2, 31, 62, 63, 64, 65, 66, 127, 128, 129, 191, 192, 193, 300};
  for (std::size_t const predicted : sizes)
    for (std::size_t const answered : sizes)
      for (std::size_t const vocabulary : {1U, 2U, 5U, 100U}) {
        Tokens const prediction = any_tokens(random, vocabulary, predicted);
        Tokens const answer = any_tokens(random, vocabulary, answered);
        CAPTURE(predicted);
        CAPTURE(answered);
        CAPTURE(vocabulary);
        REQUIRE(prediction_overlap(prediction, answer) == slow_overlap(prediction, answer));
      }
}

TEST_CASE("the overlap of a text and an edited one is right too") {
  Random random(2);
  for (int round = 0; round < 400; ++round) {
    std::size_t const vocabulary = random.any_of<std::size_t>({2, 10, 1000});
    Tokens const prediction = any_tokens(random, vocabulary, random.below(200));
    Tokens const answer = edited(random, prediction, vocabulary);
    REQUIRE(prediction_overlap(prediction, answer) == slow_overlap(prediction, answer));
    REQUIRE(prediction_overlap(answer, prediction) == slow_overlap(prediction, answer));
  }
}

TEST_CASE("a text overlaps with all of itself, with all of its parts, and with nothing of others") {
  Random random(3);
  for (std::size_t size = 0; size < 200; ++size) {
    Tokens const text = any_tokens(random, 50, size);
    CHECK(prediction_overlap(text, text) == size);
    Tokens part;
    for (Token const token : text)
      if (random.one_in(2)) part.push_back(token);
    CHECK(prediction_overlap(text, part) == part.size());
    Tokens other = text;
    for (Token& token : other) token += 50;
    CHECK(prediction_overlap(text, other) == 0);
  }
}

TEST_CASE("any token may occur, the greatest and negative ones too") {
  Tokens const tokens{2147483647, -1, 0, -2147483647 - 1};
  CHECK(prediction_overlap(tokens, tokens) == 4);
  CHECK(prediction_overlap(tokens, Tokens{-1, 2147483647}) == 1);
}
