// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"
#include "support/mixing_decoder.hpp"
#include "support/mixing_drafts.hpp"
#include "support/texts.hpp"

using copyspec::MixingProposer;
using copyspec::Token;
using copyspec_test::decode;
using copyspec_test::draft_chain;
using copyspec_test::propose;
using copyspec_test::repeated;
using copyspec_test::Spent;
using copyspec_test::with_cost;

// What other implementations got wrong.

TEST_CASE("the drafted token is the most frequent continuation, not the latest that happens to be linked") {
  Tokens context;
  for (Token i = 0; i < 20; ++i) context = context + Tokens{1000 + i, 5, i == 19 ? 9 : 4};
  MixingProposer proposer = with_cost(0);
  CHECK(propose(proposer, context + Tokens{2000, 5}).front() == 4);
}

TEST_CASE("a bad step does not stop a text from being drafted for ever") {
  for (double const cost : {0.02, 0.3}) {
    CAPTURE(cost);
    MixingProposer proposer = with_cost(cost);
    Tokens text = repeated(counting(0, 30), 600);
    decode(proposer, text, 30, text.size());
    std::size_t const before = propose(proposer, text).size();
    CHECK(before == 48);
    // Each of the next steps is a bad one.
    for (Token i = 0; i < 10; ++i) propose(proposer, text = text + Tokens{1000 + i});
    text = text + repeated(counting(0, 30), 300);
    decode(proposer, text, text.size() - 300, text.size());
    CHECK(propose(proposer, text).size() == before);
  }
}

TEST_CASE("n-grams across the boundary of single-token appends are drafted from") {
  Tokens const context = counting(100, 30) + counting(110, 6);
  for (std::size_t boundary = 0; boundary <= context.size(); ++boundary) {
    CAPTURE(boundary);
    MixingProposer proposer = with_cost(0, 5);
    propose(proposer, std::span(context).first(boundary));
    CHECK(propose(proposer, context) == counting(116, 5));
  }
  MixingProposer proposer = with_cost(0, 5);
  for (std::size_t length = 1; length < context.size(); ++length)
    propose(proposer, std::span(context).first(length), 0);
  CHECK(propose(proposer, context) == counting(116, 5));
}

TEST_CASE("nothing of the previous request stays") {
  MixingProposer proposer = with_cost(0, 6);
  CHECK_FALSE(propose(proposer, counting(100, 30) + counting(100, 5)).empty());
  proposer.truncate(0);
  CHECK(propose(proposer, Tokens{9} + counting(100, 5)).empty());
  CHECK(propose(proposer, Tokens{9} + counting(100, 5) + Tokens{7, 6} + counting(100, 5)).front() == 7);
}

TEST_CASE("a context that was shifted leaves no stale positions") {
  // The first part of the context is dropped, as an engine does whose window is full.
  MixingProposer proposer = with_cost(0, 6);
  Tokens const text = counting(100, 40) + counting(500, 40) + counting(100, 10);
  CHECK(propose(proposer, text) == counting(110, 6));
  proposer.truncate(0);
  Tokens const shifted(text.begin() + 30, text.end());
  // 100 to 109 were said here for the first time; 109 is not followed by 110 any more.
  CHECK(propose(proposer, shifted).empty());
  CHECK(propose(proposer, shifted + counting(500, 10)) == counting(510, 6));
  // And an edit in the middle.
  proposer.truncate(20);
  Tokens edited(shifted.begin(), shifted.begin() + 20);
  edited = edited + counting(800, 10) + Tokens(edited.begin() + 10, edited.begin() + 20);
  CHECK(propose(proposer, edited) == counting(800, 6));
}

TEST_CASE("reading a prompt does not wipe what was read before") {
  MixingProposer proposer = with_cost(0, 8);
  Tokens const first = counting(100, 30);
  propose(proposer, first);
  Tokens const text = first + counting(1000, 30000) + counting(100, 6);
  CHECK(propose(proposer, text) == counting(106, 8));
  // Nor what is known from statistics only.
  MixingProposer other = with_cost(0);
  other.reserve(10000);
  propose(other, Tokens{1, 2, 3});
  CHECK(propose(other, Tokens{1, 2, 3} + repeated(counting(10, 7), 5000) + Tokens{5000, 1, 2}, 1) == Tokens{3});
  // Nor what is another sequence's.
  MixingProposer const original = with_cost(0, 8);
  MixingProposer mine = original;
  MixingProposer yours = original;
  propose(mine, first);
  propose(yours, counting(1000, 30000));
  CHECK(propose(mine, first + counting(100, 6)) == counting(106, 8));
}

