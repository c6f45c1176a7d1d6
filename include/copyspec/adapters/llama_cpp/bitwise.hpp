// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../model/model.hpp"
#include "detail/row_kernels.hpp"
#include "error.hpp"
#include "model.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace adapters {

/// A `llama_context` of one sequence as a `Model` whose rows are bit for bit a function of the tokens before them. They
/// do not depend on drafts, nor on how a prompt was chunked. So the text with copying is the text without, near-ties
/// included.
///
/// llama.cpp chooses the kernels of a pass by its number of rows, and kernels round differently. This class feeds only
/// passes of `least_rows()` to `most_rows()` tokens, among which all kernels add in the same order. What these are is
/// known of the types of the weights, the cache and the number of threads, by measurement on x86-64 (see
/// docs/losslessness.md, and `testing/bitwise.hpp` to measure another machine):
///  - A pass of one token is padded to two where a lone row would be rounded differently: with weights of type F32, F16
///    or BF16; and with several threads and a cache of F16, the default, or F32 that has room for more than 256 tokens.
///    The second token is forgotten at once. With quantised weights, a cache of type BF16 or Q8_0 costs less than that.
///  - Passes have up to 63 tokens. K-quants allow 7, or 3 for Q2_K and Q4_K that llama.cpp has repacked, unless the
///    environment variable GGML_CPU_TILED_MM is 0 and the model was loaded without `use_extra_bufts`.
///  - Prompts are fed in passes no longer than that.
///
/// Rows are equal to those of another `LlamaCppBitwise` with the same model, context parameters and number of threads.
/// They need not be those of `LlamaCpp`, which feeds lone tokens and long passes.
///
/// Needs llama.cpp on the CPU alone, a context of one sequence with flash attention, and a model that can be truncated.
/// The number of threads must not change later, and no LoRA adapter be added. The context is borrowed as by `LlamaCpp`.
///
/// Allocates in the constructor. O(1) beside what `LlamaCpp` costs. Threads: one call at a time.
class LlamaCppBitwise {
 public:
  /// `parameters` are those that the context was made with; `weights` are the types of all matrices of the model
  /// (`llama_cpp_weight_types`); `repacked` is its `llama_model_params::use_extra_bufts`. Throws `LlamaCppError` if
  /// nothing can be promised; the message says what to change.
  LlamaCppBitwise(llama_context& context, llama_context_params const& parameters, std::span<ggml_type const> weights,
                  bool repacked = true)
      : model_(context) {
    detail::require_one_order(context, parameters, repacked);
    detail::RowRange const range = detail::equal_rows(context, parameters, weights, repacked);
    least_rows_ = range.least;
    most_rows_ = std::min({range.most, std::size_t{llama_n_ubatch(&context)}, model_.max_tokens()});
    if (most_rows_ < least_rows_)
      refuse("lone tokens are padded to two: make the context with n_batch and n_ubatch of at least 2");
  }

  /// The fewest rows of a pass: 2 if passes of one token are padded, otherwise 1.
  [[nodiscard]] std::size_t least_rows() const noexcept { return least_rows_; }
  /// The most rows of a pass, which is `max_tokens()`.
  [[nodiscard]] std::size_t most_rows() const noexcept { return most_rows_; }

  /// The borrowed context.
  [[nodiscard]] llama_context& context() const noexcept { return model_.context(); }

  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return model_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const noexcept { return most_rows_; }
  /// One less than the context's where passes are padded.
  [[nodiscard]] std::size_t context_limit() const noexcept { return model_.context_limit() - (least_rows_ - 1); }

  /// See `Model`. Throws `LlamaCppError` as `LlamaCpp` does, and for more than `max_tokens()`.
  LogitsView<float> forward(std::span<Segment const> segments) {
    if (segments.size() != 1) refuse("a pass of several sequences: rows are promised of one");
    Segment segment = segments.front();
    if (segment.tokens.size() > most_rows_) {
      std::string message = "a pass of ";
      refuse(message.append(std::to_string(segment.tokens.size()))
                 .append(" tokens exceeds the ")
                 .append(std::to_string(most_rows_))
                 .append(" of which rows are equal"));
    }
    bool const padded = segment.tokens.size() < least_rows_;
    std::array<Token, 2> const pair{segment.tokens.front(), segment.tokens.front()};
    if (padded) segment.tokens = pair;
    // Where several tokens are fed but one row is requested, the last products are still of one row.
    if (segment.rows > 0) segment.rows = std::max(segment.rows, least_rows_);
    std::size_t const wanted = segments.front().rows;
    auto const rows = model_.forward({&segment, 1});
    if (padded) forget_last(segment.sequence);
    return rows.subview(padded ? 0 : segment.rows - wanted, wanted);
  }

  /// See `Model`. Throws `LlamaCppError` only for an unknown sequence.
  std::size_t truncate(SequenceId sequence, std::size_t length) { return model_.truncate(sequence, length); }

 private:
  [[noreturn]] static void refuse(std::string const& what) { raise_error<LlamaCppError>(ErrorCode::engine, what); }

  // Does not touch the rows, which llama.cpp keeps elsewhere.
  void forget_last(SequenceId sequence) {
    std::size_t const held = model_.truncate(sequence, std::numeric_limits<std::size_t>::max());
    model_.truncate(sequence, held - 1);
  }

  LlamaCpp model_;
  std::size_t least_rows_ = 1;
  std::size_t most_rows_ = 1;
};

static_assert(Model<LlamaCppBitwise>);

}  // namespace adapters
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
