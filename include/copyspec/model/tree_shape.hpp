// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The size of a tree.
struct TreeSize {
  std::size_t nodes = 0;
  std::size_t branches = 0;  ///< Leaves beyond the first; zero for a chain.
};

/// Whether `node` begins a branch: whether an earlier node has the same parent. Requires that the parent of `node` is
/// an earlier node or the context (-1). O(`node` - parent). No allocation.
[[nodiscard]] constexpr bool begins_branch(std::span<std::int32_t const> parents, std::size_t node) noexcept {
  // Children come after their parent.
  for (auto other = static_cast<std::size_t>(parents[node] + 1); other < node; ++other)
    if (parents[other] == parents[node]) return true;
  return false;
}

/// The size of the longest prefix of `parents` that is a valid tree with at most `max_branches` branches. The prefix
/// ends before the first node whose parent is not an earlier node or -1, or which begins a branch too many. O(nodes)
/// for each branch. No allocation.
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
