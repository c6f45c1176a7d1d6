// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "proposer.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Room for a draft that may have several guesses at one position: a tree of nodes behind the context.
///
/// `parents[i]` is the node before node `i`, or -1 for a node that follows the context. Parents stand before their
/// children (`parents[i] < i`), so that the first nodes of a tree are a tree. A chain is `parents[i] == i - 1`.
struct TreeSpace {
  std::span<Token> tokens;          ///< One a node.
  std::span<std::int32_t> parents;  ///< As long as `tokens`.
  std::size_t max_branches = 0;     ///< How many leaves beyond the first the tree may have.
};

/// A `DraftProposer` that can also guess several ways on.
///
/// | expression                     | returns | meaning |
/// |--------------------------------|---------|---------|
/// | `propose_tree(context, space)` | `Draft` | writes nodes to the front of `space.tokens` and `space.parents`; says how many |
///
/// What is said of `propose` holds. In each step one of the two is called. Siblings have different tokens; of equal
/// ones only the first is ever looked at.
template <class P>
concept TreeProposer = DraftProposer<P> && requires(P& proposer, std::span<Token const> context, TreeSpace space) {
  { proposer.propose_tree(context, space) } -> std::same_as<Draft>;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
