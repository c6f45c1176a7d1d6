// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "bench/replay_model.hpp"
#include "bench/replay_trace.hpp"
#include "bench/trace.hpp"
#include "copyspec/decode/composer.hpp"
#include "copyspec/mix/history.hpp"
#include "copyspec/testing/toy_model.hpp"
#include "copyspec/verify/greedy_verifier.hpp"
#include "support/allocation_counter.hpp"

using copyspec::History;
using copyspec::HistoryEntryId;
using copyspec::max_draft_tokens;
using copyspec::MixingOptions;
using copyspec::MixingProposer;
using copyspec::PassCost;
using copyspec::PassReport;
using copyspec::SequenceId;
using copyspec::Source;
using copyspec::Token;
using copyspec::tree_size;
using copyspec::TreeProposer;

namespace {

using Tokens = std::vector<Token>;
using Random = std::mt19937;

std::size_t below(Random& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

constexpr Token untouched = -77;

// The draft for `context` in `space` tokens of room, which have a guard behind them.
Tokens propose(MixingProposer& proposer, std::span<Token const> context, std::size_t space = max_draft_tokens) {
  Tokens room(space + 8, untouched);
  std::size_t const length = proposer.propose(context, std::span(room).first(space)).length;
  REQUIRE(length <= space);
  REQUIRE(length <= proposer.draft_length());
  REQUIRE(std::ranges::count(std::span(room).subspan(space), untouched) == 8);
  room.resize(length);
  return room;
}

struct Tree {
  Tokens tokens;
  std::vector<std::int32_t> parents;

  [[nodiscard]] std::size_t size() const { return tokens.size(); }
  [[nodiscard]] std::size_t branches() const { return tree_size(parents, max_draft_tokens).branches; }

  // The node with this token behind a node, -1 for the context; none is -2.
  [[nodiscard]] std::int32_t child(std::int32_t parent, Token token) const {
    for (std::size_t i = 0; i < size(); ++i)
      if (parents[i] == parent && tokens[i] == token) return static_cast<std::int32_t>(i);
    return -2;
  }

  // How many of the tokens stand one behind the other from the context on.
  [[nodiscard]] std::size_t accepted(std::span<Token const> said) const {
    std::int32_t node = -1;
    for (std::size_t i = 0; i < said.size(); ++i) {
      node = child(node, said[i]);
      if (node == -2) return i;
    }
    return said.size();
  }

  bool operator==(Tree const&) const = default;
};

// The tree for `context`, in room that has a guard behind it. It is a tree, and no larger than said.
Tree propose_tree(MixingProposer& proposer, std::span<Token const> context, std::size_t max_branches = max_draft_tokens,
                  std::size_t space = max_draft_tokens) {
  Tree tree{.tokens = Tokens(space + 8, untouched), .parents = std::vector<std::int32_t>(space + 8, untouched)};
  std::size_t const length = proposer
                                 .propose_tree(context, {.tokens = std::span(tree.tokens).first(space),
                                                         .parents = std::span(tree.parents).first(space),
                                                         .max_branches = max_branches})
                                 .length;
  REQUIRE(length <= space);
  REQUIRE(length <= proposer.draft_length());
  REQUIRE(std::ranges::count(std::span(tree.tokens).subspan(space), untouched) == 8);
  REQUIRE(std::ranges::count(std::span(tree.parents).subspan(space), untouched) == 8);
  tree.tokens.resize(length);
  tree.parents.resize(length);
  REQUIRE(tree_size(tree.parents, max_branches).nodes == length);
  for (std::size_t i = 0; i < length; ++i)
    REQUIRE(tree.child(tree.parents[i], tree.tokens[i]) == static_cast<std::int32_t>(i));
  return tree;
}

MixingProposer with_cost(double marginal, std::size_t draft_length = 48) {
  return MixingProposer({.pass_cost = PassCost::marginal(marginal), .draft_length = draft_length});
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

Tokens any_tokens(Random& random, std::size_t count, std::size_t vocabulary) {
  Tokens tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(below(random, vocabulary));
  return tokens;
}

Tokens operator+(Tokens tokens, Tokens const& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
  return tokens;
}

// Text that copies what it said before, with edits.
Tokens copying(Random& random, std::size_t count, std::size_t vocabulary, std::size_t edit_every = 20) {
  Tokens tokens;
  while (tokens.size() < count) {
    if (tokens.size() < 8 || below(random, 4) == 0) {
      tokens = tokens + any_tokens(random, 1 + below(random, 12), vocabulary);
      continue;
    }
    std::size_t const from = below(random, tokens.size());
    for (std::size_t i = from; i < from + 60 && i < tokens.size(); ++i)
      tokens.push_back(below(random, edit_every) == 0 ? static_cast<Token>(below(random, vocabulary)) : tokens[i]);
  }
  tokens.resize(count);
  return tokens;
}

// What decoding a text took, of which each pass accepts as much of the draft as the text says.
struct Spent {
  std::size_t tokens = 0;
  std::size_t passes = 0;
  std::size_t drafted = 0;
  std::size_t accepted = 0;

  [[nodiscard]] double cost(double marginal) const {
    return static_cast<double>(passes) + marginal * static_cast<double>(drafted);
  }
  [[nodiscard]] double speedup(double marginal) const { return static_cast<double>(tokens) / cost(marginal); }
};

Spent decode(MixingProposer& proposer, Tokens const& text, std::size_t begin, std::size_t end,
             std::size_t space = max_draft_tokens) {
  Spent spent;
  for (std::size_t length = begin; length < end;) {
    Tokens const draft = propose(proposer, std::span(text).first(length), std::min(space, end - length - 1));
    std::size_t accepted = 0;
    while (accepted < draft.size() && draft[accepted] == text[length + accepted]) ++accepted;
    length += accepted + 1;
    spent.tokens += accepted + 1;
    ++spent.passes;
    spent.drafted += draft.size();
    spent.accepted += accepted;
  }
  return spent;
}

Spent decode_trees(MixingProposer& proposer, Tokens const& text, std::size_t begin, std::size_t end,
                   std::size_t max_branches) {
  Spent spent;
  for (std::size_t length = begin; length < end;) {
    auto const left = std::span(text).subspan(length, end - length - 1);
    Tree const tree = propose_tree(proposer, std::span(text).first(length), max_branches);
    std::size_t const accepted = tree.accepted(left);
    length += accepted + 1;
    spent.tokens += accepted + 1;
    ++spent.passes;
    spent.drafted += tree.size();
    spent.accepted += accepted;
  }
  return spent;
}

// Text in which `common` is followed now by one token and now by another, as a coin falls.
Tokens coin_tosses(Random& random, std::size_t count) {
  Tokens const common = counting(100, 6);
  Tokens tokens;
  while (tokens.size() < count) tokens = tokens + common + Tokens{below(random, 2) == 0 ? 1 : 2};
  tokens.resize(count);
  return tokens;
}

std::filesystem::path own_trace() {
  return std::filesystem::path(__FILE__).parent_path() / "../../bench/traces/smollm2-135m.demo.jsonl";
}

}  // namespace

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
  auto const draft = proposer.propose(std::span(tokens).first(30), std::span(tokens).subspan(30, 9));
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
  MixingProposer proposer;
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

TEST_CASE("the tokens bring a fresh proposer to the same drafts, whatever was said and taken back in between") {
  // Two proposers that share nothing. One wanders, in steps longer than any draft, which count as prompts, so that
  // nothing is learnt; what they learn afterwards, from the same text, must be the same to the last bit, or the drafts
  // part. What is learnt while wandering would stay: that is meant, and the next test is of it.
  Random random(7);
  constexpr std::size_t longest = 16;
  std::size_t compared = 0;
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    std::size_t const vocabulary = 2 + below(random, 20);
    double const cost = round % 3 == 0 ? 0 : round % 3 == 1 ? 0.02 : 0.2;
    MixingProposer wandering = with_cost(cost, longest);
    MixingProposer fresh = with_cost(cost, longest);
    // As much for both, since how much is remembered depends on it, and enough for all that comes.
    wandering.reserve(4000);
    fresh.reserve(4000);
    Tokens text;
    for (std::size_t i = below(random, 12); i > 0; --i) {
      text = text + copying(random, longest + 2 + below(random, 60), vocabulary);
      propose(wandering, text);
      if (below(random, 2) == 0) {
        text.resize(below(random, text.size()));
        wandering.truncate(text.size());
      }
    }
    std::size_t length = std::max<std::size_t>(text.size(), 1);
    std::size_t last = 0;
    text = text + text + copying(random, 300, vocabulary);
    for (std::size_t const end = std::min(length + 200, text.size()); length < end; length += 1 + below(random, 4)) {
      if (last > 1 && below(random, 30) == 0) {
        // Both are cut back, and one says something else before.
        length = 1 + below(random, last - 1);
        wandering.truncate(length);
        propose(wandering, Tokens(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length)) +
                               any_tokens(random, longest + 2, vocabulary));
        wandering.truncate(length);
        fresh.truncate(length);
      }
      last = length;
      std::size_t const space = 1 + below(random, 2 * longest);
      Tokens const draft = propose(fresh, std::span(text).first(length), space);
      REQUIRE(propose(wandering, std::span(text).first(length), space) == draft);
      compared += draft.size();
    }
  }
  CHECK(compared > 5000);
}

