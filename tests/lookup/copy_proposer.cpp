// SPDX-License-Identifier: MIT
#include <copyspec/lookup/copy_proposer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::CopyOptions;
using copyspec::CopyProposer;
using copyspec::Occurrence;
using copyspec::published_rule;
using copyspec::Token;

namespace {

using Tokens = std::vector<Token>;
using Sizes = std::vector<std::size_t>;
using Random = std::mt19937;

std::size_t below(Random& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

constexpr Token untouched = -77;

// The draft for `context` in `space` tokens of room, which have a guard behind them.
Tokens propose(CopyProposer& proposer, Tokens const& context, std::size_t space) {
  Tokens room(space + 32, untouched);
  std::size_t const length = proposer.propose(context, std::span(room).first(space)).length;
  REQUIRE(length <= space);
  REQUIRE(std::ranges::count(std::span(room).subspan(space), untouched) == 32);
  room.resize(length);
  return room;
}

Tokens propose(CopyOptions const& options, Tokens const& context, std::size_t space = 64) {
  CopyProposer proposer(options);
  return propose(proposer, context, space);
}

// The rule by a scan: finds where the newest tokens were said, other than at what was evicted, and says on from there.
Tokens scan(CopyOptions const& options, Tokens const& context, std::size_t space, std::size_t evicted = 0) {
  std::size_t const length = options.match_length;
  if (context.size() < length) return {};
  std::span<Token const> const newest = std::span(context).last(length);
  if (std::ranges::any_of(newest, [](Token token) { return token < 0; })) return {};
  std::optional<std::size_t> source;
  for (std::size_t end = std::max(length, evicted + 1); end < context.size(); ++end) {
    if (!std::ranges::equal(std::span(context).subspan(end - length, length), newest)) continue;
    if (!source || options.occurrence == Occurrence::newest) source = end;
  }
  if (!source) return {};
  Tokens said = context;
  for (std::size_t at = *source; said.size() - context.size() < std::min(options.draft_length, space); ++at) {
    if (at == context.size() && !options.extend_loops) break;
    if (said[at] < 0) break;
    said.push_back(said[at]);
  }
  return {said.begin() + static_cast<std::ptrdiff_t>(context.size()), said.end()};
}

Tokens repeated(Tokens const& period, std::size_t count) {
  Tokens tokens;
  for (std::size_t i = 0; i < count; ++i) tokens.push_back(period[i % period.size()]);
  return tokens;
}

CopyOptions with_loops(CopyOptions options) {
  options.extend_loops = true;
  return options;
}

}  // namespace

static_assert(published_rule.match_length == 3 && published_rule.draft_length == 10);
static_assert(published_rule.occurrence == Occurrence::oldest && !published_rule.extend_loops);
static_assert(CopyOptions{}.match_length == 3 && CopyOptions{}.draft_length == 10);
static_assert(CopyOptions{}.occurrence == Occurrence::oldest && CopyOptions{}.extend_loops);
static_assert(CopyOptions{}.window == 0 && published_rule.window == 0);

TEST_CASE("the published rule copies what followed the first occurrence of the last three tokens") {
  Tokens const context = {9, 1, 2, 3, 4, 5, 6, 1, 2, 3, 7, 8, 1, 2, 3};
  CHECK(propose(published_rule, context) == Tokens{4, 5, 6, 1, 2, 3, 7, 8, 1, 2});
}

TEST_CASE("the published rule copies at most ten tokens, and at most up to the end of the context") {
  Tokens context;
  for (Token token = 0; token < 30; ++token) context.push_back(token);
  context.insert(context.end(), {0, 1, 2});
  CHECK(propose(published_rule, context) == Tokens{3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  CHECK(propose(published_rule, {1, 2, 3, 4, 1, 2, 3}) == Tokens{4, 1, 2, 3});
}

TEST_CASE("the published rule drafts nothing without a match of three tokens") {
  CHECK(propose(published_rule, {1, 2, 3, 4, 5}).empty());
  CHECK(propose(published_rule, {1, 2, 3, 4, 9, 2, 3}).empty());
}

TEST_CASE("the newest occurrence is copied where it is asked for") {
  Tokens const context = {1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3};
  CopyOptions options{.draft_length = 2};
  CHECK(propose(options, context) == Tokens{4, 1});
  options.occurrence = Occurrence::newest;
  CHECK(propose(options, context) == Tokens{5, 1});
}

TEST_CASE("a draft is no longer than its space") {
  Tokens const context = {1, 2, 3, 4, 5, 6, 7, 1, 2, 3};
  for (std::size_t space = 0; space <= 12; ++space) {
    CAPTURE(space);
    CHECK(propose(published_rule, context, space).size() == std::min<std::size_t>(space, 7));
    CHECK(propose(with_loops(published_rule), context, space).size() == std::min<std::size_t>(space, 10));
  }
}

TEST_CASE("a draft length of zero drafts nothing") {
  CHECK(propose({.draft_length = 0}, {1, 1, 1, 1, 1}).empty());
}

TEST_CASE("an empty space still takes the context in") {
  CopyProposer proposer;
  CHECK(propose(proposer, {1, 2, 3, 4}, 0).empty());
  CHECK(propose(proposer, {1, 2, 3, 4, 1, 2, 3}, 0).empty());
  CHECK(propose(proposer, {1, 2, 3, 4, 1, 2, 3}, 1) == Tokens{4});
}

TEST_CASE("a context shorter than the match has no draft") {
  CHECK(propose({}, {}).empty());
  CHECK(propose({}, {1, 1}).empty());
  CHECK(propose({}, {1, 1, 1}).empty());
  CHECK(propose({}, {1, 1, 1, 1}, 1) == Tokens{1});
}

TEST_CASE("a match of one token is enough where it is asked for") {
  CHECK(propose({.match_length = 1, .draft_length = 3}, {5, 6, 7, 5}) == Tokens{6, 7, 5});
  CHECK(propose({.match_length = 1, .draft_length = 3}, {5}).empty());
}

TEST_CASE("a tight loop is drafted to its full length") {
  for (std::size_t period = 1; period <= 7; ++period) {
    CAPTURE(period);
    Tokens loop(period);
    for (std::size_t i = 0; i < period; ++i) loop[i] = static_cast<Token>(i);
    for (Occurrence const occurrence : {Occurrence::oldest, Occurrence::newest}) {
      // As soon as three tokens have come again, and later.
      for (std::size_t said = period + 3; said < 40; ++said) {
        CAPTURE(said);
        Tokens const all = repeated(loop, said + 20);
        Tokens const expected(all.begin() + static_cast<std::ptrdiff_t>(said), all.end());
        CHECK(propose({.draft_length = 20, .occurrence = occurrence}, repeated(loop, said)) == expected);
      }
    }
  }
}

TEST_CASE("without the extension of loops a draft ends with the context") {
  CopyOptions options = published_rule;
  options.occurrence = Occurrence::newest;
  CHECK(propose(options, repeated({4}, 20)) == Tokens{4});
  CHECK(propose(options, repeated({4, 5, 6, 7}, 16)) == Tokens{4, 5, 6, 7});
  options.occurrence = Occurrence::oldest;
  CHECK(propose(options, repeated({4}, 8)) == Tokens{4, 4, 4, 4, 4});
}

TEST_CASE("a draft stops before a negative token") {
  CHECK(propose({}, {1, 2, 3, 4, 5, -1, 6, 1, 2, 3}) == Tokens{4, 5});
  CHECK(propose({}, {1, 2, 3, -1, 6, 1, 2, 3}).empty());
  CHECK(propose({.match_length = 1}, {-1, 3, 6, -5, 3}) == Tokens{6});
}

TEST_CASE("a draft may be written directly behind the context") {
  Tokens tokens = {1, 2, 1, 2, 1, untouched, untouched, untouched, untouched, untouched};
  CopyProposer proposer({.match_length = 2, .draft_length = 4});
  auto const draft = proposer.propose(std::span(tokens).first(5), std::span(tokens).subspan(5));
  CHECK(draft.length == 4);
  CHECK(tokens == Tokens{1, 2, 1, 2, 1, 2, 1, 2, 1, untouched});
}

TEST_CASE("a proposer asked twice answers the same") {
  CopyProposer proposer;
  Tokens const context = {1, 2, 3, 4, 1, 2, 3};
  Tokens const first = propose(proposer, context, 10);
  CHECK(propose(proposer, context, 10) == first);
}

TEST_CASE("a draft that was not accepted leaves nothing behind") {
  CopyProposer proposer;
  Tokens context = {1, 2, 3, 4, 5, 1, 2, 3};
  CHECK(propose(proposer, context, 2) == Tokens{4, 5});
  context.push_back(9);
  CHECK(propose(proposer, context, 10).empty());
  context.insert(context.end(), {4, 5, 1});
  CHECK(propose(proposer, context, 3) == Tokens{2, 3, 9});
  context.insert(context.end(), {2, 3});
  CHECK(propose(proposer, context, 1) == Tokens{4});
}

TEST_CASE("after a truncate the draft is that of the edited context") {
  CopyProposer proposer;
  CHECK(propose(proposer, {1, 2, 3, 4, 5, 6, 1, 2, 3}, 2) == Tokens{4, 5});
  proposer.truncate(3);
  CHECK(propose(proposer, {1, 2, 3, 7, 8, 9, 1, 2, 3}, 2) == Tokens{7, 8});
  proposer.truncate(5);
  CHECK(propose(proposer, {1, 2, 3, 7, 8, 4, 5, 6}, 2).empty());
}

TEST_CASE("copies go on independently") {
  CopyProposer const empty({.match_length = 2});
  CopyProposer one = empty;
  CHECK(propose(one, {1, 2, 3, 1, 2}, 1) == Tokens{3});
  CopyProposer other = one;
  CHECK(propose(other, {1, 2, 3, 1, 2, 4, 2, 3}, 1) == Tokens{1});
  CHECK(propose(one, {1, 2, 3, 1, 2, 5, 1, 2}, 1) == Tokens{3});
  CHECK(other.options().match_length == 2);
}

TEST_CASE("any options draft what a scan drafts, while the context grows and is cut") {
  Random random(1);
  std::size_t drafted = 0;
  for (int round = 0; round < 1000; ++round) {
    CAPTURE(round);
    CopyOptions const options{.match_length = 1 + below(random, 4),
                              .draft_length = below(random, 16),
                              .occurrence = below(random, 2) == 0 ? Occurrence::oldest : Occurrence::newest,
                              .extend_loops = below(random, 2) == 0,
                              .window = std::array<std::size_t, 6>{0, 0, 1, 4, 30, 100}[below(random, 6)]};
    std::size_t const vocabulary = 1 + below(random, 5);
    std::size_t const placeholders = below(random, 3);
    CopyProposer proposer(options);
    if (below(random, 2) == 0) proposer.reserve(below(random, 100));
    Tokens context;
    std::size_t evicted = 0;
    for (int step = 0; step < 60; ++step) {
      if (below(random, 6) == 0) {
        context.resize(below(random, context.size() + 1));
        proposer.truncate(context.size());
        evicted = std::min(evicted, context.size());
      }
      for (std::size_t i = below(random, 5); i > 0; --i)
        context.push_back(below(random, 20) < placeholders ? Token{-1} : static_cast<Token>(below(random, vocabulary)));
      std::size_t const space = below(random, 20);
      Tokens const draft = propose(proposer, context, space);
      if (options.window > 0 && context.size() > options.window)
        evicted = std::max(evicted, context.size() - options.window);
      REQUIRE(draft == scan(options, context, space, evicted));
      drafted += draft.size();
    }
  }
  CHECK(drafted > 20000);
}

TEST_CASE("with a window the oldest occurrence is the oldest that ends inside") {
  Tokens const context = {1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3, 6, 1, 2, 3};
  for (std::size_t window = 1; window <= 16; ++window) {
    CAPTURE(window);
    Tokens const draft = propose({.draft_length = 1, .window = window}, context);
    CHECK(draft == (window <= 4 ? Tokens{} : window <= 8 ? Tokens{6} : window <= 12 ? Tokens{5} : Tokens{4}));
  }
}

TEST_CASE("with a window memory stays as it is when ten times as much is said") {
  Random random(3);
  std::size_t const window = 500;
  Tokens tokens(11 * window);
  for (Token& token : tokens) token = static_cast<Token>(below(random, 8));
  Tokens space(32);
  CopyProposer proposer({.draft_length = 32, .window = window});
  std::size_t drafted = 0;
  for (std::size_t length = 1; length <= window; ++length)
    drafted += proposer.propose(std::span(tokens).first(length), space).length;
  std::size_t const memory = proposer.memory_bytes();
  std::size_t const before = allocations();
  for (std::size_t length = window; length <= tokens.size(); ++length) {
    drafted += proposer.propose(std::span(tokens).first(length), space).length;
    if (length % 50 == 0) proposer.truncate(length - 20);
  }
  proposer.reserve(tokens.size());
  CHECK(allocations() == before);
  CHECK(proposer.memory_bytes() == memory);
  CHECK(memory <= 30 * window + 3 * 1024 + 16);
  CHECK(drafted > 10000);
}

// What other implementations got wrong.

TEST_CASE("no draft on a tight loop") {
  CHECK(propose(published_rule, repeated({7}, 4)) == Tokens{7});
  CHECK(propose(with_loops(published_rule), repeated({7}, 4)) == Tokens(10, 7));
}

TEST_CASE("match at position 0 never found") {
  CHECK(propose(published_rule, {1, 2, 3, 4, 1, 2, 3}).front() == 4);
  CHECK(propose({.match_length = 1, .draft_length = 1}, {8, 9, 8}) == Tokens{9});
}

TEST_CASE("index of the previous request stays") {
  CopyProposer proposer;
  CHECK_FALSE(propose(proposer, {1, 2, 3, 4, 5, 1, 2, 3}, 10).empty());
  proposer.truncate(0);
  CHECK(propose(proposer, {9, 1, 2, 3}, 10).empty());
  CHECK(propose(proposer, {9, 1, 2, 3, 8, 1, 2, 3}, 1) == Tokens{8});
}

TEST_CASE("incremental update loses n-grams across the boundary") {
  Tokens const context = {1, 2, 3, 4, 5, 6, 7, 8, 3, 4, 5};
  for (std::size_t boundary = 0; boundary < context.size(); ++boundary) {
    CAPTURE(boundary);
    CopyProposer proposer;
    propose(proposer, Tokens(context.begin(), context.begin() + static_cast<std::ptrdiff_t>(boundary)), 10);
    CHECK(propose(proposer, context, 2) == Tokens{6, 7});
  }
}

TEST_CASE("capacity equal to depth") {
  // As much room as tokens, every n-gram a different one: none may be pushed out.
  for (std::size_t const depth : Sizes{7, 8, 16, 64, 100, 256, 1000}) {
    CAPTURE(depth);
    CopyProposer proposer({.draft_length = 1});
    proposer.reserve(depth);
    std::size_t const memory = proposer.memory_bytes();
    Tokens context;
    for (std::size_t i = 0; i < depth - 3; ++i) context.push_back(static_cast<Token>(i));
    context.insert(context.end(), {0, 1, 2});
    CHECK(propose(proposer, context, 1) == Tokens{3});
    CHECK(proposer.memory_bytes() == memory);
  }
}

TEST_CASE("nothing is allocated up to what was reserved") {
  Random random(2);
  Tokens tokens(3000);
  for (Token& token : tokens) token = static_cast<Token>(below(random, 8));
  Tokens space(32);
  CopyProposer proposer({.draft_length = 32});
  CHECK(proposer.memory_bytes() == 0);
  proposer.reserve(tokens.size());
  CHECK(proposer.memory_bytes() >= 26 * tokens.size());
  std::size_t const before = allocations();
  std::size_t drafted = 0;
  for (std::size_t length = 1; length <= tokens.size(); ++length) {
    drafted += proposer.propose(std::span(tokens).first(length), space).length;
    if (length % 50 == 0) proposer.truncate(length - 20);
  }
  CHECK(allocations() == before);
  CHECK(drafted > 1000);
}

TEST_CASE("a long context is read again in pieces where it has grown, and truncated in pieces") {
  constexpr std::size_t piece = CopyProposer::piece;
  Random random(21);
  Tokens text;
  while (text.size() < 3 * piece) text.push_back(static_cast<Token>(below(random, 30)));
  CopyProposer used;
  used.reserve(text.size());
  CHECK(!propose(used, text, 64).empty());
  std::size_t left = text.size();
  std::size_t pieces = 0;
  SUBCASE("grown") {
    used.reserve(2 * text.size());
    pieces = 2;
  }
  SUBCASE("truncated") {
    left = 1000;
    used.truncate(left);
    pieces = 1;
  }
  SUBCASE("grown while it is truncated") {
    left = piece + 5;
    used.truncate(left);
    used.reserve(2 * text.size());
    pieces = 1;
  }
  SUBCASE("a few tokens less") {
    left -= 100;
    used.truncate(left);
  }
  Tokens context(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(left));
  for (std::size_t i = 0; i < pieces; ++i) CHECK(propose(used, context, 64).empty());
  CopyProposer fresh;
  for (std::size_t i = 0; i < 20; ++i) {
    REQUIRE(propose(used, context, 64) == propose(fresh, context, 64));
    context.push_back(text[i]);
  }
}
