// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/cost/draft_length.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"
#include "support/mixing_decoder.hpp"
#include "support/mixing_drafts.hpp"
#include "support/texts.hpp"

using copyspec::max_draft_tokens;
using copyspec::MixingProposer;
using copyspec::Token;
using copyspec_test::copying;
using copyspec_test::decode;
using copyspec_test::draft_chain;
using copyspec_test::propose;
using copyspec_test::repeated;
using copyspec_test::Spent;
using copyspec_test::untouched;
using copyspec_test::with_cost;

TEST_CASE("without anything to go by nothing is drafted") {
  MixingProposer proposer = with_cost(0);
  CHECK(propose(proposer, {}).empty());
  CHECK(propose(proposer, Tokens{5}).empty());
  CHECK(propose(proposer, Tokens{5, 6}).empty());
  CHECK(propose(proposer, Tokens{5, 6, 7}).empty());
}

TEST_CASE("what followed before is drafted, and goes on into the draft itself") {
  MixingProposer proposer = with_cost(0, 12);
  Tokens const said = Tokens{9} + counting(100, 20) + counting(100, 18);
  Tokens const draft = propose(proposer, said);
  REQUIRE(draft.size() > 4);
  CHECK(draft == (Tokens{118, 119} + repeated(counting(100, 20), draft.size() - 2)));
}

TEST_CASE("a draft is no longer than its space, the draft length and the longest chain") {
  CHECK(MixingProposer().draft_length() == max_draft_tokens);
  CHECK(with_cost(0, max_draft_tokens).draft_length() == max_draft_tokens);
  CHECK(with_cost(0, 0).draft_length() == 0);
  Tokens const loop = repeated({1, 2, 3, 4, 5}, 2000);
  for (std::size_t const draft_length : {0U, 1U, 7U, 47U, 48U, 49U, 63U, 64U, 65U, 200U, 511U, 512U}) {
    MixingProposer proposer = with_cost(0, draft_length);
    decode(proposer, loop, 20, 1800);
    // A pass has up to 512 rows, one of which is for the token before the draft.
    for (std::size_t const space : {0U, 1U, 5U, 47U, 48U, 49U, 63U, 64U, 65U, 200U, 511U, 512U, 700U})
      CHECK(propose(proposer, std::span(loop).first(1800), space).size() ==
            std::min({space, draft_length, max_draft_tokens - 1}));
  }
}

TEST_CASE("a draft length of more than 512 tokens is refused in words") {
  for (std::size_t const length : {std::size_t{513}, std::size_t{1000}, ~std::size_t{0}}) {
    std::string message;
    try {
      MixingProposer const proposer({.draft_length = length});
    } catch (copyspec::Error const& error) {
      CHECK(error.code() == copyspec::ErrorCode::bad_options);
      message = error.what();
    }
    CHECK(message == "a draft cannot have " + std::to_string(length) + " tokens, only up to 512");
  }
}

TEST_CASE("an empty space still takes the context in") {
  MixingProposer proposer = with_cost(0, 3);
  Tokens const context = {1, 2, 3, 4, 5, 1, 2, 3};
  for (std::size_t length = 0; length < context.size(); ++length)
    CHECK(propose(proposer, std::span(context).first(length), 0).empty());
  CHECK(propose(proposer, context) == Tokens{4, 5, 1});
}

TEST_CASE("a draft may be written directly behind the context") {
  Tokens tokens = repeated({1, 2, 3}, 30) + Tokens(10, untouched);
  MixingProposer proposer = with_cost(0, 8);
  auto const draft = draft_chain(proposer, std::span(tokens).first(30), std::span(tokens).subspan(30, 9));
  CHECK(draft.length == 8);
  CHECK(std::ranges::equal(std::span(tokens).first(38), repeated({1, 2, 3}, 38)));
  CHECK(tokens.back() == untouched);
}

TEST_CASE("a proposer that is asked twice answers the same") {
  Random random(1);
  Tokens const text = copying(random, 600, 8);
  for (double const cost : {0.0, 0.05, 0.5}) {
    MixingProposer proposer = with_cost(cost);
    MixingProposer other = with_cost(cost);
    for (std::size_t length = 0; length <= text.size(); length += 1 + below(random, 4)) {
      Tokens const draft = propose(proposer, std::span(text).first(length));
      REQUIRE(propose(proposer, std::span(text).first(length)) == draft);
      REQUIRE(propose(other, std::span(text).first(length)) == draft);
    }
  }
}

