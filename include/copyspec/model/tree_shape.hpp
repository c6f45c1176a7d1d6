// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

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

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
