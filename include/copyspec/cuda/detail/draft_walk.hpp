// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/host_device.hpp"
#include "running_best.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// One request's draft: a chain, or a tree whose nodes stand behind their parents.
///
/// Row 0 of the request follows the context, row `i + 1` follows node `i`. `parents[i]` is the node before node `i`, or
/// -1 for a node that follows the context; without `parents` each node follows the one before it.
struct DraftView {
  Token const* tokens = nullptr;          ///< [length]
  std::int32_t const* parents = nullptr;  ///< [length], or null for a chain.
  std::uint32_t length = 0;

  /// The row that decides whether `node` < `length` is right; more than `node` if the tree is malformed there.
  [[nodiscard]] COPYSPEC_HOST_DEVICE std::uint32_t deciding_row(std::uint32_t node) const noexcept {
    if (parents == nullptr) return node;
    // In unsigned arithmetic -1 becomes row 0, and every other negative number one beyond any node.
    return static_cast<std::uint32_t>(parents[node]) + 1U;
  }

  /// Whether the parent of `node` stands before it, or is the context.
  [[nodiscard]] COPYSPEC_HOST_DEVICE bool well_formed(std::uint32_t node) const noexcept {
    return deciding_row(node) <= node;
  }

  /// Whether the token of `node` belongs to the vocabulary.
  [[nodiscard]] COPYSPEC_HOST_DEVICE bool known_token(std::uint32_t node, std::uint32_t vocabulary) const noexcept {
    return static_cast<std::uint32_t>(tokens[node]) < vocabulary;
  }
};

/// Where a walk ended.
struct WalkEnd {
  std::uint32_t accepted = 0;  ///< Nodes on the path.
  Token next = no_token;       ///< What the row after the path decides; `no_token` if nothing.
};

/// Walks a draft, all of whose nodes are `well_formed`, along the tokens that its rows decide: from the context on to
/// the node that follows and has the decided token, the first such node if there are several, until there is none.
///
/// `decided[i]`, i <= length, is the token of row `i` or `no_token`; only rows on the path are looked at. `path` and
/// `emitted` receive the nodes of the path and their tokens, with the next token, if there is one, behind the latter;
/// they may be where the draft's parents and tokens are. O(length): children stand behind their parents, so that one
/// sweep is enough.
COPYSPEC_HOST_DEVICE inline WalkEnd walk_draft(DraftView const& draft, Token const* decided, std::int32_t* path,
                                               Token* emitted) noexcept {
  WalkEnd end{.accepted = 0, .next = decided[0]};
  std::uint32_t row = 0;
  for (std::uint32_t node = 0; node < draft.length && end.next != no_token; ++node) {
    if (draft.deciding_row(node) != row) {
      // A chain has no other node that this row decides.
      if (draft.parents == nullptr) break;
      continue;
    }
    if (draft.tokens[node] != end.next) continue;
    path[end.accepted] = static_cast<std::int32_t>(node);
    emitted[end.accepted] = end.next;
    ++end.accepted;
    row = node + 1;
    end.next = decided[row];
  }
  if (end.next != no_token) emitted[end.accepted] = end.next;
  return end;
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