TEST_CASE("only tokens of the context are drafted, and none that is negative") {
  Random random(2);
  std::size_t drafted = 0;
  for (int round = 0; round < 100; ++round) {
    MixingProposer proposer = with_cost(0);
    Tokens text = copying(random, 300, 1 + below(random, 30));
    // Beyond what statistics hold, and what is no token of text.
    for (Token& token : text) {
      if (below(random, 15) == 0) token = std::numeric_limits<Token>::max() - token;
      if (below(random, 15) == 0) token = below(random, 2) == 0 ? -1 : std::numeric_limits<Token>::min();
    }
    for (std::size_t length = 1; length <= text.size(); length += 1 + below(random, 4)) {
      auto const context = std::span(text).first(length);
      for (Token const token : propose(proposer, context)) {
        REQUIRE(token >= 0);
        REQUIRE(std::ranges::find(context, token) != context.end());
        ++drafted;
      }
    }
  }
  CHECK(drafted > 10000);
}

TEST_CASE("a draft ends where nothing is known of what comes") {
  // What came there is no token of text.
  MixingProposer proposer = with_cost(0);
  CHECK(propose(proposer, Tokens{1, 2, 3, 4, -1, 9, 1, 2, 3}) == Tokens{4});
  CHECK(propose(proposer, Tokens{1, 2, 3, 4, -1, 9, 1, 2, 3, 4}).empty());
}

TEST_CASE("tokens too large for statistics are drafted from matches") {
  Token const large = std::numeric_limits<Token>::max() - 10;
  MixingProposer proposer = with_cost(0, 6);
  CHECK(propose(proposer, repeated(counting(large, 4), 40)) == repeated(counting(large, 4), 6));
}

TEST_CASE("no token of one copy ever reaches the draft of another, though they learn together") {
  Random random(3);
  MixingProposer const shared = with_cost(0);
  std::vector<MixingProposer> proposers(4, shared);
  std::vector<Tokens> texts;
  std::vector<std::size_t> lengths(4, 1);
  // The same text in four disjoint vocabularies, so that everything but the tokens is alike.
  Tokens const text = copying(random, 800, 6);
  for (Token i = 0; i < 4; ++i) {
    texts.push_back(text);
    for (Token& token : texts.back()) token += 100 * i;
  }
  std::size_t drafted = 0;
  for (int step = 0; step < 3000; ++step) {
    std::size_t const i = below(random, 4);
    if (lengths[i] >= text.size() || below(random, 200) == 0) {
      // A request ends, and the proposer serves another: in another vocabulary.
      proposers[i].truncate(0);
      for (Token& token : texts[i]) token = (token + 1000) % 100000;
      lengths[i] = 1;
    }
    Token const least = std::ranges::min(texts[i]);
    Tokens const draft = propose(proposers[i], std::span(texts[i]).first(lengths[i]));
    for (Token const token : draft) REQUIRE((token >= least && token < least + 100));
    drafted += draft.size();
    lengths[i] = std::min(lengths[i] + 1 + below(random, 4), text.size());
  }
  CHECK(drafted > 10000);
}

TEST_CASE("what one copy learns the others know, and a proposer that was made apart does not") {
  Random random(4);
  MixingProposer one = with_cost(0.02);
  MixingProposer const copy = one;
  Tokens const text = copying(random, 6000, 5000, 1000);
  decode(one, text, 100, text.size());
  // A short repetition, of which a beginner is not sure.
  Tokens const context = counting(10000, 20) + counting(10000, 12);
  MixingProposer taught = copy;
  MixingProposer beginner = with_cost(0.02);
  CHECK(propose(taught, context).size() > propose(beginner, context).size());
}

TEST_CASE("copies go on independently, from the tokens that both have") {
  Tokens const start = counting(100, 30);
  MixingProposer one = with_cost(0, 4);
  propose(one, start);
  MixingProposer other = one;
  Tokens const a = start + Tokens{7, 8, 9, 10} + counting(100, 5);
  Tokens const b = start + Tokens{1, 2, 3, 4} + counting(110, 5);
  CHECK(propose(one, a) == counting(105, 4));
  CHECK(propose(other, b) == counting(115, 4));
  CHECK(propose(one, a + Tokens{7, 8, 9}).front() == 10);
  for (Token const token : propose(other, b + Tokens{7, 8, 9})) CHECK((token < 7 || token > 10));
}

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
