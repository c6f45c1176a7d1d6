// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <utility>

#include "copyspec/core/assert.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/model/model.hpp"
#include "stopwatch.hpp"

namespace copyspec_llama {

/// A model for one sequence that measures prefill apart from decoding. The last pass over a prompt also gives the first
/// token of the answer, and with a draft more than one; so the prompt up to its last token is fed in a pass of its own.
/// What is left is decoding: its first pass has as many rows as tokens, as all its passes.
template <copyspec::Model M>
class MeasuredModel {
 public:
  /// `wait` returns when the engine has finished its last pass: without rows to wait for, a pass on a GPU may still be
  /// under way. The model is borrowed.
  explicit MeasuredModel(
      M& model, std::function<void()> wait = [] {})
      : model_(&model), wait_(std::move(wait)) {}

  [[nodiscard]] std::size_t vocabulary_size() const { return model_->vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return model_->max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return model_->context_limit(); }

  copyspec::LogitsOf<M> forward(std::span<copyspec::Segment const> segments) {
    COPYSPEC_ASSERT(segments.size() == 1, "this is for one sequence");
    copyspec::Segment segment = segments.front();
    std::size_t const prompt = segment.tokens.size() - segment.rows;
    if (prompt > 0) {
      Stopwatch const watch;
      copyspec::Segment const part{.sequence = segment.sequence, .tokens = segment.tokens.first(prompt), .rows = 0};
      copyspec::LogitsOf<M> const no_rows = model_->forward({&part, 1});
      wait_();
      prefill_ += watch.spent();
      if (segment.rows == 0) return no_rows;
      segment.tokens = segment.tokens.subspan(prompt);
    }
    return model_->forward({&segment, 1});
  }

  std::size_t truncate(copyspec::SequenceId sequence, std::size_t length) { return model_->truncate(sequence, length); }

  /// Time spent on prompts so far, all but the last token of each.
  [[nodiscard]] SpentTime prefill() const noexcept { return prefill_; }

 private:
  M* model_;
  std::function<void()> wait_;
  SpentTime prefill_;
};

}  // namespace copyspec_llama
