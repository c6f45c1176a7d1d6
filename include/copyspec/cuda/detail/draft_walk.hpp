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

/// One request's draft: a chain, or a tree whose nodes come after their parents.
///
/// Row 0 of the request follows the context, row `i + 1` follows node `i`. `parents[i]` is the node before node `i`, or
/// -1 if node `i` follows the context. Without `parents`, each node follows the one before it.
struct DraftView {
  Token const* tokens = nullptr;          ///< [length]
  std::int32_t const* parents = nullptr;  ///< [length], or null for a chain.
  std::uint32_t length = 0;

  /// The row that decides whether `node` < `length` is accepted; greater than `node` if the tree is malformed there.
  [[nodiscard]] COPYSPEC_HOST_DEVICE std::uint32_t deciding_row(std::uint32_t node) const noexcept {
    if (parents == nullptr) return node;
    // In unsigned arithmetic, -1 becomes row 0, and every other negative number exceeds any node.
    return static_cast<std::uint32_t>(parents[node]) + 1U;
  }

  /// Whether the parent of `node` comes before it, or is the context.
  [[nodiscard]] COPYSPEC_HOST_DEVICE bool well_formed(std::uint32_t node) const noexcept {
    return deciding_row(node) <= node;
  }

  /// Whether the token of `node` is in the vocabulary.
  [[nodiscard]] COPYSPEC_HOST_DEVICE bool known_token(std::uint32_t node, std::uint32_t vocabulary) const noexcept {
    return static_cast<std::uint32_t>(tokens[node]) < vocabulary;
  }
};

/// The end of a walk.
struct WalkEnd {
  std::uint32_t accepted = 0;  ///< Number of nodes on the path.
  Token next = no_token;       ///< The token that the row after the path gives; `no_token` if none.
};

/// Walks a draft, all of whose nodes are `well_formed`, along the tokens that its rows give. From the context on, it
/// moves to the first child node with the token of the current row, until there is none.
///
/// `decided[i]`, i <= length, is the token of row `i`, or `no_token`; only rows on the path are read. `path` receives
/// the nodes of the path. `emitted` receives their tokens, then the next token if there is one. Both may overlay the
/// draft's parents and tokens. O(length): children come after their parents, so one sweep suffices.
COPYSPEC_HOST_DEVICE inline WalkEnd walk_draft(DraftView const& draft, Token const* decided, std::int32_t* path,
                                               Token* emitted) noexcept {
  WalkEnd end{.accepted = 0, .next = decided[0]};
  std::uint32_t row = 0;
  for (std::uint32_t node = 0; node < draft.length && end.next != no_token; ++node) {
    if (draft.deciding_row(node) != row) {
      // In a chain, this row decides no other node.
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