TEST_CASE("with everything learnt in between, a proposer cut back drafts what a fresh copy drafts") {
  // Copies that share what is learnt. After a cut the next call learns nothing, nor does the first of a fresh copy, so
  // both ask the same weights; any difference would be of tokens.
  Random random(8);
  std::size_t compared = 0;
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    std::size_t const vocabulary = 2 + below(random, 20);
    MixingProposer const original({.pass_cost = PassCost::marginal(round % 2 == 0 ? 0 : 0.03),
                                   .window = std::array{0U, 50U, 200U}[static_cast<std::size_t>(round) % 3]});
    MixingProposer wandering = original;
    wandering.reserve(2000);
    Tokens text;
    for (int turn = 0; turn < 6; ++turn) {
      text = text + copying(random, 20 + below(random, 200), vocabulary);
      decode(wandering, text, text.size() / 2, text.size());
      propose(wandering, text);
      text.resize(1 + below(random, text.size()));
      if (below(random, 3) == 0) text.resize(1);
      wandering.truncate(text.size());
      text = text + copying(random, below(random, 40), vocabulary) +
             Tokens(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(text.size(), 9)));
      MixingProposer fresh = original;
      fresh.reserve(2000);
      Tokens const draft = propose(fresh, text);
      REQUIRE(propose(wandering, text) == draft);
      compared += draft.size();
      // What stays is learnt, which decoding on shows to be of use.
      text = text + copying(random, 20, vocabulary);
      decode(wandering, text, text.size() - 20, text.size());
      wandering.truncate(text.size() / 2);
      text.resize(text.size() / 2);
    }
  }
  CHECK(compared > 2000);
}

