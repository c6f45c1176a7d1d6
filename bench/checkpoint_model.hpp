// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "copyspec/core/assert.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/model/model.hpp"

namespace copyspec::bench {

/// What going back to checkpoints took.
struct CheckpointCounters {
  std::size_t made = 0;      ///< Checkpoints made.
  std::size_t splits = 0;    ///< Passes more, to feed what stands before a checkpoint and was never fed: prompts.
  std::size_t replays = 0;   ///< Passes that fed again what was lost, alone or with tokens never fed before.
  std::size_t replayed = 0;  ///< Tokens fed again.

  CheckpointCounters& operator+=(CheckpointCounters const& other) noexcept {
    made += other.made;
    splits += other.splits;
    replays += other.replays;
    replayed += other.replayed;
    return *this;
  }

  /// What was counted after `before`.
  [[nodiscard]] CheckpointCounters since(CheckpointCounters const& before) const noexcept {
    return {.made = made - before.made,
            .splits = splits - before.splits,
            .replays = replays - before.replays,
            .replayed = replayed - before.replayed};
  }
};

/// Any model as one that cannot be cut back, as those with a recurrent state: `truncate` goes back to a checkpoint, or
/// else to nothing.
///
/// Checkpoints are those of the adapter of llama.cpp (`adapters/llama_cpp_checkpoints.hpp`): one a sequence, made
/// before a draft is fed and standing before the token that the draft stands behind. What of a segment comes before
/// that is fed first, in a pass of its own, which is counted and not made: the rows are the same.
///
/// A checkpoint is here a length only, to which the model below is cut back, so making one costs nothing.
/// Allocates when a sequence is fed first. Threads: as the model.
template <Model M>
class CheckpointModel {
 public:
  explicit CheckpointModel(M model) : model_(std::move(model)) {}

  [[nodiscard]] CheckpointCounters const& checkpoint_counters() const noexcept { return counters_; }

  [[nodiscard]] std::size_t vocabulary_size() const { return model_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return model_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return model_.context_limit(); }

  LogitsOf<M> forward(std::span<Segment const> batch) {
    std::size_t const replayed = counters_.replayed;
    bool splits = false;
    for (Segment const& segment : batch) splits = feed(segment) || splits;
    counters_.splits += splits ? 1 : 0;
    counters_.replays += counters_.replayed > replayed ? 1 : 0;
    return model_.forward(batch);
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) {
    auto const found = std::ranges::find(held_, sequence, &Held::sequence);
    if (length == 0 || found == held_.end()) {
      if (found != held_.end()) held_.erase(found);
      return model_.truncate(sequence, 0);
    }
    Held& held = *found;
    held.lost = std::min(held.lost, length);
    if (length >= held.length) return held.length;
    if (held.checkpoint > length) held.checkpoint = 0;
    held.lost = length;
    held.length = model_.truncate(sequence, held.checkpoint);
    COPYSPEC_ASSERT(held.length == held.checkpoint, "over a model that can be cut back");
    return held.length;
  }

 private:
  struct Held {
    SequenceId sequence{};
    std::size_t length = 0;
    std::size_t checkpoint = 0;  // its length; 0 if there is none
    std::size_t lost = 0;        // what is fed below this was held before
  };

  // Takes note of what is fed. Returns whether it takes a pass of its own to feed what stands before the checkpoint.
  bool feed(Segment const& segment) {
    auto const found = std::ranges::find(held_, segment.sequence, &Held::sequence);
    Held& held = found != held_.end() ? *found : held_.emplace_back(Held{.sequence = segment.sequence});
    std::size_t const begin = held.length;
    held.length += segment.tokens.size();
    counters_.replayed += std::clamp(held.lost, begin, held.length) - begin;
    if (segment.rows <= 1) return false;
    std::size_t const before_draft = held.length - segment.rows;
    if (held.checkpoint != before_draft) ++counters_.made;
    held.checkpoint = before_draft;
    return before_draft > begin;
  }

  M model_;
  std::vector<Held> held_;
  CheckpointCounters counters_;
};

}  // namespace copyspec::bench
