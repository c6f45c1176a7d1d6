// SPDX-License-Identifier: MIT
#include "support/mixing_drafts.hpp"

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/draft/tree_proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/model/tree_shape.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "support/copying_text.hpp"

namespace copyspec_test {

using copyspec::PassCost;

MixingProposer with_cost(double marginal, std::size_t draft_length) {
  return MixingProposer({.pass_cost = PassCost::marginal(marginal),
                         .draft_length = draft_length,
                         .turn_credit = std::numeric_limits<double>::infinity(),
                         .scope_credit = std::numeric_limits<double>::infinity()});
}

Draft draft_chain(MixingProposer& proposer, std::span<Token const> context, std::span<Token> space) {
  return proposer.propose(context, space);
}

Draft draft_tree(MixingProposer& proposer, std::span<Token const> context, TreeSpace space) {
  return proposer.propose_tree(context, space);
}

Tokens propose(MixingProposer& proposer, std::span<Token const> context, std::size_t space) {
  Tokens room(space + 8, untouched);
  std::size_t const length = proposer.propose(context, std::span(room).first(space)).length;
  REQUIRE(length <= space);
  REQUIRE(length <= proposer.draft_length());
  REQUIRE(std::ranges::count(std::span(room).subspan(space), untouched) == 8);
  room.resize(length);
  return room;
}

Tree propose_tree(MixingProposer& proposer, std::span<Token const> context, std::size_t max_branches,
                  std::size_t space) {
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

}  // namespace copyspec_test