TEST_CASE("a window as long as the text changes nothing") {
  Random random(11);
  Tokens const text = copying(random, 2000, 40);
  MixingProposer all = with_cost(0.02);
  MixingProposer wide({.pass_cost = PassCost::marginal(0.02), .window = text.size()});
  for (std::size_t length = 0; length <= text.size(); length += 1 + below(random, 4)) {
    REQUIRE(propose(wide, std::span(text).first(length)) == propose(all, std::span(text).first(length)));
    if (length % 100 != 0) continue;
    wide.truncate(length / 2);
    all.truncate(length / 2);
  }
}

TEST_CASE("with a window only the newest tokens are read, and read again after a cut") {
  Random random(12);
  constexpr std::size_t window = 300;
  // Contexts and comparisons reach a little further back than what is read.
  constexpr std::size_t reach = 32;
  std::size_t compared = 0;
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    MixingProposer const original({.pass_cost = PassCost::marginal(0.02), .window = window});
    Tokens const text = copying(random, 3000, 30);
    std::size_t const length = 1000 + below(random, 1000);
    MixingProposer wandering = original;
    decode(wandering, text, 1, text.size());
    wandering.truncate(length);
    Tokens other(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length));
    std::fill_n(other.begin(), length - window - reach, Token{99});
    MixingProposer fresh = original;
    Tokens const draft = propose(fresh, other);
    REQUIRE(propose(wandering, std::span(text).first(length)) == draft);
    compared += draft.size();
  }
  CHECK(compared > 100);
}

