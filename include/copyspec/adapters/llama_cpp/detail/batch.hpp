// SPDX-License-Identifier: MIT
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "../../../core/token.hpp"
#include "../../../core/version.hpp"
#include "../../../model/tree_shape.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A tree in a `LlamaCppBatch`: the index of its first node, and the sequence ids of its branches, from `first_branch`
/// to before `end_branch`.
struct LlamaCppTree {
  SequenceId sequence{};
  std::size_t first_node = 0;
  llama_seq_id first_branch = 0;
  llama_seq_id end_branch = 0;
};

/// An owned `llama_batch`, filled segment by segment. Allocates in the constructor only. Does not check its capacity.
///
/// For llama.cpp, a branch of a tree is an additional sequence. A token has the ids of all branches through it, so that
/// each branch sees the tokens before it. Its first id is that of the branch on which it was added.
class LlamaCppBatch {
 public:
  /// Room for `tokens`, each in its own sequence and up to `branches` more.
  LlamaCppBatch(std::size_t tokens, std::size_t branches)
      : batch_(new llama_batch(
            llama_batch_init(static_cast<std::int32_t>(tokens), 0, static_cast<std::int32_t>(branches + 1)))) {}

  [[nodiscard]] llama_batch const& get() const noexcept { return *batch_; }

  void clear() noexcept { batch_->n_tokens = 0; }

  /// Adds `tokens` of sequence `id` starting at `position`, with a row after each of the last `rows`.
  void add_chain(std::span<Token const> tokens, std::size_t rows, llama_seq_id id, llama_pos position) noexcept {
    for (std::size_t i = 0; i < tokens.size(); ++i)
      add(tokens[i], i + rows >= tokens.size(), id, position + static_cast<llama_pos>(i));
  }

  /// Adds a tree after the newest `chain` tokens, which belong to sequence `id`, with a row after each node. Its
  /// branches get the ids from `branch` on.
  LlamaCppTree add_tree(std::span<Token const> tokens, std::span<std::int32_t const> parents, std::size_t chain,
                        llama_seq_id id, llama_seq_id branch) noexcept {
    LlamaCppTree tree{SequenceId{id}, static_cast<std::size_t>(batch_->n_tokens), branch, branch};
    for (std::size_t node = 0; node < tokens.size(); ++node) {
      std::int32_t const parent = parents[node];
      // The newest token of the chain comes directly before the nodes.
      std::size_t const before = tree.first_node + static_cast<std::size_t>(parent + 1) - 1;
      llama_seq_id own = batch_->seq_id[before][0];
      if (begins_branch(parents, node)) {
        own = tree.end_branch++;
        for (std::size_t back = 1; back <= chain; ++back) share(tree.first_node - back, own);
        for (std::int32_t at = parent; at >= 0; at = parents[static_cast<std::size_t>(at)])
          share(tree.first_node + static_cast<std::size_t>(at), own);
      }
      add(tokens[node], true, own, batch_->pos[before] + 1);
    }
    return tree;
  }

  /// The id of a sequence that contains the chain to `node` of `tree`.
  [[nodiscard]] llama_seq_id id_of(LlamaCppTree const& tree, std::int32_t node) const noexcept {
    return batch_->seq_id[tree.first_node + static_cast<std::size_t>(node)][0];
  }

 private:
  struct FreeBatch {
    void operator()(llama_batch* batch) const noexcept {
      llama_batch_free(*batch);
      delete batch;
    }
  };

  void add(Token token, bool row, llama_seq_id id, llama_pos position) noexcept {
    std::int32_t const index = batch_->n_tokens++;
    batch_->token[index] = token;
    batch_->pos[index] = position;
    batch_->n_seq_id[index] = 1;
    batch_->seq_id[index][0] = id;
    batch_->logits[index] = row ? 1 : 0;
  }

  void share(std::size_t index, llama_seq_id id) noexcept { batch_->seq_id[index][batch_->n_seq_id[index]++] = id; }

  std::unique_ptr<llama_batch, FreeBatch> batch_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
