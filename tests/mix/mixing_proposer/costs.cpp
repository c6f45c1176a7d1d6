// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/draft_length.hpp>
#include <copyspec/cost/pass_cost.hpp>

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
using copyspec::PassCost;
using copyspec::Token;
using copyspec_test::any_tokens;
using copyspec_test::copying;
using copyspec_test::decode;
using copyspec_test::propose;
using copyspec_test::repeated;
using copyspec_test::Spent;
using copyspec_test::with_cost;

TEST_CASE("a token that costs nothing is drafted as far as there is a chance") {
  Tokens const context = counting(100, 60) + counting(100, 10);
  MixingProposer proposer = with_cost(0);
  Tokens const draft = propose(proposer, context);
  CHECK(draft.size() > 5);
  CHECK(std::ranges::equal(draft, counting(110, draft.size())));
  decode(proposer, repeated(counting(0, 90), 1000), 90, 1000);
  proposer.truncate(0);
  CHECK(propose(proposer, context) == counting(110, 48));
  // Heads or tails: what is right less than once in fifty times is no draft any more.
  Random random(10);
  Tokens const coins = any_tokens(random, 3000, 2);
  MixingProposer other = with_cost(0);
  decode(other, coins, 1, 2000);
  std::size_t drafted = 0;
  for (std::size_t length = 2000; length < coins.size(); length += 10)
    drafted += propose(other, std::span(coins).first(length)).size();
  CHECK(drafted < 100 * 12);
}

TEST_CASE("where rows are dear nothing is drafted, however sure it is") {
  Tokens const loop = repeated({1, 2, 3}, 600);
  for (double const cost : {1.0, 2.0, 100.0, 1e12}) {
    CAPTURE(cost);
    MixingProposer proposer = with_cost(cost);
    Spent const spent = decode(proposer, loop, 20, loop.size());
    CHECK(spent.drafted == 0);
    CHECK(spent.passes == loop.size() - 20);
  }
}

TEST_CASE("the dearer a row, the less is drafted") {
  Random random(5);
  Tokens const text = copying(random, 4000, 100);
  std::size_t before = std::numeric_limits<std::size_t>::max();
  for (double const cost : {0.0, 0.02, 0.1, 0.3, 0.6, 1.0}) {
    CAPTURE(cost);
    MixingProposer proposer = with_cost(cost);
    Spent const spent = decode(proposer, text, 50, text.size());
    CHECK(spent.drafted < before);
    before = spent.drafted;
    CHECK(spent.speedup(cost) > (cost < 0.5 ? 1.1 : 0.99));
  }
}

TEST_CASE("on text that repeats nothing, plain decoding costs hardly less") {
  for (unsigned seed = 1; seed <= 3; ++seed) {
    for (std::size_t const vocabulary : {50U, 1000U, 100000U}) {
      for (double const cost : {0.06, 0.13, 0.5}) {
        CAPTURE(seed);
        CAPTURE(vocabulary);
        CAPTURE(cost);
        Random random(seed);
        Tokens const text = any_tokens(random, 4000, vocabulary);
        MixingProposer proposer = with_cost(cost);
        Spent const early = decode(proposer, text, 1, 2000);
        CHECK(early.cost(cost) < 1.02 * static_cast<double>(early.tokens));
        // And after a while nothing is drafted any more.
        Spent const late = decode(proposer, text, 2000, text.size());
        CHECK(late.cost(cost) < 1.01 * static_cast<double>(late.tokens));
      }
    }
  }
}

TEST_CASE("after bad luck it recovers as soon as the text repeats itself") {
  for (double const cost : {0.02, 0.13, 0.5}) {
    CAPTURE(cost);
    Random random(6);
    // Random tokens, among them matches that never hold.
    Tokens text;
    for (Token i = 0; i < 1200; ++i) text = text + Tokens{1, 2, 3, static_cast<Token>(10 + below(random, 5000))};
    std::size_t const begin = text.size();
    text = text + repeated(counting(20000, 40), 1500);
    MixingProposer proposer = with_cost(cost);
    decode(proposer, text, 1, begin + 60);
    Spent const soon = decode(proposer, text, begin + 60, begin + 400);
    CHECK(soon.speedup(cost) > 1 + 0.4 / (0.3 + cost));
    Spent const late = decode(proposer, text, begin + 400, text.size());
    CHECK(late.speedup(cost) > 0.9 * 49 / (1 + 48 * cost));
  }
}

TEST_CASE("passes teach what a row costs, to all copies") {
  MixingProposer proposer({.draft_length = 48,
                           .turn_credit = std::numeric_limits<double>::infinity(),
                           .scope_credit = std::numeric_limits<double>::infinity()});
  MixingProposer copy = proposer;
  Tokens const loop = repeated({1, 2, 3, 4, 5, 6, 7}, 500);
  decode(copy, loop, 20, 300);
  CHECK(propose(copy, std::span(loop).first(300)).size() == 48);
  auto const teach = [&](double marginal) {
    for (int i = 0; i < 200; ++i) {
      for (std::size_t const rows : {1U, 2U, 4U, 12U, 30U, 49U})
        proposer.on_pass(
            {.rows = rows, .sequences = 1, .seconds = 0.01 * (1 + marginal * static_cast<double>(rows - 1))});
    }
  };
  teach(3);
  CHECK(copy.pass_cost()(2) == doctest::Approx(4).epsilon(0.1));
  CHECK(&copy.pass_cost() == &proposer.pass_cost());
  CHECK(propose(copy, std::span(loop).first(301)).empty());
  teach(0.01);
  CHECK(propose(copy, std::span(loop).first(302)).size() == 48);
}