TEST_CASE("a draft cut by the caller is not counted as rejected") {
  // A caller that feeds two tokens of each draft, however long it is.
  for (double const cost : {0.02, 0.2}) {
    CAPTURE(cost);
    Tokens const text = repeated(counting(0, 50), 2000);
    MixingProposer proposer = with_cost(cost);
    proposer.reserve(text.size());
    std::size_t drafted = 0;
    std::size_t steps = 0;
    for (std::size_t length = 100; length < 1990; length += 3) {
      std::size_t const offered = propose(proposer, std::span(text).first(length)).size();
      if (length < 500) continue;
      drafted += offered;
      ++steps;
    }
    CHECK(drafted > 40 * steps);
  }
}

TEST_CASE("a tight loop is drafted") {
  for (std::size_t period = 1; period <= 12; ++period) {
    CAPTURE(period);
    Tokens const loop = repeated(counting(50, period), 700);
    MixingProposer proposer = with_cost(0.02);
    for (std::size_t said = period + 3; said < period + 30; ++said) {
      MixingProposer fresh = with_cost(0);
      Tokens const draft = propose(fresh, std::span(loop).first(said));
      REQUIRE(draft.size() >= 2);
      REQUIRE(std::ranges::equal(draft, std::span(loop).subspan(said, draft.size())));
    }
    // At full length, once it has gone on for a while.
    decode(proposer, loop, period, 500);
    CHECK(propose(proposer, std::span(loop).first(500)).size() == 48);
    Spent const late = decode(proposer, loop, 500, loop.size() - 4);
    CHECK(late.accepted == late.drafted);
    CHECK(late.passes <= 5);
  }
}

TEST_CASE("a match at position 0 is found by the default proposer") {
  MixingProposer proposer = with_cost(0, 1);
  CHECK(propose(proposer, Tokens{1, 2, 3, 4, 1, 2, 3}) == Tokens{4});
  MixingProposer other = with_cost(0, 1);
  CHECK(propose(other, Tokens{8, 9, 8}) == Tokens{9});
}

TEST_CASE("capacity equal to depth drafts, and goes on behind it") {
  for (std::size_t const depth : {8U, 9U, 16U, 64U, 100U, 256U, 1000U}) {
    CAPTURE(depth);
    MixingProposer proposer = with_cost(0, 1);
    proposer.reserve(depth);
    std::size_t const memory = proposer.memory_bytes();
    Tokens const context = counting(0, depth - 3) + counting(0, 3);
    CHECK(propose(proposer, context) == Tokens{3});
    CHECK(proposer.memory_bytes() == memory);
    CHECK(propose(proposer, context + counting(3, 3)) == Tokens{6 % static_cast<Token>(depth - 3)});
  }
}

TEST_CASE("the work of a step does not grow with the context: nothing far back is read, and nothing is allocated") {
  for (std::size_t const length : {2000U, 100000U}) {
    CAPTURE(length);
    Tokens text = repeated(counting(5, 7), length + 200);
    MixingProposer proposer = with_cost(0.02);
    proposer.reserve(length + 200);
    propose(proposer, std::span(text).first(length - 500));
    decode(proposer, text, length - 500, length);
    // Whatever would read the whole context now reads other tokens.
    std::fill_n(text.begin(), length - 64, Token{99});
    Tokens space(48);
    std::size_t const before = allocations();
    for (std::size_t end = length; end < length + 150; ++end) {
      std::size_t const drafted = draft_chain(proposer, std::span(text).first(end), space).length;
      REQUIRE(drafted == 48);
      for (std::size_t i = 0; i < space.size(); ++i) REQUIRE(space[i] == text[end - 7 + i % 7]);
    }
    CHECK(allocations() == before);
  }
}
