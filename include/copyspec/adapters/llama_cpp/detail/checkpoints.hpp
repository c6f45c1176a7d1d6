// SPDX-License-Identifier: MIT
#pragma once

#include <llama.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../../../core/assert.hpp"
#include "../../../core/version.hpp"
#include "../error.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// How sequences of a `llama_context` go back to an earlier token where their cache cannot be cut: a recurrent state
/// (recurrent and hybrid models) is that of its newest token only, and a sliding window that has moved on has
/// overwritten what earlier tokens attended to.
///
/// Of each sequence one checkpoint is held, the newest: what llama.cpp calls its partial state, which is the recurrent
/// state and the window, and not the keys and values of all tokens, which can be cut. It is made before a draft is fed:
/// always if there is a recurrent state, and of a window if the pass is longer than what llama.cpp computes at once
/// (`n_ubatch`), since that much the window has room for besides. A checkpoint is a beginning of what the sequence
/// holds, or else it is dropped.
///
/// A checkpoint costs a copy of the state, in host memory, and its memory stays allocated: that is the size of a
/// recurrent state, however long the sequence, or of the window. Allocates in the constructor and while checkpoints
/// grow, which those of a recurrent state do once. Threads: as the context.
class LlamaCppCheckpoints {
 public:
  /// Of all sequences of `context`, which is borrowed.
  explicit LlamaCppCheckpoints(llama_context& context)
      : context_(&context),
        keeps_state_(keeps_state(context)),
        window_(llama_model_n_swa(llama_get_model(&context))),
        kept_(llama_n_seq_max(&context)) {}

  /// Whether there is a recurrent state.
  [[nodiscard]] static bool keeps_state(llama_context const& context) {
    llama_model const* const model = llama_get_model(&context);
    return llama_model_is_recurrent(model) || llama_model_is_hybrid(model);
  }

  /// Whether a checkpoint is to be made in a pass of `total` tokens that feeds `segment`, before its draft and the
  /// token that this stands behind: those with rows.
  template <class AnySegment>
  [[nodiscard]] bool needed(AnySegment const& segment, std::size_t total) const {
    return segment.rows > 1 && (keeps_state_ || (window_ > 0 && total > llama_n_ubatch(context_)));
  }

  /// Makes a checkpoint of sequence `id`, which holds `held` tokens, in place of the one before. Throws `LlamaCppError`
  /// if llama.cpp cannot.
  void save(llama_seq_id id, std::size_t held) {
    Kept& kept = of(id);
    if (kept.length == held) return;
    kept.length = 0;
    kept.state.resize(llama_state_seq_get_size_ext(context_, id, flags));
    if (llama_state_seq_get_data_ext(context_, kept.state.data(), kept.state.size(), id, flags) != kept.state.size())
      raise_error<adapters::LlamaCppError>(ErrorCode::engine, "llama.cpp: the state of sequence " + std::to_string(id) +
                                                                  ", of " + std::to_string(kept.state.size()) +
                                                                  " bytes, could not be copied");
    kept.length = held;
  }

  /// Whether the cache of sequence `id` can be cut to `length` tokens, or needs a checkpoint.
  [[nodiscard]] bool reaches_back(llama_seq_id id, std::size_t length) const {
    if (keeps_state_) return false;
    if (window_ <= 0 || length == 0) return true;
    llama_pos const oldest = llama_memory_seq_pos_min(llama_get_memory(context_), id);
    // llama.cpp drops the oldest first.
    return oldest <= std::max<llama_pos>(0, static_cast<llama_pos>(length) - window_ + 1);
  }

  /// Takes sequence `id` back to its checkpoint, if there is one of at most `length` tokens, or else forgets it.
  /// Returns the tokens that are held.
  std::size_t restore(llama_seq_id id, std::size_t length) {
    drop_beyond(id, length);
    Kept& kept = of(id);
    llama_memory_t const memory = llama_get_memory(context_);
    if (kept.length > 0 &&
        llama_state_seq_set_data_ext(context_, kept.state.data(), kept.state.size(), id, flags) == kept.state.size() &&
        llama_memory_seq_rm(memory, id, static_cast<llama_pos>(kept.length), -1))
      return kept.length;
    kept.length = 0;
    llama_memory_seq_rm(memory, id, -1, -1);
    return 0;
  }

  /// Sequence `id` was cut to `length` tokens, and may go on otherwise: a checkpoint beyond is dropped.
  void drop_beyond(llama_seq_id id, std::size_t length) noexcept {
    if (of(id).length > length) of(id).length = 0;
  }

  /// Tokens in the checkpoint of sequence `id`; 0 if there is none.
  [[nodiscard]] std::size_t length(llama_seq_id id) const noexcept { return of(id).length; }

  /// Bytes that the checkpoints take.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    std::size_t bytes = 0;
    for (Kept const& kept : kept_) bytes += kept.state.capacity();
    return bytes;
  }

 private:
  static constexpr llama_state_seq_flags flags = LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY;

  struct Kept {
    std::vector<std::uint8_t> state;
    std::size_t length = 0;
  };

  [[nodiscard]] Kept& of(llama_seq_id id) noexcept {
    COPYSPEC_ASSERT(id >= 0 && static_cast<std::size_t>(id) < kept_.size(), "a sequence of the context");
    return kept_[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] Kept const& of(llama_seq_id id) const noexcept {
    return const_cast<LlamaCppCheckpoints*>(this)->of(id);
  }

  llama_context* context_;
  bool keeps_state_;
  std::int32_t window_;
  std::vector<Kept> kept_;  // by sequence
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
