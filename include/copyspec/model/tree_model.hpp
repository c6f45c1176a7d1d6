// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "engine.hpp"
#include "model.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// A `Segment` that may end in a tree of draft tokens. Its last `parents.size()` tokens are the nodes, after at least
/// one token before the tree. `parents` is as in `TreeSpace`. With a tree, `rows` is one more than the number of nodes:
/// the first row follows the newest token before the tree, row `i + 1` follows node `i`. If `parents` is empty, it is a
/// plain `Segment`.
struct TreeSegment {
  SequenceId sequence{};
  std::span<Token const> tokens;
  std::size_t rows = 0;
  std::span<std::int32_t const> parents = {};
};

/// A `Model` that scores all nodes of a tree in one pass.
///
/// | expression                     | returns                | meaning |
/// |--------------------------------|------------------------|---------|
/// | `max_branches()`               | `std::size_t`          | most branches (leaves beyond the first of each tree) over all trees of a pass; zero: no trees |
/// | `forward(tree_batch)`          | as `forward(batch)`    | feeds the segments; returns the requested rows, in batch order |
/// | `keep(sequence, length, path)` | `std::size_t`          | forgets what was fed after the first `length` tokens, except the nodes of `path`; returns how many tokens are still held |
///
/// A pass feeds a tree after the first `length` tokens of its sequence. Before the next pass, `keep` may be called
/// once, with that `length`. `path` holds nodes of the tree in ascending order: the first has parent -1, and each other
/// node is the child of the one before. It may be empty. Afterwards the model holds what it would hold if the sequence
/// had been fed its first `length` tokens and the tokens of `path`.
///
/// Alternatively, `truncate` to `length` or less forgets the tree, at once or later. Until one of the two calls, the
/// sequence must not be fed, and what it holds beyond `length` is undefined.
///
/// Laws, besides those of `Model` (`testing/model_laws.hpp` checks them too):
///  - *tree*: the row after a node equals the row after the last token of the chain from the context to that node.
///    Siblings and cousins have no influence.
///  - *path*: after `keep`, nodes that were not kept do not influence later rows. Other sequences are unchanged,
///    including their trees.
///
/// Like `truncate`, `keep` may hold fewer tokens than requested, never more. If it throws, it has changed nothing.
template <class M>
concept TreeModel = Model<M> && requires(M& model, M const& constant, std::span<TreeSegment const> batch,
                                         SequenceId sequence, std::size_t length, std::span<std::int32_t const> path) {
  { constant.max_branches() } -> std::integral;
  { model.forward(batch) } -> std::same_as<LogitsOf<M>>;
  { model.keep(sequence, length, path) } -> std::integral;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
