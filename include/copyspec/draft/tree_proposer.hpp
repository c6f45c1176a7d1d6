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

/// Space for a draft with several candidates at one position: a tree of nodes after the context.
///
/// `parents[i]` is the parent of node `i`, or -1 if node `i` directly follows the context. Parents come before their
/// children (`parents[i] < i`), so the first nodes of a tree are a tree. A chain has `parents[i] == i - 1`.
struct TreeSpace {
  std::span<Token> tokens;          ///< One for each node.
  std::span<std::int32_t> parents;  ///< As long as `tokens`.
  std::size_t max_branches = 0;     ///< Most leaves of the tree, not counting the first.
};

/// A `DraftProposer` that can also draft several continuations.
///
/// | expression                     | returns | meaning |
/// |--------------------------------|---------|---------|
/// | `propose_tree(context, space)` | `Draft` | writes nodes to the front of both spans of `space`; returns how many |
///
/// The laws of `propose` hold. In each step, one of the two is called. Siblings have different tokens. Of siblings with
/// equal tokens, only the first is considered.
template <class P>
concept TreeProposer = DraftProposer<P> && requires(P& proposer, std::span<Token const> context, TreeSpace space) {
  { proposer.propose_tree(context, space) } -> std::same_as<Draft>;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
