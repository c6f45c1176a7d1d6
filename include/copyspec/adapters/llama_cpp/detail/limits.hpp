// SPDX-License-Identifier: MIT
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "../../../core/token.hpp"
#include "../../../core/version.hpp"
#include "../../detail/segment_checks.hpp"
#include "../error.hpp"
#include "checkpoints.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Where a `llama_context` keeps the cells of its sequences.
enum class LlamaCppStreams : bool {
  together,  ///< In one stream: of one sequence, or of all in a context created with `kv_unified`.
  apart,     ///< In a stream for each sequence.
};

/// Checks beforehand what can be asked of a borrowed `llama_context`. Beyond most of these limits llama.cpp aborts the
/// process. The highest `branches` sequence ids are reserved for branches of trees.
///
/// Cost: O(1) for each segment, token and node. Allocates for messages only. Threads: as the context.
class LlamaCppLimits {
 public:
  /// Throws `LlamaCppError` for branches that the model or the context does not allow, and for a context whose streams
  /// are apart unless that is expected.
  LlamaCppLimits(llama_context& context, std::size_t branches, LlamaCppStreams streams)
      : context_(&context),
        vocabulary_size_(llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(&context)))),
        branches_(require_branches(context, branches)) {
    if (streams == LlamaCppStreams::together && are_apart(context))
      raise_error<adapters::LlamaCppError>(
          ErrorCode::bad_options,
          "llama.cpp splits what several sequences feed into several passes: make the context with kv_unified = true, "
          "or expect that with LlamaCpp::Streams::apart");
  }

  [[nodiscard]] std::size_t max_tokens() const noexcept { return llama_n_batch(context_); }
  [[nodiscard]] std::size_t context_limit() const noexcept { return llama_n_ctx_seq(context_); }
  [[nodiscard]] std::size_t max_branches() const noexcept { return branches_; }

  /// The first sequence id that is reserved for branches.
  [[nodiscard]] llama_seq_id first_branch() const noexcept {
    return static_cast<llama_seq_id>(llama_n_seq_max(context_) - branches_);
  }

  /// Number of tokens of a sequence that the context holds.
  [[nodiscard]] std::size_t held(SequenceId sequence) const {
    return static_cast<std::size_t>(
        llama_memory_seq_pos_max(llama_get_memory(context_), static_cast<llama_seq_id>(sequence)) + 1);
  }

  /// Throws `LlamaCppError` unless `sequence` is a valid id that is not reserved for branches.
  void require_id(SequenceId sequence) const {
    auto const id = static_cast<std::int32_t>(sequence);
    if (id < 0 || id >= first_branch())
      raise_error<adapters::LlamaCppError>(
          ErrorCode::engine, sequence_name(sequence) +
                                 " is not below n_seq_max = " + std::to_string(llama_n_seq_max(context_)) +
                                 (branches_ > 0 ? " less " + std::to_string(branches_) + " branches" : ""));
  }

  /// Throws `LlamaCppError` unless the segments fit into one pass. Returns their total number of tokens.
  template <class AnySegment>
  [[nodiscard]] std::size_t require_fit(std::span<AnySegment const> segments) const {
    std::size_t total = 0;
    std::size_t branches = 0;
    for (AnySegment const& segment : segments) {
      branches += require_fit(segment, branches_ - branches);
      total += segment.tokens.size();
    }
    if (total > max_tokens())
      raise_error<adapters::LlamaCppError>(
          ErrorCode::engine,
          "a pass of " + std::to_string(total) + " tokens exceeds n_batch = " + std::to_string(max_tokens()));
    return total;
  }

 private:
  // Only in a unified cache may one sequence occupy all of it.
  [[nodiscard]] static bool are_apart(llama_context const& context) {
    return llama_n_ctx_seq(&context) != llama_n_ctx(&context);
  }

  [[nodiscard]] static std::size_t require_branches(llama_context const& context, std::size_t branches) {
    std::size_t const ids = llama_n_seq_max(&context);
    if (branches >= ids)
      raise_error<adapters::LlamaCppError>(
          ErrorCode::bad_options,
          std::to_string(branches) + " branches leave no sequence id: n_seq_max = " + std::to_string(ids));
    if (branches > 0 && LlamaCppCheckpoints::keeps_state(context))
      raise_error<adapters::LlamaCppError>(
          ErrorCode::bad_options,
          "branches need a model with attention only: a recurrent state is of one chain of tokens");
    if (branches > 0 && are_apart(context))
      raise_error<adapters::LlamaCppError>(
          ErrorCode::bad_options, "branches share cells of the cache: make the context with kv_unified = true");
    return branches;
  }

  // Returns how many of the `left` branches the segment takes.
  template <class AnySegment>
  [[nodiscard]] std::size_t require_fit(AnySegment const& segment, std::size_t left) const {
    require_id(segment.sequence);
    return require_segment<adapters::LlamaCppError>(
        segment, held(segment.sequence), left,
        {.vocabulary_size = vocabulary_size_,
         .context_limit = context_limit(),
         .negative_token = ", which stands for an embedding: feed it to the context yourself, before what follows it"});
  }

  llama_context* context_;
  Token vocabulary_size_;
  std::size_t branches_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
