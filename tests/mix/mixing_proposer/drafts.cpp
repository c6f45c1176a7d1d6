// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/draft_length.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

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
  CHECK(MixingProposer().draft_length() == 48);
  CHECK(with_cost(0, 1000).draft_length() == max_draft_tokens);
  CHECK(with_cost(0, 0).draft_length() == 0);
  Tokens const loop = repeated({1, 2, 3, 4, 5}, 400);
  for (std::size_t const draft_length : {0U, 1U, 7U, 63U, 64U, 65U, 1000U}) {
    MixingProposer proposer = with_cost(0, draft_length);
    decode(proposer, loop, 20, 300);
    for (std::size_t const space : {0U, 1U, 5U, 63U, 64U, 65U, 200U})
      CHECK(propose(proposer, std::span(loop).first(300), space).size() ==
            std::min({space, draft_length, max_draft_tokens}));
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
