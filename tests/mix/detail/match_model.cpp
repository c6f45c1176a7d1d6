// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/context_hashes.hpp>
#include <copyspec/mix/detail/match_model.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::Token;
using copyspec::detail::MatchModel;
using copyspec::detail::MatchPointer;
using copyspec::detail::MatchPointers;

namespace {

using Tokens = std::vector<Token>;
using Random = std::mt19937;

std::size_t below(Random& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

// Appends the last of `tokens`.
void append(MatchModel& match, std::span<Token const> tokens) {
  REQUIRE(tokens.size() == match.size() + 1);
  auto const token_at = [&](std::size_t position) { return tokens[position]; };
  match.append(token_at, copyspec::detail::ContextHashes(tokens.size(), token_at).three);
}

// Appends what is not yet in `match`, token by token. Reserves room, which forgets what was there, for a fresh one
// only.
void feed(MatchModel& match, Tokens const& tokens) {
  if (match.memory_bytes() == 0) match.reserve(10000);
  while (match.size() < tokens.size()) append(match, std::span(tokens).first(match.size() + 1));
}

MatchPointers pointers(Tokens const& tokens) {
  MatchModel match;
  feed(match, tokens);
  return match.pointers();
}

Tokens counting(Token first, std::size_t count) {
  Tokens tokens(count);
  for (std::size_t i = 0; i < count; ++i) tokens[i] = first + static_cast<Token>(i);
  return tokens;
}

Tokens repeated(Tokens const& period, std::size_t count) {
  Tokens tokens;
  for (std::size_t i = 0; i < count; ++i) tokens.push_back(period[i % period.size()]);
  return tokens;
}

Tokens operator+(Tokens tokens, Tokens const& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
  return tokens;
}

// How many tokens before `position` are equal to the newest ones.
std::size_t equal_before(std::span<Token const> tokens, std::size_t position) {
  std::size_t length = 0;
  while (length < position && tokens[position - 1 - length] == tokens[tokens.size() - 1 - length]) ++length;
  return length;
}

// The places that a search may look at: those of the latest four occurrences of the last three tokens, latest first, in
// the window if there is one.
std::vector<std::size_t> candidates(std::span<Token const> tokens, std::size_t window) {
  std::size_t const evicted = window == 0 || tokens.size() < window ? 0 : tokens.size() - window;
  std::vector<std::size_t> positions;
  if (tokens.size() < 3 || std::ranges::any_of(tokens.last(3), [](Token token) { return token < 0; })) return positions;
  for (std::size_t position = tokens.size() - 1; position >= std::max<std::size_t>(3, evicted + 1); --position)
    if (equal_before(tokens, position) >= 3) positions.push_back(position);
  positions.resize(std::min<std::size_t>(positions.size(), 4));
  return positions;
}

// The rules by scans of all tokens.
struct Scanner {
  struct Pointer {
    bool active = false;
    std::size_t position = 0;
    std::size_t length = 0;
    std::size_t misses = 0;
    std::vector<bool> outcomes;

    void go_on(bool right) {
      ++position;
      outcomes.push_back(right);
      length = right ? length + 1 : 0;
      if (!right) ++misses;
      bool const four = outcomes.size() >= 4 && std::count(outcomes.end() - 4, outcomes.end(), true) == 4;
      if (right && four) misses = 0;
    }
    [[nodiscard]] std::uint8_t history() const {
      unsigned history = 0;
      for (bool const right : outcomes) history = history << 1 | (right ? 1U : 0U);
      return static_cast<std::uint8_t>(history);
    }
  };

  std::size_t window = 0;
  Tokens tokens = {};
  Pointer longest = {};
  Pointer recovered = {};

  void append(Token token) {
    bool failed = false;
    if (longest.active) {
      longest.go_on(tokens[longest.position] == token);
      failed = longest.length == 0;
    }
    if (recovered.active) recovered.go_on(tokens.at(recovered.position) == token);
    tokens.push_back(token);
    if (failed) longest.active = false;
    if (!longest.active) {
      longest.length = longest.misses = 0;
      for (std::size_t const position : candidates(tokens, window)) {
        std::size_t const length = std::min<std::size_t>(equal_before(tokens, position), 32);
        if (length <= longest.length) continue;
        longest.active = true;
        longest.position = position;
        longest.length = length;
      }
    }
    if (recovered.misses > 4) recovered.active = false;
    if (!longest.active || (recovered.active && recovered.position == longest.position)) return;
    bool const lost = recovered.length == 0 && longest.length > 3;
    bool const beaten = recovered.length < longest.length && longest.length >= 16;
    if (recovered.active && !lost && !beaten) return;
    recovered.misses = recovered.active ? std::min<std::size_t>(recovered.misses, 2) : 0;
    recovered.active = true;
    recovered.position = longest.position;
    recovered.length = longest.length;
    recovered.outcomes = {true, true, true};
  }
};

void check_same(MatchPointer const& actual, Scanner::Pointer const& expected) {
  REQUIRE(actual.active == expected.active);
  if (!actual.active) return;
  REQUIRE(actual.position == expected.position);
  REQUIRE(actual.length == expected.length);
  REQUIRE(actual.misses == expected.misses);
  REQUIRE(actual.history == expected.history());
}

// Each pointer is what a scan says, and the match in hand is one.
void check_stream(Tokens const& tokens, std::size_t window = 0) {
  MatchModel match(window);
  match.reserve(10 * tokens.size());
  Scanner scanner{.window = window};
  unsigned hits = 0;
  for (std::size_t size = 1; size <= tokens.size(); ++size) {
    CAPTURE(size);
    MatchPointer const before = match.pointers().longest;
    hits = hits << 1 | (before.active && tokens[before.position] == tokens[size - 1] ? 1U : 0U);
    // A copy each time: the tokens may move between calls.
    Tokens const context(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(size));
    append(match, context);
    scanner.append(context.back());
    REQUIRE(match.size() == size);
    auto const& [longest, recovered, recent] = match.pointers();
    check_same(longest, scanner.longest);
    check_same(recovered, scanner.recovered);
    REQUIRE(recent == static_cast<std::uint8_t>(hits));
    if (recovered.active) REQUIRE(recovered.position < size);
    if (recovered.active) REQUIRE(recovered.length <= equal_before(context, recovered.position));
    if (recovered.active && window > 0) REQUIRE(recovered.position + window > size);
    if (longest.active && window > 0) REQUIRE(longest.position + window > size);
    if (!longest.active) continue;
    REQUIRE(longest.position < size);
    REQUIRE(longest.length >= MatchPointers::min_length);
    REQUIRE(longest.length <= equal_before(context, longest.position));
  }
}

bool same(MatchPointer const& a, MatchPointer const& b) {
  return a.active == b.active && a.length == b.length && a.misses == b.misses && a.history == b.history &&
         (!a.active || a.position == b.position);
}

bool same(MatchPointers const& a, MatchPointers const& b) {
  return same(a.longest, b.longest) && same(a.recovered, b.recovered) && a.hits == b.hits;
}

// Text that copies what it said before, with edits.
Tokens copying(Random& random, std::size_t count, std::size_t vocabulary, std::size_t edit_every) {
  Tokens tokens;
  while (tokens.size() < count) {
    if (tokens.size() < 8 || below(random, 4) == 0) {
      for (std::size_t left = 1 + below(random, 12); left > 0; --left)
        tokens.push_back(static_cast<Token>(below(random, vocabulary)));
      continue;
    }
    std::size_t from = below(random, tokens.size());
    for (std::size_t left = 1 + below(random, 80); left > 0; --left) {
      std::size_t const edit = below(random, edit_every * 3);
      if (edit == 0) tokens.push_back(static_cast<Token>(below(random, vocabulary)));  // insert
      if (edit == 1) ++from;                                                           // leave out
      if (from >= tokens.size()) break;
      tokens.push_back(edit == 2 ? static_cast<Token>(below(random, vocabulary)) : tokens[from]);
      ++from;
    }
  }
  tokens.resize(count);
  return tokens;
}

}  // namespace

TEST_CASE("on random tokens the pointers are those of a scan") {
  Random random(1);
  for (std::size_t const vocabulary : {1U, 2U, 3U, 6U, 30U, 150000U}) {
    CAPTURE(vocabulary);
    for (int round = 0; round < 8; ++round) {
      Tokens tokens(300);
      for (Token& token : tokens) token = static_cast<Token>(below(random, vocabulary));
      check_stream(tokens);
    }
  }
}

TEST_CASE("on copies with edits the pointers are those of a scan") {
  Random random(2);
  for (std::size_t const edit_every : {4U, 10U, 30U}) {
    for (int round = 0; round < 25; ++round) check_stream(copying(random, 500, 1000, edit_every));
    for (int round = 0; round < 10; ++round) check_stream(copying(random, 500, 5, edit_every));
  }
}

TEST_CASE("on periodic tokens, with one that breaks the period, the pointers are those of a scan") {
  for (std::size_t period = 1; period <= 40; ++period) {
    CAPTURE(period);
    Tokens tokens = repeated(counting(0, period), 220);
    check_stream(tokens);
    tokens[120] = 777;
    check_stream(tokens);
    tokens[121] = tokens[122] = tokens[123] = -1;
    check_stream(tokens);
  }
}

TEST_CASE("on words that repeat themselves on all scales the pointers are those of a scan") {
  Tokens thue_morse = {0};
  while (thue_morse.size() < 512)
    for (std::size_t i = 0, half = thue_morse.size(); i < half; ++i) thue_morse.push_back(1 - thue_morse[i]);
  check_stream(thue_morse);
  Tokens fibonacci = {0};
  for (Tokens before = {1}; fibonacci.size() < 500;) {
    Tokens const next = fibonacci + before;
    before = fibonacci;
    fibonacci = next;
  }
  check_stream(fibonacci);
}

TEST_CASE("with negative tokens the pointers are those of a scan") {
  Random random(3);
  for (int round = 0; round < 30; ++round) {
    Tokens tokens = copying(random, 300, 4, 20);
    for (Token& token : tokens)
      if (below(random, 25) == 0) token = below(random, 2) == 0 ? -1 : std::numeric_limits<Token>::min();
    check_stream(tokens);
  }
}

TEST_CASE("with a window the pointers are those of a scan of it, and never outside") {
  Random random(8);
  for (std::size_t const window : {1U, 2U, 3U, 4U, 7U, 40U, 150U}) {
    CAPTURE(window);
    for (std::size_t const vocabulary : {1U, 2U, 6U, 30U}) {
      Tokens tokens(400);
      for (Token& token : tokens) token = static_cast<Token>(below(random, vocabulary));
      check_stream(tokens, window);
    }
    for (std::size_t const edit_every : {4U, 10U, 30U}) {
      for (int round = 0; round < 10; ++round) check_stream(copying(random, 500, 1000, edit_every), window);
      for (int round = 0; round < 5; ++round) check_stream(copying(random, 500, 5, edit_every), window);
    }
    for (std::size_t period = 1; period <= 12; ++period) check_stream(repeated(counting(0, period), 200), window);
  }
}

TEST_CASE("a match that is longer than the window is carried on") {
  MatchModel match(50);
  feed(match, repeated(counting(0, 20), 500));
  CHECK(match.pointers().longest.position == 480);
  CHECK(match.pointers().longest.length == 480);
}

TEST_CASE("a match finder that begins behind some tokens is a fresh one there, and finds nothing before") {
  Random random(9);
  for (std::size_t const window : {3U, 60U}) {
    CAPTURE(window);
    for (int round = 0; round < 20; ++round) {
      Tokens const tokens = copying(random, 400, 8, 10);
      std::size_t const begin = below(random, 200);
      MatchModel used(window);
      MatchModel fresh(window);
      feed(used, copying(random, 1 + below(random, 300), 8, 10));
      fresh.reserve(10000);
      used.begin_at(begin);
      fresh.begin_at(begin);
      for (std::size_t i = begin + 1; i <= tokens.size(); ++i) {
        append(used, std::span(tokens).first(i));
        append(fresh, std::span(tokens).first(i));
        REQUIRE(same(used.pointers(), fresh.pointers()));
        if (used.pointers().longest.active) REQUIRE(used.pointers().longest.position > begin);
      }
    }
  }
}

TEST_CASE("nothing is a match before three tokens have come again") {
  CHECK_FALSE(pointers({}).longest.active);
  CHECK_FALSE(pointers({1, 2, 3}).longest.active);
  CHECK_FALSE(pointers({1, 2, 3, 4, 9, 2, 3}).longest.active);
  CHECK_FALSE(pointers({1, 1, 1}).longest.active);
  CHECK_FALSE(pointers({1, 2, 3, 4, 9, 2, 3}).recovered.active);
}

TEST_CASE("of the matches the longest is taken, and the newest of those that are equally long") {
  // Before the last token the match in hand is the newest, which fails with it.
  Tokens const first = {6, 5, 1, 2, 70};
  Tokens const second = {8, 5, 1, 2, 70};
  Tokens const third = {9, 5, 1, 2, 70};
  Tokens const newest = {7, 5, 1, 2, 71};
  MatchPointer const equal = pointers(first + second + third + newest + Tokens{4, 5, 1, 2, 70}).longest;
  CHECK(equal.position == 15);
  CHECK(equal.length == 4);
  MatchPointer const longer = pointers(first + second + third + newest + Tokens{8, 5, 1, 2, 70}).longest;
  CHECK(longer.position == 10);
  CHECK(longer.length == 5);
}

TEST_CASE("the latest four occurrences are compared, and of each at most 32 tokens") {
  Tokens const run = counting(100, 40);
  for (std::size_t others = 0; others <= 6; ++others) {
    CAPTURE(others);
    Tokens tokens = run + Tokens{1, -1};
    for (std::size_t i = 0; i < others; ++i) tokens = tokens + Tokens{static_cast<Token>(50 + i), 138, 139, 1, -1};
    tokens = tokens + run + Tokens{2, -2} + run;
    MatchPointer const in_hand = pointers(tokens).longest;
    CHECK(in_hand.position == tokens.size() - 42);
    CHECK(in_hand.length == 40);
    MatchPointer const longest = pointers(tokens + Tokens{1}).longest;
    CHECK(longest.position == (others < MatchPointers::max_candidates ? 41 : 41 + 5 * others));
    CHECK(longest.length == (others < MatchPointers::max_candidates ? MatchPointers::max_comparison : 3));
  }
}

TEST_CASE("a match grows with each token that continues it, whatever newer ones there are") {
  Tokens const run = counting(100, 100);
  Tokens tokens = run + Tokens{1, 110, 111, 112, 2};
  for (std::size_t i = 0; i < run.size(); ++i) {
    tokens.push_back(run[i]);
    MatchPointer const longest = pointers(tokens).longest;
    CHECK(longest.active == (i >= 2));
    if (!longest.active) continue;
    CHECK(longest.position == i + 1);
    CHECK(longest.length == i + 1);
  }
}

TEST_CASE("a match is gone with the first token that it has not") {
  MatchModel match;
  Tokens tokens = {1, 2, 3, 4, 5, 1, 2, 3, 4};
  feed(match, tokens);
  CHECK(match.pointers().longest.active);
  tokens.push_back(9);
  feed(match, tokens);
  CHECK_FALSE(match.pointers().longest.active);
  CHECK((match.pointers().hits & 3) == 2);
}

TEST_CASE("the recovered goes on behind a token that was replaced") {
  MatchModel match;
  Tokens tokens = counting(100, 40) + counting(100, 10) + Tokens{1};
  feed(match, tokens);
  CHECK_FALSE(match.pointers().longest.active);
  MatchPointer recovered = match.pointers().recovered;
  CHECK(recovered.active);
  CHECK(recovered.position == 11);
  CHECK(recovered.length == 0);
  CHECK(recovered.misses == 1);
  CHECK((recovered.history & 3) == 2);
  feed(match, tokens = tokens + counting(111, 2));
  CHECK_FALSE(match.pointers().longest.active);
  recovered = match.pointers().recovered;
  CHECK(recovered.position == 13);
  CHECK(recovered.length == 2);
  CHECK(recovered.misses == 1);
  feed(match, tokens = tokens + counting(113, 2));
  CHECK(match.pointers().recovered.misses == 0);
  CHECK(match.pointers().longest.position == match.pointers().recovered.position);
}

TEST_CASE("the recovered gives up when five tokens in a short time were others") {
  MatchModel match;
  Tokens tokens = counting(100, 40) + counting(100, 10);
  for (Token i = 0; i < 4; ++i) tokens = tokens + Tokens{i};
  feed(match, tokens);
  CHECK(match.pointers().recovered.active);
  CHECK(match.pointers().recovered.misses == 4);
  MatchModel other = match;
  feed(match, tokens + Tokens{4});
  CHECK_FALSE(match.pointers().recovered.active);
  // Four that are right make up for those before.
  feed(other, tokens = tokens + counting(114, 4));
  CHECK(other.pointers().recovered.misses == 0);
  for (Token i = 0; i < 4; ++i) tokens = tokens + Tokens{20 + i};
  feed(other, tokens);
  CHECK(other.pointers().recovered.active);
}

TEST_CASE("three tokens that are right do not make up for a failure") {
  MatchPointer pointer{.position = 0, .length = 9, .misses = 2, .history = 0xfe, .active = true};
  for (int i = 0; i < 3; ++i) pointer.advance(true);
  CHECK(pointer.misses == 2);
  CHECK(pointer.length == 12);
  pointer.advance(true);
  CHECK(pointer.misses == 0);
  CHECK(pointer.position == 4);
  CHECK(pointer.history == 0xef);
  for (int i = 0; i < 300; ++i) pointer.advance(false);
  CHECK(pointer.misses == 255);
  CHECK(pointer.length == 0);
  CHECK(pointer.position == 304);
}

TEST_CASE("a recovered that a token was left out of is brought back by a match of four, and keeps two misses") {
  Tokens const tokens = counting(100, 40) + counting(100, 10);
  MatchPointers found = pointers(tokens + counting(111, 3));
  CHECK(found.longest.position == 14);
  CHECK(found.recovered.position == 13);
  CHECK(found.recovered.length == 0);
  CHECK(found.recovered.misses == 3);
  found = pointers(tokens + counting(111, 4));
  CHECK(found.recovered.position == 15);
  CHECK(found.recovered.length == 4);
  CHECK(found.recovered.misses == 2);
}

TEST_CASE("a recovered that does well is left only for a match of sixteen that is longer") {
  // The recovered goes on in the first run, the longest match is found in the second.
  Tokens const first = counting(100, 60);
  Tokens const second = Tokens{1} + counting(111, 30) + Tokens{2};
  Tokens const tokens = first + second + counting(100, 10) + Tokens{3};
  for (std::size_t said = 3; said <= 20; ++said) {
    CAPTURE(said);
    MatchPointers const found = pointers(tokens + counting(111, said));
    CHECK(found.longest.position == first.size() + 1 + said);
    CHECK(found.recovered.position == 11 + said);
    CHECK(found.recovered.length == said);
  }
  // In a third it has a longer past.
  Tokens const third = Tokens{4, 3} + counting(111, 30) + Tokens{5};
  for (std::size_t said = 3; said <= 20; ++said) {
    CAPTURE(said);
    MatchPointers const found =
        pointers(first + third + Tokens{8} + counting(100, 10) + Tokens{3} + counting(111, said));
    std::size_t const there = first.size() + 2 + said;
    CHECK(found.longest.position == there);
    CHECK(found.longest.length == said + (found.longest.length > said ? 1 : 0));
    CHECK(found.recovered.position == (found.longest.length >= 16 && found.longest.length > said ? there : 11 + said));
  }
}

TEST_CASE("a chain of guesses is followed on a copy of the pointers") {
  Tokens tokens = counting(100, 40) + counting(100, 10);
  MatchModel match;
  feed(match, tokens);
  MatchPointers const before = match.pointers();
  MatchPointers chain = before;
  for (int i = 0; i < 100; ++i) {
    Token const next = tokens[chain.longest.position];
    std::size_t reads = 0;
    // Behind the end of the context the chain itself is read.
    tokens.push_back(next);
    chain.advance(next, [&](std::size_t position) {
      ++reads;
      return tokens.at(position);
    });
    CHECK(reads == 2);
    CHECK(chain.longest.length == 11 + static_cast<std::size_t>(i));
    CHECK(chain.longest.position == 11 + static_cast<std::size_t>(i));
    CHECK(chain.hits == 255);
  }
  CHECK(tokens[79] == 139);
  CHECK(tokens[80] == 100);
  CHECK(tokens[90] == 110);
  CHECK(same(match.pointers(), before));
}

TEST_CASE("pointers that point nowhere read nothing") {
  MatchPointers nowhere;
  nowhere.hits = 255;
  auto const none = [](std::size_t) -> Token {
    FAIL("nothing to be read");
    return 0;
  };
  nowhere.advance(5, none);
  CHECK_FALSE(nowhere.longest.active);
  CHECK_FALSE(nowhere.recovered.active);
  CHECK(nowhere.hits == 254);
}

TEST_CASE("memory is that of a match finder, and is allocated when it is reserved") {
  Random random(4);
  Tokens const tokens = copying(random, 20000, 50, 20);
  MatchModel match;
  CHECK(match.memory_bytes() == 0);
  match.reserve(tokens.size());
  std::size_t const memory = match.memory_bytes();
  CHECK(memory == copyspec::detail::MatchFinder::memory_bytes(tokens.size() + 1));
  std::size_t const before = allocations();
  for (std::size_t i = 1; i <= tokens.size(); ++i) append(match, std::span(tokens).first(i));
  match.begin_at(0);
  for (std::size_t i = 1; i <= tokens.size(); ++i) append(match, std::span(tokens).first(i));
  CHECK(allocations() == before);
  CHECK(match.memory_bytes() == memory);
}

TEST_CASE("with a window memory stays as it is when ten times as much is appended") {
  Random random(10);
  std::size_t const window = 1000;
  Tokens const tokens = copying(random, 11 * window, 50, 20);
  MatchModel match(window);
  match.reserve(window);
  for (std::size_t i = 1; i <= window; ++i) append(match, std::span(tokens).first(i));
  std::size_t const memory = match.memory_bytes();
  CHECK(memory == copyspec::detail::MatchFinder::memory_bytes(window + 1));
  std::size_t const before = allocations();
  for (std::size_t i = window + 1; i <= tokens.size(); ++i) append(match, std::span(tokens).first(i));
  match.reserve(tokens.size());
  CHECK(allocations() == before);
  CHECK(match.memory_bytes() == memory);
}

TEST_CASE("where room is made everything is forgotten, once") {
  MatchModel match;
  CHECK(match.reserve(100));
  feed(match, counting(0, 50));
  CHECK_FALSE(match.reserve(100));
  CHECK(match.size() == 50);
  CHECK(match.reserve(200));
  CHECK(match.size() == 0);
}

TEST_CASE("copies of a match finder go on independently") {
  MatchModel one;
  feed(one, {1, 2, 3, 4, 1, 2, 3});
  MatchModel other = one;
  feed(one, {1, 2, 3, 4, 1, 2, 3, 4});
  feed(other, {1, 2, 3, 4, 1, 2, 3, 9});
  CHECK(one.pointers().longest.position == 4);
  CHECK_FALSE(other.pointers().longest.active);
}

// What other implementations got wrong.

TEST_CASE("nothing of the previous request stays in a match finder that begins again") {
  Random random(6);
  for (int round = 0; round < 20; ++round) {
    MatchModel used;
    MatchModel fresh;
    used.reserve(10000);
    fresh.reserve(10000);
    feed(used, copying(random, 1 + below(random, 600), 6, 10));
    used.begin_at(0);
    CHECK(used.size() == 0);
    CHECK(same(used.pointers(), MatchPointers{}));
    Tokens const tokens = copying(random, 400, 6, 10);
    for (std::size_t i = 1; i <= tokens.size(); ++i) {
      append(used, std::span(tokens).first(i));
      append(fresh, std::span(tokens).first(i));
      REQUIRE(same(used.pointers(), fresh.pointers()));
    }
  }
}

TEST_CASE("a match at position 0 is found by the match finder") {
  MatchPointer const longest = pointers({1, 2, 3, 4, 1, 2, 3}).longest;
  CHECK(longest.active);
  CHECK(longest.position == 3);
  CHECK(longest.length == 3);
  // It begins at position 0, where there is nothing more to compare.
  CHECK(pointers({1, 2, 3, 4, 0, 0, 1, 2, 3, 9, 1, 2, 3, 4}).longest.length == 4);
}

TEST_CASE("a tight loop is a match that extends itself") {
  for (std::size_t period = 1; period <= 20; ++period) {
    CAPTURE(period);
    for (std::size_t said = period + 3; said < period + 100; ++said) {
      MatchPointers const found = pointers(repeated(counting(5, period), said));
      REQUIRE(found.longest.active);
      // One period back, and never at the present.
      REQUIRE(found.longest.position == said - period);
      REQUIRE(found.longest.length == said - period);
      REQUIRE(found.recovered.position == said - period);
    }
  }
}

TEST_CASE("tokens that come one at a time are matched across each boundary") {
  Tokens const tokens = counting(100, 12) + Tokens{1};
  for (std::size_t first = 0; first + 3 <= 12; ++first) {
    CAPTURE(first);
    Tokens const again(tokens.begin() + static_cast<std::ptrdiff_t>(first),
                       tokens.begin() + static_cast<std::ptrdiff_t>(first + 3));
    CHECK(pointers(tokens + again).longest.position == first + 3);
  }
}

TEST_CASE("one failure does not keep a match from being found for ever") {
  MatchModel match;
  Tokens tokens = counting(100, 10);
  for (int round = 0; round < 200; ++round) {
    tokens = tokens + counting(100, 5) + Tokens{static_cast<Token>(1000 + round)};
    feed(match, tokens);
    REQUIRE_FALSE(match.pointers().longest.active);
    feed(match, tokens = tokens + counting(100, 3));
    REQUIRE(match.pointers().longest.active);
    tokens = tokens + Tokens{static_cast<Token>(2000 + round)};
    feed(match, tokens);
  }
}

TEST_CASE("capacity equal to depth holds every match") {
  for (std::size_t const depth : {7U, 8U, 16U, 64U, 100U, 256U, 1000U}) {
    CAPTURE(depth);
    MatchModel match;
    match.reserve(depth);
    std::size_t const memory = match.memory_bytes();
    feed(match, counting(0, depth - 3) + counting(0, 3));
    CHECK(match.pointers().longest.position == 3);
    CHECK(match.memory_bytes() == memory);
  }
}

TEST_CASE("the work of a step does not grow with the context: what is far back is not read") {
  Random random(7);
  for (std::size_t const length : {1000U, 100000U}) {
    CAPTURE(length);
    Tokens tokens = repeated(counting(5, 7), length);
    MatchModel match;
    match.reserve(length + 100);
    feed(match, tokens);
    // Whatever would look through the whole context now finds other tokens in it.
    for (std::size_t i = 0; i + 64 < length; ++i) tokens[i] = static_cast<Token>(below(random, 12));
    for (std::size_t i = 0; i < 100; ++i) {
      tokens.push_back(static_cast<Token>(5 + (length + i) % 7));
      append(match, tokens);
      REQUIRE(match.pointers().longest.position == tokens.size() - 7);
      REQUIRE(match.pointers().longest.length == tokens.size() - 7);
    }
  }
}
