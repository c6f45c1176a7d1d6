// SPDX-License-Identifier: MIT
#pragma once

#include <llama.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../../../core/assert.hpp"
#include "../../../core/version.hpp"
#include "checkpoints.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Copies sequences of a `llama_context` and moves their tokens, within what llama.cpp can do without harm to others:
///
/// - Sequences in one stream (`kv_unified`), and the recurrent states of all, are not copied: they share cells. A cell
///   has one position, so moving the tokens of one sequence moves those of the others. `can_move` knows which are
///   shared.
/// - Each sequence otherwise has a stream of its own, of which only a whole one can be copied. llama.cpp aborts the
///   process for a part.
/// - A copy of a stream is made in the next pass. Until then, a state that is read from the copy is old, and one that
/// is
///   written to the source is copied in its place. So a sequence whose checkpoints have keys, those of a window, is
///   copied through host memory at once.
/// - Keys of moved tokens are computed again in the next pass. For some models with a sliding window, llama.cpp aborts
///   the process there, so their tokens stay where they are.
///
/// Cost: O(cells of a stream) per call, and for a copy through host memory, an allocation of the sequence's state.
/// Threads: as the context.
class LlamaCppCells {
 public:
  /// For all sequences of `context`, which is borrowed and must outlive this object. What they hold may be shared.
  explicit LlamaCppCells(llama_context& context)
      : context_(&context),
        unified_(llama_n_ctx_seq(&context) == llama_n_ctx(&context)),
        keeps_state_(LlamaCppCheckpoints::keeps_state(context)),
        slides_(llama_model_n_swa(llama_get_model(&context)) > 0),
        restores_keys_(slides_ && (keeps_state_ || !llama_memory_can_shift(llama_get_memory(&context)))),
        shared_(llama_n_seq_max(&context)) {
    for (std::size_t id = 0; id < shared_.size(); ++id) shared_[id] = held(static_cast<llama_seq_id>(id));
  }

  /// Copies all tokens of sequence `from` to `to`, which must hold none. Returns false, and `to` holds nothing, if
  /// llama.cpp cannot.
  bool copy(llama_seq_id from, llama_seq_id to) {
    COPYSPEC_ASSERT(from != to && held(to) == 0, "a copy is made of one sequence in another, which is empty");
    std::size_t const length = held(from);
    if (!unified_ && restores_keys_) {
      if (!copy_state(from, to)) return false;
    } else {
      llama_memory_seq_cp(llama_get_memory(context_), from, to, -1, -1);
    }
    if (held(to) != length) {
      llama_memory_seq_rm(llama_get_memory(context_), to, -1, -1);
      return false;
    }
    if (unified_ || keeps_state_) shared_[index(from)] = shared_[index(to)] = length;
    return true;
  }

  /// Whether llama.cpp can move tokens of this model in this context.
  [[nodiscard]] bool can_shift() const { return !slides_ && llama_memory_can_shift(llama_get_memory(context_)); }

  /// Whether tokens from `position` on can be moved: no other sequence shares their cells. O(sequences).
  [[nodiscard]] bool can_move(llama_seq_id id, std::size_t position) const noexcept {
    if (shared_[index(id)] <= position) return true;
    return std::ranges::count_if(shared_, [position](std::size_t shared) { return shared > position; }) == 1;
  }

  /// Forgets `count` tokens from `first` on, and moves those after them down by as much. There must be some, which can
  /// be moved.
  void remove(llama_seq_id id, std::size_t first, std::size_t count) {
    COPYSPEC_ASSERT(can_shift() && can_move(id, first + count) && first + count < held(id), "tokens that can be moved");
    llama_memory_t const memory = llama_get_memory(context_);
    auto const begin = static_cast<llama_pos>(first);
    auto const end = static_cast<llama_pos>(first + count);
    llama_memory_seq_rm(memory, id, begin, end);
    llama_memory_seq_add(memory, id, end, -1, begin - end);
    set_length(id, first);
  }

  /// Call after sequence `id` was truncated to `length` tokens.
  void set_length(llama_seq_id id, std::size_t length) noexcept {
    shared_[index(id)] = std::min(shared_[index(id)], length);
  }

 private:
  [[nodiscard]] std::size_t held(llama_seq_id id) const {
    return static_cast<std::size_t>(llama_memory_seq_pos_max(llama_get_memory(context_), id) + 1);
  }

  bool copy_state(llama_seq_id from, llama_seq_id to) {
    std::vector<std::uint8_t> state(llama_state_seq_get_size_ext(context_, from, 0));
    return llama_state_seq_get_data_ext(context_, state.data(), state.size(), from, 0) == state.size() &&
           llama_state_seq_set_data_ext(context_, state.data(), state.size(), to, 0) == state.size();
  }

  [[nodiscard]] std::size_t index(llama_seq_id id) const noexcept {
    COPYSPEC_ASSERT(id >= 0 && static_cast<std::size_t>(id) < shared_.size(), "a sequence of the context");
    return static_cast<std::size_t>(id);
  }

  llama_context* context_;
  bool unified_;
  bool keeps_state_;
  bool slides_;
  bool
      restores_keys_;  // from checkpoints; not if a window has room for all tokens, which llama.cpp says by `can_shift`
  std::vector<std::size_t> shared_;  // by sequence id: how many of its first tokens others may share
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
