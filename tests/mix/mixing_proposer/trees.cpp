// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/draft_length.hpp>
#include <copyspec/draft/tree_proposer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"
#include "support/mixing_decoder.hpp"
#include "support/mixing_drafts.hpp"
#include "support/texts.hpp"

using copyspec::max_predicted_tokens;
using copyspec::MixingProposer;
using copyspec::Token;
using copyspec::TreeProposer;
using copyspec_test::copying;
using copyspec_test::decode;
using copyspec_test::decode_trees;
using copyspec_test::draft_tree;
using copyspec_test::propose;
using copyspec_test::propose_tree;
using copyspec_test::Spent;
using copyspec_test::Tree;
using copyspec_test::with_cost;

static_assert(TreeProposer<MixingProposer>);

namespace {

// Text in which `common` is followed now by one token and now by another, as a coin falls.
Tokens coin_tosses(Random& random, std::size_t count) {
  Tokens const common = counting(100, 6);
  Tokens tokens;
  while (tokens.size() < count) tokens = tokens + common + Tokens{below(random, 2) == 0 ? 1 : 2};
  tokens.resize(count);
  return tokens;
}

}  // namespace

TEST_CASE("trees are trees, of no more nodes and branches than asked for, and only of tokens of the context") {
  Random random(21);
  std::size_t branches = 0;
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    MixingProposer proposer =
        with_cost(round % 3 == 0 ? 0 : 0.02, round % 4 == 0 ? max_predicted_tokens : below(random, 40));
    Tokens text = copying(random, 400, 2 + below(random, 30));
    // Beyond what statistics hold, and what is no token of text.
    for (Token& token : text) {
      if (below(random, 15) == 0) token = std::numeric_limits<Token>::max() - token;
      if (below(random, 30) == 0) token = below(random, 2) == 0 ? -1 : std::numeric_limits<Token>::min();
    }
    for (std::size_t length = 0; length <= text.size(); length += 1 + below(random, 4)) {
      auto const context = std::span(text).first(length);
      // The helper checks the rest.
      Tree const tree = propose_tree(proposer, context, below(random, 12), below(random, max_predicted_tokens + 20));
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
  MixingProposer proposer = with_cost(0, max_predicted_tokens);
  for (std::size_t length = 50; length <= text.size(); length += 1 + below(random, 4)) {
    Tree tree = propose_tree(proposer, std::span(text).first(length), 6);
    std::size_t const space = below(random, max_predicted_tokens);
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
    MixingProposer proposer = with_cost(cost, max_predicted_tokens);
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
    CHECK(decode_trees(dear, text, 1, 1000, max_predicted_tokens).drafted == 0);
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
  Tokens space(max_predicted_tokens);
  std::vector<std::int32_t> parents(max_predicted_tokens);
  MixingProposer proposer = with_cost(0, max_predicted_tokens);
  proposer.reserve(text.size());
  std::size_t const before = allocations();
  std::size_t drafted = 0;
  for (std::size_t length = 1; length <= text.size(); length += 1 + length % 3) {
    drafted += draft_tree(proposer, std::span(text).first(length),
                          {.tokens = space, .parents = parents, .max_branches = max_predicted_tokens})
                   .length;
    if (length % 200 == 0) proposer.truncate(length - 100);
  }
  CHECK(allocations() == before);
  CHECK(drafted > 30000);
}
