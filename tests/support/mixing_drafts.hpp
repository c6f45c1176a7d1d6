// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/cost/draft_length.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/draft/tree_proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/model/tree_shape.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "copying_text.hpp"

namespace copyspec_test {

using copyspec::Draft;
using copyspec::max_draft_tokens;
using copyspec::max_predicted_tokens;
using copyspec::MixingProposer;
using copyspec::Token;
using copyspec::tree_size;
using copyspec::TreeSpace;

// What a room for drafts is filled with.
constexpr Token untouched = -77;

// A proposer for which a further row costs so much of a pass, and that may lose any number of them.
MixingProposer with_cost(double marginal, std::size_t draft_length = 48);

// The draft for `context` in `space` tokens of room, which have a guard behind them.
Tokens propose(MixingProposer& proposer, std::span<Token const> context, std::size_t space = max_draft_tokens);

// `proposer.propose`, compiled once for all tests.
Draft draft_chain(MixingProposer& proposer, std::span<Token const> context, std::span<Token> space);

// `proposer.propose_tree`, likewise.
Draft draft_tree(MixingProposer& proposer, std::span<Token const> context, TreeSpace space);

// A tree of drafted tokens.
struct Tree {
  Tokens tokens;
  std::vector<std::int32_t> parents;

  [[nodiscard]] std::size_t size() const { return tokens.size(); }
  [[nodiscard]] std::size_t branches() const { return tree_size(parents, max_predicted_tokens).branches; }

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
Tree propose_tree(MixingProposer& proposer, std::span<Token const> context,
                  std::size_t max_branches = max_predicted_tokens, std::size_t space = max_predicted_tokens);

}  // namespace copyspec_test