TEST_CASE("with a window what was said before it is not copied any more, and what is in it is") {
  for (std::size_t const between : {20U, 100U, 160U, 5000U}) {
    CAPTURE(between);
    MixingProposer proposer({.pass_cost = PassCost::marginal(0), .draft_length = 4, .window = 200});
    Tokens const draft = propose(proposer, counting(100, 30) + counting(1000, between) + counting(100, 6));
    CHECK(draft == (between < 200 ? counting(106, 4) : Tokens{}));
  }
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

TEST_CASE("nothing is allocated up to what was reserved") {
  Random random(9);
  Tokens const text = copying(random, 3000, 40);
  Tokens space(max_draft_tokens);
  MixingProposer proposer;
  MixingProposer const copy = proposer;
  proposer.reserve(text.size());
  std::size_t const memory = proposer.memory_bytes();
  std::size_t const before = allocations();
  std::size_t drafted = 0;
  for (std::size_t length = 1; length <= text.size(); length += 1 + length % 3) {
    drafted += proposer.propose(std::span(text).first(length), space).length;
    proposer.on_pass({.rows = 1 + length % 9, .sequences = 1, .seconds = 0.001});
    if (length % 200 == 0) proposer.truncate(length - 100);
  }
  proposer.truncate(0);
  proposer.reserve(text.size());
  drafted += proposer.propose(text, space).length;
  CHECK(allocations() == before);
  CHECK(proposer.memory_bytes() == memory);
  CHECK(drafted > 1000);
  CHECK(copy.memory_bytes() == 0);
}

TEST_CASE("memory is at most 64 bytes a token of context, and 50 a token reserved") {
  CHECK(MixingProposer().memory_bytes() == 0);
  // Two tables end with a part of a cache line.
  constexpr std::size_t rest = 128;
  for (std::size_t const reserved : {1U, 10U, 100U, 5000U, 87000U}) {
    CAPTURE(reserved);
    MixingProposer proposer;
    proposer.reserve(reserved);
    CHECK(proposer.memory_bytes() <= 50 * reserved + rest);
    std::size_t const memory = proposer.memory_bytes();
    propose(proposer, Tokens(reserved, 7));
    proposer.truncate(0);
    propose(proposer, counting(0, reserved));
    CHECK(proposer.memory_bytes() == memory);
  }
  MixingProposer large;
  large.reserve(1000000);
  CHECK(large.memory_bytes() <= 29 * 1000000);

  MixingProposer grown;
  Tokens const tokens = counting(0, 20000);
  std::size_t grows = 0;
  for (std::size_t length = 1; length <= tokens.size(); ++length) {
    std::size_t const before = grown.memory_bytes();
    propose(grown, std::span(tokens).first(length), 0);
    REQUIRE(grown.memory_bytes() <= 64 * length + rest);
    grows += grown.memory_bytes() != before ? 1U : 0U;
  }
  // Seldom, since the context is read again each time.
  CHECK(grows < 60);
  CHECK(MixingProposer().shared_memory_bytes() < 256 * 1024);
}

TEST_CASE("with a window memory stays as it is when ten times as much is said") {
  Random random(13);
  for (std::size_t const window : {1U, 3U, 48U, 1800U}) {
    CAPTURE(window);
    Tokens const text = copying(random, 11 * window + 100, 40);
    Tokens space(max_draft_tokens);
    MixingProposer proposer({.window = window});
    std::size_t drafted = 0;
    for (std::size_t length = 0; length <= window; ++length)
      drafted += proposer.propose(std::span(text).first(length), space).length;
    std::size_t const memory = proposer.memory_bytes();
    CHECK(memory <= 54 * window + 3 * 1024 + 144);
    std::size_t const before = allocations();
    for (std::size_t length = window; length <= text.size(); length += 1 + length % 3) {
      drafted += proposer.propose(std::span(text).first(length), space).length;
      if (length % 200 == 0) proposer.truncate(length - 100);
    }
    proposer.reserve(text.size());
    CHECK(allocations() == before);
    CHECK(proposer.memory_bytes() == memory);
    CHECK((drafted > 1000 || window < 1800));
  }
}

TEST_CASE("a context that grows beyond what was reserved keeps what it knew") {
  Tokens const text = counting(100, 30) + counting(1000, 3000) + counting(100, 8);
  MixingProposer proposer = with_cost(0, 5);
  proposer.reserve(40);
  for (std::size_t length = 1; length < text.size(); ++length) propose(proposer, std::span(text).first(length), 0);
  CHECK(propose(proposer, text) == counting(108, 5));
}

TEST_CASE("what followed a context is known after growing, too") {
  // Said once and never in a run of three, so that only statistics know it.
  Tokens const text = Tokens{1, 2, 3} + repeated(counting(10, 7), 3000);
  MixingProposer proposer = with_cost(0);
  proposer.reserve(40);
  for (std::size_t end = 3; end < text.size(); end += end / 4 + 1) propose(proposer, std::span(text).first(end), 0);
  propose(proposer, text, 0);
  CHECK(propose(proposer, text + Tokens{5000, 1, 2}, 1) == Tokens{3});
}

TEST_CASE("in a composer, recorded answers come out, of all sequences that learn together") {
  using copyspec::bench::ReplayModel;
  copyspec::bench::Trace const trace = copyspec::bench::read_trace(own_trace());
  // Throws if an answer comes out differently.
  auto const turns = copyspec::bench::replay(trace, MixingProposer({.pass_cost = PassCost::marginal(0.02)}));
  copyspec::bench::Tally all;
  for (auto const& turn : turns) all += turn.tally;
  CHECK(all.speedup(0.02).value() > 1.3);
  // Several sequences of one recording, that begin at different places.
  for (auto const& conversation : trace.conversations) {
    auto const answer = conversation.answer(conversation.turns.front());
    auto const prompt = conversation.prompt(conversation.turns.front());
    ReplayModel model(conversation.tokens, trace.numbering.size());
    copyspec::Composer<ReplayModel, MixingProposer, copyspec::GreedyVerifier> composer(model);
    for (std::int32_t i = 0; i < 5; ++i)
      composer.begin(SequenceId{i}, prompt, {.max_new_tokens = answer.size() / (1U + static_cast<unsigned>(i))});
    composer.run();
    for (std::int32_t i = 0; i < 5; ++i) {
      auto const generated = composer.sequence(SequenceId{i}).generated();
      REQUIRE(generated.size() == answer.size() / (1U + static_cast<unsigned>(i)));
      CHECK(std::ranges::equal(generated, answer.first(generated.size())));
    }
  }
}

// Trees.

static_assert(TreeProposer<MixingProposer>);

TEST_CASE("over a model with checkpoints recorded answers come out, for less if the proposer knows") {
  copyspec::bench::Trace const trace = copyspec::bench::read_trace(own_trace());
  for (double const marginal : {0.01, 0.02, 0.06, 0.13}) {
    CAPTURE(marginal);
    auto const replayed = [&](bool told) {
      copyspec::bench::Tally sum;
      MixingProposer const proposer({.pass_cost = PassCost::marginal(marginal),
                                     .rollback = told ? copyspec::Rollback::checkpoint : copyspec::Rollback::exact});
      // Throws if an answer comes out differently.
      for (auto const& turn : copyspec::bench::replay(trace, proposer, {.checkpoints = true})) sum += turn.tally;
      return sum;
    };
    copyspec::bench::Tally const told = replayed(true);
    copyspec::bench::Tally const untold = replayed(false);
    CHECK(told.tokens == untold.tokens);
    CHECK(told.cost(marginal) < 0.99 * untold.cost(marginal));
    CHECK(told.checkpoints.replayed < untold.checkpoints.replayed);
    CHECK(told.checkpoints.splits == 0);
    CHECK(untold.checkpoints.splits > 0);
  }
}

TEST_CASE("a draft that is less sure is shorter where a rejection costs a replay, and none stands behind a prompt") {
  Random random(3);
  Tokens text = counting(0, 30);
  std::size_t drafted = 0;
  std::size_t drafted_careful = 0;
  MixingProposer proposer = with_cost(0.02);
  MixingProposer careful({.pass_cost = PassCost::marginal(0.02), .rollback = copyspec::Rollback::checkpoint});
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

TEST_CASE("trees are trees, of no more nodes and branches than asked for, and only of tokens of the context") {
  Random random(21);
  std::size_t branches = 0;
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    MixingProposer proposer =
        with_cost(round % 3 == 0 ? 0 : 0.02, round % 4 == 0 ? max_draft_tokens : below(random, 40));
    Tokens text = copying(random, 400, 2 + below(random, 30));
    // Beyond what statistics hold, and what is no token of text.
    for (Token& token : text) {
      if (below(random, 15) == 0) token = std::numeric_limits<Token>::max() - token;
      if (below(random, 30) == 0) token = below(random, 2) == 0 ? -1 : std::numeric_limits<Token>::min();
    }
    for (std::size_t length = 0; length <= text.size(); length += 1 + below(random, 4)) {
      auto const context = std::span(text).first(length);
      // The helper checks the rest.
      Tree const tree = propose_tree(proposer, context, below(random, 12), below(random, max_draft_tokens + 20));
      for (Token const token : tree.tokens) {
        REQUIRE(token >= 0);
        REQUIRE(std::ranges::find(context, token) != context.end());
      }
      branches += tree.branches();
    }
  }
  CHECK(branches > 5000);
}

TEST_CASE("without anything to go by a tree is empty") {
  MixingProposer proposer = with_cost(0);
  for (Tokens const& context : {Tokens{}, Tokens{5}, Tokens{5, 6, 7}})
    CHECK(propose_tree(proposer, context).size() == 0);
}

TEST_CASE("a tree without branches is the chain, as far as both go") {
  Random random(22);
  std::size_t compared = 0;
  for (double const cost : {0.0, 0.02, 0.2}) {
    CAPTURE(cost);
    Tokens const text = copying(random, 1500, 20);
    MixingProposer proposer = with_cost(cost);
    for (std::size_t length = 1; length <= text.size(); length += 1 + below(random, 4)) {
      Tokens const chain = propose(proposer, std::span(text).first(length));
      Tree const tree = propose_tree(proposer, std::span(text).first(length), 0);
      CHECK(tree.branches() == 0);
      std::size_t const both = std::min(chain.size(), tree.size());
      REQUIRE(std::ranges::equal(std::span(chain).first(both), std::span(tree.tokens).first(both)));
      compared += both;
    }
  }
  CHECK(compared > 3000);
}

TEST_CASE("the front of a tree is the tree for less space") {
  Random random(23);
  Tokens const text = copying(random, 1500, 20);
  MixingProposer proposer = with_cost(0, max_draft_tokens);
  for (std::size_t length = 50; length <= text.size(); length += 1 + below(random, 4)) {
    Tree tree = propose_tree(proposer, std::span(text).first(length), 6);
    std::size_t const space = below(random, max_draft_tokens);
    Tree const smaller = propose_tree(proposer, std::span(text).first(length), 6, space);
    // Rows are free, so that nothing is cut.
    REQUIRE(smaller.size() == std::min(space, tree.size()));
    tree.tokens.resize(smaller.size());
    tree.parents.resize(smaller.size());
    REQUIRE(tree == smaller);
  }
}

TEST_CASE("of two ways on that are as frequent both are drafted and go on, if rows are cheap and branches allowed") {
  Tokens context;
  for (Token i = 0; i < 20; ++i) context = context + Tokens{1000 + i, 5, 6} + counting(i % 2 == 0 ? 100 : 200, 8);
  context = context + Tokens{2000, 5, 6};
  for (double const cost : {0.0, 0.01}) {
    CAPTURE(cost);
    MixingProposer proposer = with_cost(cost, max_draft_tokens);
    Tree const tree = propose_tree(proposer, context, 1);
    CHECK(tree.accepted(counting(100, 8)) >= 3);
    CHECK(tree.accepted(counting(200, 8)) >= 3);
    CHECK(tree.branches() == 1);
    Tree const chain = propose_tree(proposer, context, 0);
    CHECK(std::max(chain.accepted(counting(100, 8)), chain.accepted(counting(200, 8))) >= 3);
    CHECK(std::min(chain.accepted(counting(100, 8)), chain.accepted(counting(200, 8))) == 0);
  }
}

TEST_CASE("where a coin decides, trees take fewer passes than chains, and branches cost less than they save") {
  for (double const cost : {0.0, 0.02}) {
    CAPTURE(cost);
    Random random(24);
    Tokens const text = coin_tosses(random, 6000);
    MixingProposer chains = with_cost(cost);
    MixingProposer trees = with_cost(cost);
    decode(chains, text, 50, 2000);
    decode_trees(trees, text, 50, 2000, 7);
    Spent const by_chains = decode(chains, text, 2000, text.size());
    Spent const by_trees = decode_trees(trees, text, 2000, text.size(), 7);
    CHECK(by_trees.passes * 4 < by_chains.passes * 3);
    CHECK(by_trees.speedup(cost) > 1.1 * by_chains.speedup(cost));
  }
}

TEST_CASE("where rows are dear a tree is a chain, and where none pays there is no tree") {
  Random random(25);
  // A guess beside another comes less than every second time, so that it does not pay for half a pass.
  Tokens const text = copying(random, 3000, 12) + coin_tosses(random, 3000);
  MixingProposer proposer = with_cost(0.5);
  std::size_t in_chains = 0;
  std::size_t in_trees = 0;
  for (std::size_t length = 1; length <= text.size(); length += 1 + below(random, 4)) {
    Tokens const chain = propose(proposer, std::span(text).first(length));
    Tree const tree = propose_tree(proposer, std::span(text).first(length));
    REQUIRE(tree.branches() == 0);
    std::size_t const both = std::min(chain.size(), tree.size());
    REQUIRE(std::ranges::equal(std::span(chain).first(both), std::span(tree.tokens).first(both)));
    in_chains += chain.size();
    in_trees += tree.size();
  }
  CHECK(in_chains > 300);
  // Where either ends is nearly the same.
  CHECK(in_trees <= in_chains + in_chains / 100);
  for (double const cost : {1.0, 2.0, 1e12}) {
    MixingProposer dear = with_cost(cost);
    CHECK(decode_trees(dear, text, 1, 1000, max_draft_tokens).drafted == 0);
  }
}

TEST_CASE("a proposer that was asked for trees goes on as one that was asked for chains") {
  Random random(26);
  Tokens const text = copying(random, 2500, 15);
  for (double const cost : {0.0, 0.05, 0.5}) {
    CAPTURE(cost);
    MixingProposer with_trees = with_cost(cost);
    MixingProposer with_chains = with_cost(cost);
    std::size_t compared = 0;
    // A token at a time, which is learnt from whatever was drafted.
    for (std::size_t length = 1; length <= text.size(); ++length) {
      auto const context = std::span(text).first(length);
      Tree const tree = propose_tree(with_trees, context, 7);
      Tokens const chain = propose(with_chains, context);
      if (length % 7 == 0) {
        REQUIRE(propose_tree(with_trees, context, 7) == tree);
        REQUIRE(propose(with_trees, context) == chain);
        compared += chain.size();
      }
      if (length % 300 == 0) {
        with_trees.truncate(length - 100);
        with_chains.truncate(length - 100);
      }
    }
    CHECK(compared > 100);
  }
}

TEST_CASE("nothing is allocated for trees up to what was reserved") {
  Random random(27);
  Tokens const text = copying(random, 3000, 10);
  Tokens space(max_draft_tokens);
  std::vector<std::int32_t> parents(max_draft_tokens);
  MixingProposer proposer = with_cost(0, max_draft_tokens);
  proposer.reserve(text.size());
  std::size_t const before = allocations();
  std::size_t drafted = 0;
  for (std::size_t length = 1; length <= text.size(); length += 1 + length % 3) {
    drafted += proposer
                   .propose_tree(std::span(text).first(length),
                                 {.tokens = space, .parents = parents, .max_branches = max_draft_tokens})
                   .length;
    if (length % 200 == 0) proposer.truncate(length - 100);
  }
  CHECK(allocations() == before);
  CHECK(drafted > 30000);
}

TEST_CASE("in a composer that drafts trees, recorded answers come out, in fewer passes than with chains") {
  using copyspec::bench::ReplayModel;
  copyspec::bench::Trace const trace = copyspec::bench::read_trace(own_trace());
  MixingOptions const options{.pass_cost = PassCost::marginal(0.02)};
  copyspec::bench::Tally by_chains;
  for (auto const& turn : copyspec::bench::replay(trace, MixingProposer(options))) by_chains += turn.tally;
  copyspec::bench::Tally by_trees;
  // Throws if an answer comes out differently.
  for (auto const& turn : copyspec::bench::replay(trace, MixingProposer(options), {.max_branches = 15}))
    by_trees += turn.tally;
  CHECK(by_trees.tokens == by_chains.tokens);
  CHECK(by_trees.passes < by_chains.passes);
  CHECK(by_trees.speedup(0.02).value() > by_chains.speedup(0.02).value());
  // Several sequences of one recording, which share the branches of a pass.
  for (auto const& conversation : trace.conversations) {
    auto const answer = conversation.answer(conversation.turns.front());
    auto const prompt = conversation.prompt(conversation.turns.front());
    ReplayModel model(conversation.tokens, trace.numbering.size(), 5);
    copyspec::Composer<ReplayModel, MixingProposer, copyspec::GreedyVerifier> composer(model);
    for (std::int32_t i = 0; i < 5; ++i)
      composer.begin(SequenceId{i}, prompt, {.max_new_tokens = answer.size() / (1U + static_cast<unsigned>(i))});
    composer.run();
    for (std::int32_t i = 0; i < 5; ++i) {
      auto const generated = composer.sequence(SequenceId{i}).generated();
      REQUIRE(generated.size() == answer.size() / (1U + static_cast<unsigned>(i)));
      CHECK(std::ranges::equal(generated, answer.first(generated.size())));
    }
  }
}

// A history.

namespace {

std::shared_ptr<History> some_history() {
  return std::make_shared<History>(std::size_t{1} << 18);
}

MixingProposer with_history(std::shared_ptr<History> history, std::size_t window = 0) {
  return MixingProposer({.pass_cost = PassCost::marginal(0), .window = window, .history = std::move(history)});
}

// The requests held, the oldest first.
std::vector<Tokens> requests(History const& history) {
  std::vector<Tokens> requests;
  history.for_each_request([&](std::size_t begin, std::size_t end) {
    requests.emplace_back();
    for (; begin < end; ++begin) requests.back().push_back(history.token(begin));
  });
  return requests;
}

}  // namespace

TEST_CASE("an answer that ended is drafted where its history is shared, and nowhere else") {
  auto const history = some_history();
  MixingProposer const shared = with_history(history);
  MixingProposer one = shared;
  MixingProposer copy = shared;
  MixingProposer made_apart = with_history(history);
  MixingProposer other_scope = with_history(some_history());
  MixingProposer without = with_cost(0);
  Tokens const answered = Tokens{7, 8} + counting(100, 40);
  Tokens const begun = Tokens{1, 2} + counting(100, 6);
  CHECK(propose(copy, begun).empty());
  propose(one, answered);
  one.on_turn_end(answered, 2);
  for (MixingProposer* const proposer : {&copy, &made_apart, &one}) {
    proposer->truncate(0);
    Tokens const draft = propose(*proposer, begun);
    REQUIRE(draft.size() > 2);
    CHECK(draft == counting(106, draft.size()));
    CHECK(propose_tree(*proposer, begun).accepted(counting(106, 34)) > 2);
  }
  CHECK(propose(other_scope, begun).empty());
  CHECK(propose(without, begun).empty());
  CHECK(propose_tree(other_scope, begun).size() == 0);
}

TEST_CASE("no token of a history reaches the drafts of those who hold another, though they learn alike") {
  Random random(20);
  std::array<std::shared_ptr<History>, 2> const histories{some_history(), some_history()};
  std::vector<MixingProposer> proposers;
  for (std::size_t i = 0; i < 4; ++i) proposers.push_back(with_history(histories[i % 2]));
  std::size_t drafted = 0;
  for (int turn = 0; turn < 200; ++turn) {
    std::size_t const i = below(random, proposers.size());
    Token const least = i % 2 == 0 ? 0 : 1000;
    Tokens text = copying(random, 120, 8);
    for (Token& token : text) token += least;
    proposers[i].truncate(0);
    for (std::size_t length = 1; length <= text.size(); length += 1 + below(random, 4))
      for (Token const token : propose(proposers[i], std::span(text).first(length))) {
        REQUIRE((token >= least && token < least + 1000));
        ++drafted;
      }
    proposers[i].on_turn_end(text, below(random, text.size()));
  }
  CHECK(drafted > 10000);
}

TEST_CASE("without a history the end of a turn changes nothing") {
  Random random(21);
  Tokens const text = copying(random, 400, 8);
  MixingProposer one = with_cost(0.05);
  MixingProposer other = with_cost(0.05);
  for (std::size_t length = 1; length <= text.size(); length += 1 + below(random, 4)) {
    auto const context = std::span(text).first(length);
    one.on_turn_end(context, below(random, length + 1));
    REQUIRE(propose(one, context) == propose(other, context));
  }
  CHECK_FALSE(one.remembered().has_value());
}

TEST_CASE("of an answer are remembered its tokens and the eight before it, and of an empty one nothing") {
  auto const history = some_history();
  MixingProposer proposer = with_history(history);
  CHECK_FALSE(proposer.remembered().has_value());
  Tokens const text = counting(0, 30);
  std::vector<Tokens> expected;
  for (std::size_t answer = 0; answer < text.size(); ++answer) {
    proposer.on_turn_end(text, answer);
    expected.push_back(counting(static_cast<Token>(answer < 8 ? 0 : answer - 8), 30 - (answer < 8 ? 0 : answer - 8)));
    CHECK(proposer.remembered() == HistoryEntryId{answer});
  }
  proposer.on_turn_end(text, text.size());
  proposer.on_turn_end({}, 0);
  CHECK(proposer.remembered() == HistoryEntryId{text.size() - 1});
  CHECK(requests(*history) == expected);
}

TEST_CASE("the first token of an answer is recognised by what came before it") {
  auto const history = some_history();
  MixingProposer one = with_history(history);
  MixingProposer other = with_history(history);
  one.on_turn_end(counting(0, 20) + counting(100, 20), 20);
  Tokens const draft = propose(other, Tokens{500} + counting(14, 6));
  REQUIRE(draft.size() > 2);
  CHECK(draft == counting(100, draft.size()));
  CHECK(propose(other, Tokens{500} + counting(14, 6) + Tokens{600} + counting(2, 6)).empty());
}

TEST_CASE("nothing is drafted of an answer that was removed, also where it was being followed") {
  for (bool const clear : {false, true}) {
    auto const history = some_history();
    MixingProposer one = with_history(history);
    MixingProposer follower = with_history(history);
    MixingProposer newcomer = with_history(history);
    Tokens const answer = counting(100, 40);
    one.on_turn_end(answer, 0);
    HistoryEntryId const first = one.remembered().value();
    one.on_turn_end(counting(300, 40), 0);
    CHECK(one.remembered() != first);
    CHECK(propose(follower, std::span(answer).first(10)).size() > 2);
    if (clear)
      history->clear();
    else
      CHECK(history->remove(first));
    CHECK(propose(follower, std::span(answer).first(10)).empty());
    CHECK(propose(follower, std::span(answer).first(11)).empty());
    CHECK(propose(newcomer, std::span(answer).first(10)).empty());
    newcomer.truncate(0);
    CHECK(propose(newcomer, counting(300, 10)).empty() == clear);
  }
}

TEST_CASE("of a prompt only the last tokens look for a place in a history, wherever it begins") {
  auto const history = some_history();
  MixingProposer one = with_history(history);
  one.on_turn_end(counting(100, 60), 0);
  for (std::size_t const before : {0U, 1U, 50U, 64U, 500U}) {
    MixingProposer other = with_history(history);
    Tokens const draft = propose(other, counting(1000, before) + counting(100, 20));
    REQUIRE(draft.size() > 2);
    CHECK(draft == counting(120, draft.size()));
    // Two were replaced, and only who was there before goes on behind it.
    other.truncate(0);
    CHECK(propose(other, counting(1000, before) + counting(100, 20) + Tokens{9, 8}, 1) == Tokens{122});
  }
}

TEST_CASE("with a history nothing is allocated up to what was reserved") {
  Random random(22);
  auto const history = some_history();
  Tokens const earlier = copying(random, 2000, 30);
  Tokens const text = copying(random, 2000, 30);
  for (std::size_t const window : {0U, 300U}) {
    MixingProposer proposer = with_history(history, window);
    proposer.reserve(text.size());
    Tokens space(max_draft_tokens);
    std::vector<std::int32_t> parents(max_draft_tokens);
    std::size_t drafted = 0;
    std::size_t const before = allocations();
    proposer.on_turn_end(earlier, 100);
    for (std::size_t length = 1; length <= text.size(); length += 1 + below(random, 4)) {
      auto const context = std::span(text).first(length);
      drafted += proposer.propose(context, space).length;
      drafted += proposer.propose_tree(context, {space, parents, 8}).length;
      if (below(random, 100) == 0) proposer.on_turn_end(context, length / 2);
    }
    CHECK(allocations() == before);
    CHECK(drafted > 1000);
  }
}

TEST_CASE("in a composer a history changes nothing of what is said, and the passes are fewer") {
  using copyspec::testing::ToyModelOptions;
  using Toy = copyspec::testing::ToyModel<float>;
  std::size_t passes_with = 0;
  std::size_t passes_without = 0;
  for (std::size_t const branches : {0U, 6U}) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      ToyModelOptions const options{.vocabulary = 200, .order = 2, .seed = seed, .max_branches = branches};
      // Three sequences, two conversations, the second over what the first has said; a third of the answers is removed.
      auto const say = [&](std::shared_ptr<History> const& history, std::size_t& passes) {
        Random random(static_cast<std::uint32_t>(seed));
        std::vector<Tokens> said;
        MixingProposer const proposer = with_history(history);
        for (int conversation = 0; conversation < 2; ++conversation) {
          Toy model(options);
          copyspec::Composer composer(model, proposer, copyspec::GreedyVerifier());
          for (std::int32_t turn = 0; turn < 2; ++turn) {
            for (std::int32_t i = 0; i < 3; ++i)
              composer.begin(SequenceId{i}, Tokens{5 + turn, 6 + i % 2, 7}, {.max_new_tokens = 30});
            composer.run();
            for (std::int32_t i = 0; i < 3; ++i) {
              auto const generated = composer.sequence(SequenceId{i}).generated();
              said.emplace_back(generated.begin(), generated.end());
              auto const remembered = composer.proposer(SequenceId{i}).remembered();
              CHECK(remembered.has_value() == (history != nullptr));
              if (remembered && below(random, 3) == 0) CHECK(history->remove(*remembered));
            }
          }
          for (std::int32_t i = 0; i < 3; ++i) passes += composer.sequence(SequenceId{i}).counters().decode_passes;
        }
        return said;
      };
      auto const history = some_history();
      CHECK(say(history, passes_with) == say(nullptr, passes_without));
      CHECK(history->counters().requests_appended == 12);
    }
  }
  CHECK(passes_with * 3 < passes_without * 2);
}

