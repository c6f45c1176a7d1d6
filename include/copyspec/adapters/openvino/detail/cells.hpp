// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "../../../core/assert.hpp"
#include "../../../core/token.hpp"
#include "../../../core/version.hpp"
#include "../../../model/forking_model.hpp"
#include "../../detail/segment_checks.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Which cells of a cache that only grows belong to which sequences. A pass appends a cell for each token it feeds.
/// What a token attends to is up to an attention mask, so a cell can be held by several sequences, and by none: then it
/// is dead, and nothing attends to it until it is dropped.
///
/// Cost: `truncate`, `keep` and `fork` O(cells affected); `append` O(tokens); `compact` O(cells); all with O(log n) for
/// n sequences. Allocates as sequences grow. Threads: one call at a time.
class OpenVinoCells {
 public:
  using Index = std::uint32_t;

  /// Cells in the cache, dead ones included.
  [[nodiscard]] std::size_t size() const noexcept { return uses_.size(); }
  [[nodiscard]] std::size_t dead() const noexcept { return dead_; }

  /// Tokens held of a sequence.
  [[nodiscard]] std::size_t held(SequenceId sequence) const { return cells_of(sequence).size(); }

  /// The cells of a sequence, in the order of its tokens.
  [[nodiscard]] std::span<Index const> cells_of(SequenceId sequence) const {
    auto const found = sequences_.find(sequence);
    return found == sequences_.end() ? std::span<Index const>() : std::span<Index const>(found->second.cells);
  }

  /// Adds a cell for each token of a pass over `segments`, in their order.
  template <class AnySegment>
  void append(std::span<AnySegment const> segments) {
    for (AnySegment const& segment : segments) {
      Held& held = sequences_[segment.sequence];
      std::size_t const nodes = parents_of(segment).size();
      for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
        (i + nodes < segment.tokens.size() ? held.cells : held.nodes).push_back(static_cast<Index>(uses_.size()));
        uses_.push_back(1);
      }
    }
  }

  /// Forgets all but the first `length` tokens. Returns how many are held then.
  std::size_t truncate(SequenceId sequence, std::size_t length) {
    auto const found = sequences_.find(sequence);
    if (found == sequences_.end()) return 0;
    release(found->second.nodes, 0);
    release(found->second.cells, length);
    std::size_t const left = found->second.cells.size();
    if (left == 0) sequences_.erase(found);
    return left;
  }

  /// Holds the first `length` tokens and the nodes of `path`. Returns how many tokens that is.
  std::size_t keep(SequenceId sequence, std::size_t length, std::span<std::int32_t const> path) {
    auto const found = sequences_.find(sequence);
    COPYSPEC_ASSERT(found != sequences_.end() && !found->second.nodes.empty(),
                    "a path is kept once, after the pass that fed the tree");
    auto& [cells, nodes] = found->second;
    release(cells, length);
    for (std::int32_t const node : path) {
      cells.push_back(nodes[static_cast<std::size_t>(node)]);
      ++uses_[cells.back()];
    }
    release(nodes, 0);
    return cells.size();
  }

  /// Lets `to`, of which nothing is held, hold the first `length` tokens of `from` too. Returns how many these are.
  std::size_t fork(SequenceId from, SequenceId to, std::size_t length) {
    auto const source = cells_of(from);
    auto const shared = source.first(std::min(length, source.size()));
    if (shared.empty()) return 0;
    sequences_[to].cells.assign(shared.begin(), shared.end());
    for (Index const cell : shared) ++uses_[cell];
    return shared.size();
  }

  /// Forgets the trees that no path was kept of.
  void forget_trees() {
    for (auto& [sequence, held] : sequences_) release(held.nodes, 0);
  }

  /// The cells that are not dead, ascending.
  [[nodiscard]] std::vector<Index> live() const {
    std::vector<Index> live;
    live.reserve(size() - dead_);
    for (Index cell = 0; cell < uses_.size(); ++cell)
      if (uses_[cell] > 0) live.push_back(cell);
    return live;
  }

  /// Numbers cells anew after all but `live()` were dropped from the cache.
  void compact() {
    std::vector<Index> moved(uses_.size());
    std::size_t count = 0;
    for (std::size_t cell = 0; cell < uses_.size(); ++cell) {
      moved[cell] = static_cast<Index>(count);
      if (uses_[cell] > 0) uses_[count++] = uses_[cell];
    }
    uses_.resize(count);
    dead_ = 0;
    for (auto& [sequence, held] : sequences_) {
      for (Index& cell : held.cells) cell = moved[cell];
      for (Index& cell : held.nodes) cell = moved[cell];
    }
  }

 private:
  // What the cache holds of a sequence.
  struct Held {
    std::vector<Index> cells;  // of its tokens, in order
    std::vector<Index> nodes;  // of the tree that the last pass fed after them, until it is kept or forgotten
  };

  // Shortens a list of cells to `length`.
  void release(std::vector<Index>& cells, std::size_t length) {
    for (; cells.size() > length; cells.pop_back())
      if (--uses_[cells.back()] == 0) ++dead_;
  }

  std::map<SequenceId, Held> sequences_;
  std::vector<std::uint32_t> uses_;  // by cell, how many sequences hold it
  std::size_t dead_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
