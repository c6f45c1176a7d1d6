// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../../core/version.hpp"
#include "../../detail/host_device.hpp"
#include "../verify_geometry.hpp"
#include "draft_walk.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// One row of logits in memory, aligned to a logit only, and its division into tiles.
struct TiledRow {
  unsigned char const* data = nullptr;
  std::uint32_t vocabulary = 0;
  VerifyGeometry geometry;

  [[nodiscard]] COPYSPEC_HOST_DEVICE std::uint32_t begin(std::uint32_t tile) const noexcept {
    return tile * geometry.tile;
  }
  [[nodiscard]] COPYSPEC_HOST_DEVICE std::uint32_t end(std::uint32_t tile) const noexcept {
    std::uint32_t const left = vocabulary - begin(tile);
    return begin(tile) + (left < geometry.tile ? left : geometry.tile);
  }
};

/// A row of a request: what a rule decides about.
struct DraftRow {
  TiledRow logits;
  DraftView draft;
  std::uint32_t request = 0;
  std::uint32_t row = 0;  ///< Index within the request.
  std::size_t entry = 0;  ///< Index of the row in a workspace.
};

/// The number of tokens between the context and the token that `row` <= `draft.length` decides. Arbitrary for a
/// malformed tree. O(row). Uses the team's scratch memory.
template <class Team>
[[nodiscard]] COPYSPEC_HOST_DEVICE std::uint32_t depth_of(DraftView const& draft, std::uint32_t row, Team& team) {
  if (draft.parents == nullptr) return row;
  // The walk is sequential, so its input is loaded by all threads beforehand.
  auto* const parents = static_cast<std::int32_t*>(team.scratch());
  team.each([&](std::uint32_t thread) {
    for (std::uint32_t node = thread; node < row; node += team.size()) parents[node] = draft.parents[node];
  });
  return team.lead([&] {
    DraftView const fetched{.tokens = nullptr, .parents = parents, .length = row};
    std::uint32_t depth = 0;
    for (std::uint32_t at = row; at > 0 && fetched.well_formed(at - 1); at = fetched.deciding_row(at - 1)) ++depth;
    return depth;
  });
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
