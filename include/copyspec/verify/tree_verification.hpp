// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/logits.hpp"
#include "verifier.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Verifies a tree with a verifier of chains. From the context on, it asks the verifier for the token of a row and
/// moves to the child node with that token, until there is none.
///
/// `nodes`, a tree with these `parents`, lies directly after `context` in memory. `rows` holds one row after the
/// context and one after each node. `accepted` in the verdict counts the nodes on the path. On return, the first of
/// `nodes` are their tokens, so that the path follows the context as an accepted chain would. The first of `parents`
/// are the path itself, ascending. The rest of both is unspecified. After an exception from the verifier, the
/// nodes are accepted that its earlier calls have led to, as many as these.
///
/// Any `parents` are safe: none is used as an index. O(nodes) besides the verifier. No allocation.
template <class Verifier, class Scalar>
  requires AcceptanceVerifier<Verifier, Scalar>
[[nodiscard]] Verdict verify_tree(Verifier& verifier, LogitsView<Scalar> rows, std::span<Token const> context,
                                  std::span<Token> nodes, std::span<std::int32_t> parents) {
  COPYSPEC_ASSERT(nodes.data() == context.data() + context.size(), "nodes lie directly after the context");
  COPYSPEC_ASSERT(nodes.size() == parents.size(), "a parent for each node");
  COPYSPEC_ASSERT(rows.rows() == nodes.size() + 1, "a row after the context and one after each node");
  std::size_t accepted = 0;
  for (std::size_t row = 0;;) {
    std::span<Token const> const said(context.data(), context.size() + accepted);
    Verdict verdict = verifier.verify(rows.subview(row, 1), said, said.size());
    verdict.accepted = accepted;
    if (verdict.status != VerdictStatus::ok) return verdict;
    // Row i + 1 follows node i, and children come after their parents: nodes before `row` are no longer needed.
    std::int32_t const parent = static_cast<std::int32_t>(row) - 1;
    std::size_t node = row;
    while (node < nodes.size() && (parents[node] != parent || nodes[node] != verdict.next)) ++node;
    if (node == nodes.size()) return verdict;
    // A path ascends, so `accepted` nodes come before this one: accepted <= node, and that slot is no longer needed.
    nodes[accepted] = verdict.next;
    parents[accepted] = static_cast<std::int32_t>(node);
    ++accepted;
    row = node + 1;
  }
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
