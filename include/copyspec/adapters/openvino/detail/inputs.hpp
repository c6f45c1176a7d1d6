// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "../../../core/token.hpp"
#include "../../../core/version.hpp"
#include "../../detail/segment_checks.hpp"
#include "cells.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What a pass feeds to the graph: tokens, their positions, which rows are wanted, and which cells each token attends
/// to.
///
/// Cost: O(tokens * cells). Allocates until it has met the largest pass. Threads: one call at a time.
struct OpenVinoInputs {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> positions;
  std::vector<std::int32_t> rows;  ///< Indices of the tokens whose rows are returned.
  std::vector<float> mask;         ///< A row for each token: 0 for each cell that it attends to, else minus infinity.

  /// What feeds `segments` after what `cells` says is held. The pass appends cells in their order.
  template <class AnySegment>
  void fill(std::span<AnySegment const> segments, OpenVinoCells const& cells) {
    tokens.clear();
    positions.clear();
    rows.clear();
    std::size_t total = 0;
    for (AnySegment const& segment : segments) total += segment.tokens.size();
    std::size_t const width = cells.size() + total;
    mask.assign(total * width, -std::numeric_limits<float>::infinity());
    for (AnySegment const& segment : segments) add(segment, cells, width);
  }

 private:
  template <class AnySegment>
  void add(AnySegment const& segment, OpenVinoCells const& cells, std::size_t width) {
    std::span<OpenVinoCells::Index const> const held = cells.cells_of(segment.sequence);
    std::span<std::int32_t const> const parents = parents_of(segment);
    std::size_t const count = segment.tokens.size();
    std::size_t const chain = count - parents.size();
    std::size_t const first = tokens.size();
    for (std::size_t i = 0; i < count; ++i) {
      float* const row = mask.data() + (first + i) * width;
      float* const fed = row + cells.size() + first;
      for (OpenVinoCells::Index const cell : held) row[cell] = 0.0F;
      for (std::size_t before = 0; before < chain && before <= i; ++before) fed[before] = 0.0F;
      std::size_t depth = i < chain ? i : chain - 1;
      if (i >= chain)
        for (auto node = static_cast<std::int32_t>(i - chain); node >= 0;
             node = parents[static_cast<std::size_t>(node)])
          fed[chain + static_cast<std::size_t>(node)] = 0.0F, ++depth;
      if (i + segment.rows >= count) rows.push_back(static_cast<std::int32_t>(first + i));
      tokens.push_back(segment.tokens[i]);
      positions.push_back(static_cast<std::int32_t>(held.size() + depth));
    }
  }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
