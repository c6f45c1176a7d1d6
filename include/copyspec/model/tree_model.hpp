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

/// A `Segment` whose last `parents.size()` tokens are the nodes of a tree behind the tokens before them, of which there
/// is at least one. `parents` is as in `TreeSpace`. Then `rows` is one more than the nodes: the first row follows the
/// newest token before the tree, row `i + 1` follows node `i`. Without `parents` it is a `Segment`.
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
/// | `max_branches()`               | `std::size_t`          | most branches, leaves beyond one a tree, of all trees of a pass together; zero: no trees |
/// | `forward(tree_batch)`          | as `forward(batch)`    | feeds the segments; the rows asked for, in batch order |
/// | `keep(sequence, length, path)` | `std::size_t`          | forgets what was fed behind the first `length` tokens, but for the nodes of `path`; returns how many tokens are still held |
///
/// A pass that feeds a tree feeds it behind the first `length` tokens of its sequence. Before the next pass, `keep` may
/// be called once, with that `length`. `path` holds nodes of the tree in ascending order, the first with parent -1,
/// each other the child of the one before; it may be empty. What is held then is as if the sequence had been fed its
/// first `length` tokens and the tokens of `path`. Instead, then or later, `truncate` to `length` or less forgets the
/// tree. Until one of them has, the sequence is not fed, and what it holds beyond `length` is undefined.
///
/// Laws, besides those of `Model` (`testing/model_laws.hpp` checks them too):
///  - *tree*: the row after a node is that after the last token of the chain from the context to it; siblings and
///    cousins have no influence.
///  - *path*: after `keep`, the nodes that were not kept have no influence on later rows, and other sequences are as
///    they were, trees included.
///
/// Like `truncate`, `keep` may hold fewer tokens than asked, never more, and may throw, and has then changed nothing.
template <class M>
concept TreeModel = Model<M> && requires(M& model, M const& constant, std::span<TreeSegment const> batch,
                                         SequenceId sequence, std::size_t length, std::span<std::int32_t const> path) {
  { constant.max_branches() } -> std::convertible_to<std::size_t>;
  { model.forward(batch) } -> std::same_as<LogitsOf<M>>;
  { model.keep(sequence, length, path) } -> std::convertible_to<std::size_t>;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
