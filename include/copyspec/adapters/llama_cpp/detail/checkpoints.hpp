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

/// Rolls sequences of a `llama_context` back to an earlier token where the KV cache cannot be truncated. A recurrent
/// state (recurrent and hybrid models) is that of the newest token only. A sliding window that has moved on has
/// overwritten what earlier tokens attended to.
///
/// Each sequence has at most one checkpoint, the newest. It is what llama.cpp calls the partial state: the recurrent
/// state and the window, without the keys and values of all tokens, which can be truncated. A checkpoint is made before
/// a draft is fed: always if there is a recurrent state. For a window, it is made only if the pass is longer than
/// llama.cpp's physical batch (`n_ubatch`), since the window has spare room for that much. A checkpoint is always a
/// prefix of what the sequence holds; otherwise it is dropped.
///
/// A checkpoint costs one copy of the state into host memory, which stays allocated. Its size is that of a recurrent
/// state, however long the sequence, or that of the window. Allocates in the constructor and while checkpoints grow;
/// those of a recurrent state grow once. Threads: as the context.
class LlamaCppCheckpoints {
 public:
  /// For all sequences of `context`, which is borrowed and must outlive this object.
  explicit LlamaCppCheckpoints(llama_context& context)
      : context_(&context),
        keeps_state_(keeps_state(context)),
        window_(llama_model_n_swa(llama_get_model(&context))),
        kept_(llama_n_seq_max(&context)) {}

  /// Whether the model has a recurrent state.
  [[nodiscard]] static bool keeps_state(llama_context const& context) {
    llama_model const* const model = llama_get_model(&context);
    return llama_model_is_recurrent(model) || llama_model_is_hybrid(model);
  }

  /// Whether a pass of `total` tokens that feeds `segment` needs a checkpoint before its draft and its pending token,
  /// i.e. before the tokens with rows.
  template <class AnySegment>
  [[nodiscard]] bool needed(AnySegment const& segment, std::size_t total) const {
    return segment.rows > 1 && (keeps_state_ || (window_ > 0 && total > llama_n_ubatch(context_)));
  }

  /// Replaces the checkpoint of sequence `id`, which holds `held` tokens. Throws `LlamaCppError` if llama.cpp cannot
  /// copy the state. O(state).
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

  /// Whether the cache of sequence `id` can be truncated to `length` tokens without a checkpoint.
  [[nodiscard]] bool reaches_back(llama_seq_id id, std::size_t length) const {
    if (keeps_state_) return false;
    if (window_ <= 0 || length == 0) return true;
    llama_pos const oldest = llama_memory_seq_pos_min(llama_get_memory(context_), id);
    // llama.cpp drops the oldest first.
    return oldest <= std::max<llama_pos>(0, static_cast<llama_pos>(length) - window_ + 1);
  }

  /// Restores the checkpoint of sequence `id` if it has at most `length` tokens; otherwise forgets the sequence.
  /// Returns the number of tokens held. O(state).
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

  /// Gives sequence `to` a copy of the checkpoint of `from`, whose tokens it holds. O(state).
  void copy(llama_seq_id from, llama_seq_id to) {
    of(to).length = 0;
    of(to).state = of(from).state;
    of(to).length = of(from).length;
  }

  /// Call after sequence `id` was truncated to `length` tokens: it may continue differently, so a longer checkpoint is
  /// dropped.
  void drop_beyond(llama_seq_id id, std::size_t length) noexcept {
    if (of(id).length > length) of(id).length = 0;
  }

  /// Number of tokens in the checkpoint of sequence `id`; 0 if there is none.
  [[nodiscard]] std::size_t length(llama_seq_id id) const noexcept { return of(id).length; }

  /// Bytes allocated for checkpoints.
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
  std::vector<Kept> kept_;  // by sequence id
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
