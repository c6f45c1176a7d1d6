// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "draft.hpp"
#include "token.hpp"

namespace copyspec::inline v0 {

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

/// How large a tree is.
struct TreeSize {
  std::size_t nodes = 0;
  std::size_t branches = 0;  ///< Leaves beyond the first. Without any, the tree is a chain.
};

/// Whether a node before `node` has the same parent, so that `node` begins a branch. Needs: the parent of `node` stands
/// before it, or is the context. O(`node` - parent).
[[nodiscard]] constexpr bool begins_branch(std::span<std::int32_t const> parents, std::size_t node) noexcept {
  // Children stand behind their parent.
  for (auto other = static_cast<std::size_t>(parents[node] + 1); other < node; ++other)
    if (parents[other] == parents[node]) return true;
  return false;
}

/// The largest tree with at most `max_branches` branches that the first nodes of `parents` are: all of them, unless one
/// stands before its parent, names a parent that is none, or begins a branch too many. O(nodes) for each branch.
[[nodiscard]] constexpr TreeSize tree_size(std::span<std::int32_t const> parents, std::size_t max_branches) noexcept {
  TreeSize size;
  for (; size.nodes < parents.size(); ++size.nodes) {
    std::int32_t const parent = parents[size.nodes];
    if (parent < -1 || parent >= static_cast<std::int32_t>(size.nodes)) break;
    if (!begins_branch(parents, size.nodes)) continue;
    if (size.branches == max_branches) break;
    ++size.branches;
  }
  return size;
}

}  // namespace copyspec::inline v0