TEST_CASE("where passes teach that rows are nearly free, drafts grow to the longest") {
  MixingProposer proposer;
  Random random(8);
  Tokens const file = any_tokens(random, 6000, 3000);
  Tokens const text = file + file;
  std::vector<std::size_t> drafted;
  std::size_t length = file.size() + 10;
  propose(proposer, std::span(text).first(file.size()));
  while (length + 2 * max_draft_tokens < text.size()) {
    std::size_t const tokens = propose(proposer, std::span(text).first(length)).size();
    proposer.on_pass({.rows = 1 + tokens, .sequences = 1, .seconds = 0.01 + 1e-6 * static_cast<double>(tokens)});
    drafted.push_back(tokens);
    length += tokens + 1;
  }
  CHECK(drafted.front() < 48);
  CHECK(std::ranges::count(drafted, max_draft_tokens - 1) > std::ssize(drafted) / 3);
  CHECK(drafted.size() < 30);
}

TEST_CASE("beside a proposer that always drafts, where no pass is plain, it drafts nevertheless") {
  Tokens const text = counting(100, 60) + counting(100, 10);
  MixingProposer proposer;
  REQUIRE_FALSE(propose(proposer, text).empty());
  proposer.on_pass({.rows = 4, .sequences = 1, .seconds = 0.01});
  CHECK(propose(proposer, text).empty());  // a plain pass may come
  for (int i = 0; i < 15; ++i) proposer.on_pass({.rows = 4, .sequences = 1, .seconds = 0.01});
  CHECK_FALSE(propose(proposer, text).empty());
}

TEST_CASE("a cost that is known is not learnt") {
  MixingProposer proposer = with_cost(0.25);
  for (int i = 0; i < 100; ++i) proposer.on_pass({.rows = 5, .sequences = 1, .seconds = 1.0 * i});
  CHECK(proposer.pass_cost()(5) == 2);
}

TEST_CASE("rows that other sequences fill are not free") {
  // Sixteen rows cost what one does, and the next ones are dear.
  std::vector<double> costs(16, 1.0);
  for (std::size_t i = 0; i < 48; ++i) costs.push_back(20.0 + static_cast<double>(i) * 2);
  MixingProposer proposer({.pass_cost = PassCost::table(costs)});
  Tokens const loop = repeated({1, 2, 3, 4, 5}, 600);
  decode(proposer, loop, 20, 500);
  CHECK(propose(proposer, std::span(loop).first(500)).size() == 15);
  proposer.on_pass({.rows = 12, .sequences = 4, .seconds = 1});
  CHECK(propose(proposer, std::span(loop).first(501)).size() == 6);
  proposer.on_pass({.rows = 20, .sequences = 4, .seconds = 1});
  CHECK(propose(proposer, std::span(loop).first(502)).empty());
  // Reports that make no sense do no harm.
  proposer.on_pass({.rows = 0, .sequences = 0, .seconds = 0});
  proposer.on_pass({.rows = 1, .sequences = 9, .seconds = -1});
  proposer.on_pass({.rows = 1, .sequences = 1, .seconds = std::numeric_limits<double>::quiet_NaN()});
  CHECK(propose(proposer, std::span(loop).first(503)).size() == 15);
}

TEST_CASE("sequences of one pass share what it costs anyway") {
  MixingProposer proposer = with_cost(2);
  Tokens const loop = repeated({1, 2, 3, 4, 5}, 1000);
  decode(proposer, loop, 20, 900);
  // Of 64 rows that cost 127 a further one costs more than the share of a sequence, so that no draft saves anything.
  proposer.on_pass({.rows = 64, .sequences = 64, .seconds = 1});
  CHECK(propose(proposer, std::span(loop).first(901)).empty());
}

TEST_CASE("a draft that is less sure is shorter where a rejection costs a replay, and none stands behind a prompt") {
  Random random(3);
  Tokens text = counting(0, 30);
  std::size_t drafted = 0;
  std::size_t drafted_careful = 0;
  MixingProposer proposer = with_cost(0.02);
  MixingProposer careful({.pass_cost = PassCost::marginal(0.02),
                          .rollback = copyspec::Rollback::checkpoint,
                          .turn_credit = std::numeric_limits<double>::infinity(),
                          .scope_credit = std::numeric_limits<double>::infinity()});
  CHECK(!propose(proposer, text + text).empty());
  CHECK(propose(careful, text + text).empty());
  CHECK(propose(careful, text + text).empty());  // asked twice
  text = text + text;
  for (int i = 0; i < 2000; ++i) {
    // Now and then another token than the one that followed before.
    text.push_back(below(random, 8) == 0 ? static_cast<Token>(below(random, 30)) : (text.back() + 1) % 30);
    drafted += propose(proposer, text).size();
    drafted_careful += propose(careful, text).size();
  }
  CHECK(drafted_careful > drafted / 4);
  CHECK(drafted_careful < drafted);
}
