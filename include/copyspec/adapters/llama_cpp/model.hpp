// SPDX-License-Identifier: MIT
#pragma once

#include <llama.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../model/forking_model.hpp"
#include "../../model/model.hpp"
#include "../../model/shifting_model.hpp"
#include "../../model/tree_model.hpp"
#include "../../model/tree_shape.hpp"
#include "detail/batch.hpp"
#include "detail/cells.hpp"
#include "detail/checkpoints.hpp"
#include "detail/limits.hpp"
#include "detail/status.hpp"
#include "error.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace adapters {

/// Any `llama_context` as a `Model`. Sequence ids are llama.cpp's own, from 0 to `llama_n_seq_max` - 1.
///
/// As a `TreeModel` it reserves the highest `branches` of these ids. For llama.cpp, a branch of a tree is one more
/// sequence, which shares the cells of the context and of the nodes before it. That needs a context created with
/// `kv_unified`. Each branch marks the cells that it shares, at a cost that grows with the number of tokens held: see
/// docs/trees.md.
///
/// The context is borrowed. It must outlive this object, have a causal decoder, and be fed by nothing else while a
/// sequence is under way. Positions are read from the context, so tokens that it already held are continued.
///
/// Recurrent and hybrid models cannot be truncated, and neither can a sliding window that has moved on (a context
/// created without `swa_full`). There `truncate` goes back to a checkpoint, which is made before a draft is fed, or
/// else to nothing. It returns how many tokens are held then: see `LlamaCppCheckpoints`. After a rejected draft, its
/// accepted tokens and the one before them are fed once more, together with the next token. That pass generates a token
/// as any other does. So there are never more passes than tokens, whatever is drafted.
///
/// A pass of up to `n_ubatch` tokens is one evaluation of llama.cpp's graph. For several sequences that needs a context
/// created with `kv_unified`, and a model without a recurrent state: see docs/model.md.
///
/// Sequences can be forked and shifted, as `ForkingModel` and `ShiftingModel` say. In a context created with
/// `kv_unified`, a fork shares the cells of its tokens and takes none. Otherwise it costs a copy of the cache of one
/// sequence, and through host memory for a model with a sliding window.
///
/// The constructor throws `LlamaCppError` for a model that is not decoder-only, for branches that the model or the
/// context does not allow, and for a context that would split passes, unless its streams are expected to be `apart`.
/// Allocates in the constructor, and for checkpoints. Threads: one call at a time, like llama.cpp itself.
class LlamaCpp {
 public:
  using Streams = detail::LlamaCppStreams;
  explicit LlamaCpp(llama_context& context, std::size_t branches = 0, Streams streams = Streams::together)
      : context_(&context),
        vocabulary_size_(
            static_cast<std::size_t>(llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(&context))))),
        limits_(context, branches, streams),
        batch_(llama_n_batch(&context), branches),
        checkpoints_(context),
        cells_(context) {
    trees_.reserve(llama_n_seq_max(&context));
    llama_model const* const model = llama_get_model(context_);
    if (llama_model_has_encoder(model) || !llama_model_has_decoder(model))
      raise_error<LlamaCppError>(ErrorCode::bad_options, "this model is not a decoder alone: copying needs one");
  }

  /// Whether the model keeps a state that cannot be truncated to any length, as recurrent and hybrid models do. If so,
  /// construct a `MixingProposer` with `Rollback::checkpoint`.
  [[nodiscard]] static bool needs_checkpoints(llama_context const& context) {
    return detail::LlamaCppCheckpoints::keeps_state(context);
  }

  /// The checkpoints that sequences go back to if their cache cannot be truncated.
  [[nodiscard]] detail::LlamaCppCheckpoints const& checkpoints() const noexcept { return checkpoints_; }

  /// The borrowed context.
  [[nodiscard]] llama_context& context() const noexcept { return *context_; }

  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return vocabulary_size_; }
  [[nodiscard]] std::size_t max_tokens() const noexcept { return limits_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const noexcept { return limits_.context_limit(); }
  [[nodiscard]] std::size_t max_branches() const noexcept { return limits_.max_branches(); }

  /// See `Model`. Throws `LlamaCppError` if the segments do not fit or llama.cpp fails. The message names the cause.
  LogitsView<float> forward(std::span<Segment const> segments) { return run(segments); }

  /// See `TreeModel`. Throws as above.
  LogitsView<float> forward(std::span<TreeSegment const> segments) { return run(segments); }

  /// See `Model`. Throws `LlamaCppError` only for an unknown sequence.
  std::size_t truncate(SequenceId sequence, std::size_t length) {
    limits_.require_id(sequence);
    if (detail::LlamaCppTree const* const tree = find_tree(sequence)) forget_tree(*tree);
    auto const id = static_cast<llama_seq_id>(sequence);
    std::size_t const held = limits_.held(sequence);
    if (length >= held) return held;
    if (checkpoints_.reaches_back(id, length)) {
      cut(id, length);
      return length;
    }
    std::size_t const kept = checkpoints_.restore(id, length);
    cells_.set_length(id, kept);
    return kept;
  }

  /// See `ForkingModel`. A state that cannot be truncated is held up to the checkpoint of `from`, or not at all. Throws
  /// `LlamaCppError` only for an unknown sequence, and for `to` equal to `from`.
  std::size_t fork(SequenceId from, SequenceId to, std::size_t length) {
    limits_.require_id(from);
    if (from == to) raise_error<LlamaCppError>(ErrorCode::engine, "a sequence cannot be forked to itself");
    truncate(to, 0);
    auto const source = static_cast<llama_seq_id>(from);
    auto const id = static_cast<llama_seq_id>(to);
    std::size_t const held = limits_.held(from);
    checkpoints_.drop_beyond(id, 0);
    if (std::min(length, held) == 0) return 0;
    if (length < held && checkpoints_.length(source) > 0) checkpoints_.copy(source, id);
    if (!cells_.copy(source, id)) return 0;
    return truncate(to, length);
  }

  /// See `ShiftingModel`. Tokens whose cells a fork shares cannot be moved: then the first `first` tokens are held.
  /// What is left still depends on the forgotten tokens, a recurrent state as before. Throws `LlamaCppError` for an
  /// unknown sequence, and for a model that llama.cpp cannot shift, as those with a sliding window; nothing is changed.
  std::size_t shift(SequenceId sequence, std::size_t first, std::size_t count) {
    limits_.require_id(sequence);
    if (!cells_.can_shift())
      raise_error<LlamaCppError>(ErrorCode::engine, "llama.cpp cannot shift the tokens of this model");
    std::size_t const held = limits_.held(sequence);
    first = std::min(first, held);
    count = std::min(count, held - first);
    auto const id = static_cast<llama_seq_id>(sequence);
    if (count == 0) return truncate(sequence, held);
    if (first + count == held || !cells_.can_move(id, first + count)) return truncate(sequence, first);
    if (detail::LlamaCppTree const* const tree = find_tree(sequence)) forget_tree(*tree);
    cells_.remove(id, first, count);
    checkpoints_.drop_beyond(id, first);
    return held - count;
  }

  /// See `TreeModel`.
  std::size_t keep(SequenceId sequence, std::size_t length, std::span<std::int32_t const> path) {
    detail::LlamaCppTree const* const tree = find_tree(sequence);
    COPYSPEC_ASSERT(tree != nullptr, "a path is kept once, after the pass that fed the tree");
    auto const id = static_cast<llama_seq_id>(sequence);
    std::size_t const kept = length + path.size();
    if (!checkpoints_.reaches_back(id, kept)) return truncate(sequence, length);
    llama_seq_id const branch = path.empty() ? id : batch_.id_of(*tree, path.back());
    cut(id, branch == id ? kept : length);
    llama_memory_seq_cp(llama_get_memory(context_), branch, id, static_cast<llama_pos>(length),
                        static_cast<llama_pos>(kept));
    forget_tree(*tree);
    return kept;
  }

 private:
  template <class AnySegment>
  LogitsView<float> run(std::span<AnySegment const> segments) {
    std::size_t const total = limits_.require_fit(segments);
    while (!trees_.empty()) forget_tree(trees_.back());
    make_checkpoints(segments, total);
    std::size_t const rows = fill(segments, total);
    decode();
    float const* const logits = rows == 0 ? nullptr : llama_get_logits(context_);
    if (rows > 0 && logits == nullptr)
      raise_error<LlamaCppError>(ErrorCode::engine, "llama.cpp: the pass returned no logits");
    return {logits, rows, vocabulary_size_};
  }

  // Number of tokens of a segment that are fed before its checkpoint is made, in a pass of their own. A rejected draft
  // then loses no prompt tokens.
  template <class AnySegment>
  [[nodiscard]] std::size_t fed_before(AnySegment const& segment, std::size_t total) const {
    return checkpoints_.needed(segment, total) ? segment.tokens.size() - segment.rows : 0;
  }

  template <class AnySegment>
  void make_checkpoints(std::span<AnySegment const> segments, std::size_t total) {
    batch_.clear();
    for (AnySegment const& segment : segments) {
      auto const id = static_cast<llama_seq_id>(segment.sequence);
      checkpoints_.drop_beyond(id, limits_.held(segment.sequence));
      batch_.add_chain(segment.tokens.first(fed_before(segment, total)), 0, id,
                       static_cast<llama_pos>(limits_.held(segment.sequence)));
    }
    if (batch_.get().n_tokens > 0) decode();
    for (AnySegment const& segment : segments)
      if (checkpoints_.needed(segment, total))
        checkpoints_.save(static_cast<llama_seq_id>(segment.sequence), limits_.held(segment.sequence));
  }

  // Feeds the batch.
  void decode() {
    detail::require_decoded(llama_decode(context_, batch_.get()), static_cast<std::size_t>(batch_.get().n_tokens),
                            llama_n_ctx(context_));
  }

  // Forgets all but the first `length` tokens.
  void cut(llama_seq_id id, std::size_t length) {
    llama_memory_seq_rm(llama_get_memory(context_), id, static_cast<llama_pos>(length), -1);
    checkpoints_.drop_beyond(id, length);
    cells_.set_length(id, length);
  }

  [[nodiscard]] detail::LlamaCppTree const* find_tree(SequenceId sequence) const {
    auto const found = std::ranges::find(trees_, sequence, &detail::LlamaCppTree::sequence);
    return found == trees_.end() ? nullptr : &*found;
  }

  // Removes the branches. The sequence keeps the tokens that it holds itself.
  void forget_tree(detail::LlamaCppTree const& tree) {
    for (llama_seq_id branch = tree.first_branch; branch < tree.end_branch; ++branch)
      llama_memory_seq_rm(llama_get_memory(context_), branch, -1, -1);
    trees_.erase(trees_.begin() + (&tree - trees_.data()));
  }

  // Copies the rest of the segments into the batch and returns how many rows they request.
  template <class AnySegment>
  std::size_t fill(std::span<AnySegment const> segments, std::size_t total) {
    batch_.clear();
    std::size_t rows = 0;
    llama_seq_id branch = limits_.first_branch();
    for (AnySegment const& segment : segments) {
      auto const id = static_cast<llama_seq_id>(segment.sequence);
      std::span<std::int32_t const> const parents = detail::parents_of(segment);
      std::span<Token const> const tokens = segment.tokens.subspan(fed_before(segment, total));
      std::size_t const chain = tokens.size() - parents.size();
      batch_.add_chain(tokens.first(chain), segment.rows - parents.size(), id,
                       static_cast<llama_pos>(limits_.held(segment.sequence)));
      rows += segment.rows;
      if (parents.empty()) continue;
      trees_.push_back(batch_.add_tree(tokens.last(parents.size()), parents, chain, id, branch));
      for (; branch < trees_.back().end_branch; ++branch)
        llama_memory_seq_cp(llama_get_memory(context_), id, branch, -1, -1);
    }
    return rows;
  }

  llama_context* context_;
  std::size_t vocabulary_size_;
  detail::LlamaCppLimits limits_;
  detail::LlamaCppBatch batch_;
  detail::LlamaCppCheckpoints checkpoints_;
  detail::LlamaCppCells cells_;
  std::vector<detail::LlamaCppTree> trees_;  // of the last pass, until their sequences are truncated
};

static_assert(TreeModel<LlamaCpp> && ForkingModel<LlamaCpp> && ShiftingModel<LlamaCpp>);

}  // namespace adapters
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