TEST_CASE("an answer that was cut back before it ended is not remembered, nor one that nobody waited for") {
  auto const history = some_history();
  copyspec::testing::ToyModel<float> model({.vocabulary = 50});
  copyspec::Composer composer(model, with_history(history), copyspec::GreedyVerifier());
  composer.begin(SequenceId{0}, Tokens{1, 2}, {.max_new_tokens = 20});
  composer.step([](auto const&) {});
  composer.truncate(SequenceId{0}, 2);
  composer.begin(SequenceId{1}, Tokens{1, 2}, {.max_new_tokens = 20});
  composer.step([](auto const&) {});
  composer.remove(SequenceId{1});
  CHECK(history->counters().requests_appended == 0);
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
      std::size_t const drafted = proposer.propose(std::span(text).first(end), space).length;
      REQUIRE(drafted == 48);
      for (std::size_t i = 0; i < space.size(); ++i) REQUIRE(space[i] == text[end - 7 + i % 7]);
    }
    CHECK(allocations() == before);
  }
}

// Where drafts are from.

namespace {

// What `proposer` says of where its draft for `context`, or its tree, is from.
std::vector<Source> sources(MixingProposer& proposer, std::span<Token const> context, bool tree) {
  Tokens space(max_draft_tokens);
  std::vector<std::int32_t> parents(max_draft_tokens);
  copyspec::Draft const draft =
      tree ? proposer.propose_tree(context, {.tokens = space, .parents = parents, .max_branches = 8})
           : proposer.propose(context, space);
  CHECK(draft.length > 0);
  CHECK(draft.sources.size() == draft.length);
  return {draft.sources.begin(), draft.sources.end()};
}

}  // namespace

