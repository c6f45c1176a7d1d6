// SPDX-License-Identifier: MIT
#pragma once

#include <llama.h>

#include <cstddef>
#include <span>

#include "copyspec/adapters/llama_cpp.hpp"
#include "copyspec/assert.hpp"
#include "copyspec/model.hpp"
#include "copyspec/token.hpp"
#include "stopwatch.hpp"

namespace copyspec_llama {

/// A llama.cpp model for one sequence that keeps apart the time for reading prompts. The last pass over a prompt also
/// gives the first token of the answer, and with a draft more than one; so the prompt up to its last token is fed in a
/// pass of its own. What is left is generation: its first pass has as many rows as tokens, as all its passes.
class MeasuredModel {
 public:
  explicit MeasuredModel(llama_context& context) : model_(context) {}

  [[nodiscard]] std::size_t vocabulary_size() const { return model_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return model_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return model_.context_limit(); }

  copyspec::LogitsView<float> forward(std::span<copyspec::Segment const> segments) {
    COPYSPEC_ASSERT(segments.size() == 1, "this is for one sequence");
    copyspec::Segment segment = segments.front();
    std::size_t const prompt = segment.tokens.size() - segment.rows;
    if (prompt > 0) {
      Stopwatch const watch;
      copyspec::Segment const part{.sequence = segment.sequence, .tokens = segment.tokens.first(prompt), .rows = 0};
      copyspec::LogitsView<float> const no_rows = model_.forward({&part, 1});
      llama_synchronize(&model_.context());  // without rows to wait for, a pass on a GPU may still be under way
      prefill_ += watch.spent();
      if (segment.rows == 0) return no_rows;
      segment.tokens = segment.tokens.subspan(prompt);
    }
    return model_.forward({&segment, 1});
  }

  std::size_t truncate(copyspec::SequenceId sequence, std::size_t length) { return model_.truncate(sequence, length); }

  /// Time spent on prompts so far, all but the last token of each.
  [[nodiscard]] SpentTime prefill() const noexcept { return prefill_; }

 private:
  copyspec::adapters::LlamaCpp model_;
  SpentTime prefill_;
};

static_assert(copyspec::Model<MeasuredModel>);

}  // namespace copyspec_llama