TEST_CASE("a draft says which text it is from") {
  Tokens const text = counting(100, 20);
  Tokens const start(text.begin(), text.begin() + 5);
  for (bool const tree : {false, true}) {
    CAPTURE(tree);
    auto const all = [&](MixingProposer& proposer, Tokens const& context, Source source) {
      std::vector<Source> const said = sources(proposer, context, tree);
      return std::ranges::count(said, source) == std::ssize(said);
    };
    MixingProposer own = with_cost(0);
    CHECK(all(own, text + start, Source::context));
    MixingProposer referring = with_cost(0);
    referring.set_references(std::vector<Tokens>{text});
    CHECK(all(referring, start, Source::reference));
    auto const history = some_history();
    history->append(text);
    MixingProposer remembering = with_history(history);
    CHECK(all(remembering, start, Source::history));
    // Of texts that say the same, the one whose match is longest, and then the sequence's own.
    remembering.set_references(std::vector<Tokens>{text});
    CHECK(all(remembering, start, Source::reference));
    CHECK(all(remembering, start + Tokens{7} + Tokens(text.begin(), text.begin() + 15), Source::reference));
  }
}

TEST_CASE("in a composer what is counted of each source is all that is counted") {
  copyspec::testing::ToyModel model({.vocabulary = 64, .order = 3, .max_branches = 6});
  auto const history = some_history();
  MixingProposer const proposer = with_history(history);
  copyspec::Composer plain(model, copyspec::NoProposer(), copyspec::GreedyVerifier());
  Tokens const prompt{3, 1, 4, 1, 5};
  auto const answer = plain.generate(prompt, {.max_new_tokens = 400});
  Tokens const text = prompt + Tokens(answer.begin(), answer.end());
  copyspec::Composer composer(model, proposer, copyspec::GreedyVerifier());
  copyspec::SourceCounters sum;
  for (std::int32_t i = 1; i < 4; ++i) {
    SequenceId const id{i};
    composer.begin(id, prompt,
                   {.max_new_tokens = 400, .references = i == 2 ? std::vector<Tokens>{text} : std::vector<Tokens>{}});
    std::vector<Source> shown;
    composer.run([&](copyspec::OutputDelta const& emission) {
      shown.insert(shown.end(), emission.sources.begin(), emission.sources.end());
    });
    auto const& counters = composer.sequence(id).counters();
    std::size_t drafted = 0;
    std::size_t accepted = 0;
    for (Source const source : copyspec::draft_sources) {
      drafted += counters.by_source[source].drafted;
      accepted += counters.by_source[source].accepted;
      CHECK(counters.by_source[source].accepted == static_cast<std::size_t>(std::ranges::count(shown, source)));
    }
    CHECK(drafted == counters.drafted);
    CHECK(accepted == counters.accepted);
    sum += counters.by_source;
    if (i == 1) CHECK(sum[Source::history].drafted == 0);
  }
  CHECK(sum[Source::reference].accepted > 100);
  CHECK(sum[Source::history].accepted > 100);
  CHECK(sum[Source::other].drafted == 0);
}
