// SPDX-License-Identifier: MIT
#pragma once

#include <llama.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "../error.hpp"
#include "../model.hpp"
#include "../token.hpp"

namespace copyspec::inline v0::adapters {

/// What llama.cpp could not do. The context holds what it held before the call, or some of what it was fed besides:
/// `truncate` to the earlier length recovers.
class LlamaCppError : public Error {
 public:
  using Error::Error;
};

/// Any `llama_context` as a `Model`. Sequence ids are llama.cpp's own, from 0 to `llama_n_seq_max` less one.
///
/// Borrows the context, which must outlive it, must have a causal decoder, and must not be fed to behind its back
/// while a sequence is under way. Positions are asked of the context, so what it held before is continued.
///
/// The constructor throws `LlamaCppError` for a model whose cache cannot be cut back (recurrent and hybrid models).
/// A sliding-window model needs a context made with `swa_full`; without it `truncate` throws once the window has moved
/// past what would have to come back.
/// Allocates in the constructor only. Threads: one call at a time, as llama.cpp itself.
class LlamaCpp {
 public:
  explicit LlamaCpp(llama_context& context)
      : context_(&context),
        vocabulary_size_(static_cast<std::size_t>(llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(&context))))),
        batch_(new llama_batch(llama_batch_init(static_cast<std::int32_t>(llama_n_batch(&context)), 0, 1))) {
    llama_model const* const model = llama_get_model(context_);
    if (llama_model_is_recurrent(model) || llama_model_is_hybrid(model))
      raise<LlamaCppError>("this model keeps a recurrent state, which cannot be cut back to an earlier token: copying "
                           "needs a model with attention only");
    if (llama_model_has_encoder(model) || !llama_model_has_decoder(model))
      raise<LlamaCppError>("this model is not a decoder alone: copying needs one");
  }

  /// The context that was borrowed.
  [[nodiscard]] llama_context& context() const noexcept { return *context_; }

  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return vocabulary_size_; }
  [[nodiscard]] std::size_t max_tokens() const noexcept { return llama_n_batch(context_); }
  [[nodiscard]] std::size_t context_limit() const noexcept { return llama_n_ctx_seq(context_); }

  /// See `Model`. Throws `LlamaCppError` when the segments do not fit or llama.cpp fails; what it says names the cause.
  LogitsView<float> forward(std::span<Segment const> segments) {
    std::size_t const rows = fill(segments);
    switch (int const status = llama_decode(context_, *batch_)) {
      case 0: break;
      case 1:
        raise<LlamaCppError>("llama.cpp: the cache is full: no room for " + std::to_string(batch_->n_tokens) +
                             " more tokens (n_ctx = " + std::to_string(llama_n_ctx(context_)) + ")");
      case 2: raise<LlamaCppError>("llama.cpp: the pass was aborted by the abort callback");
      case -1: raise<LlamaCppError>("llama.cpp: the batch was refused as invalid");
      default: raise<LlamaCppError>("llama.cpp: the pass failed with status " + std::to_string(status));
    }
    float const* const logits = rows == 0 ? nullptr : llama_get_logits(context_);
    if (rows > 0 && logits == nullptr) raise<LlamaCppError>("llama.cpp: the pass returned no logits");
    return {logits, rows, vocabulary_size_};
  }

  /// See `Model`.
  std::size_t truncate(SequenceId sequence, std::size_t length) {
    llama_memory_t const memory = llama_get_memory(context_);
    auto const id = static_cast<llama_seq_id>(sequence);
    check_id(sequence);
    std::size_t const held = this->held(sequence);
    if (length >= held) return held;
    if (length > 0) check_window(id, length);
    if (!llama_memory_seq_rm(memory, id, static_cast<llama_pos>(length), -1))
      raise<LlamaCppError>("llama.cpp: the cache of sequence " + std::to_string(id) + " cannot be cut back from " +
                           std::to_string(held) + " to " + std::to_string(length) + " tokens");
    return length;
  }

 private:
  struct FreeBatch {
    void operator()(llama_batch* batch) const noexcept {
      llama_batch_free(*batch);
      delete batch;
    }
  };

  [[nodiscard]] std::size_t held(SequenceId sequence) const {
    return static_cast<std::size_t>(
        llama_memory_seq_pos_max(llama_get_memory(context_), static_cast<llama_seq_id>(sequence)) + 1);
  }

  void check_id(SequenceId sequence) const {
    auto const id = static_cast<std::int32_t>(sequence);
    // llama.cpp aborts the process on such ids.
    if (id < 0 || static_cast<std::uint32_t>(id) >= llama_n_seq_max(context_))
      raise<LlamaCppError>("sequence " + std::to_string(id) + " is not below n_seq_max = " +
                           std::to_string(llama_n_seq_max(context_)));
  }

  // A window that was moved on has forgotten what the tokens before `length` would attend to.
  void check_window(llama_seq_id id, std::size_t length) const {
    std::int32_t const window = llama_model_n_swa(llama_get_model(context_));
    if (window <= 0) return;
    llama_pos const oldest = llama_memory_seq_pos_min(llama_get_memory(context_), id);
    llama_pos const needed = std::max<llama_pos>(0, static_cast<llama_pos>(length) - window);
    if (oldest > needed)
      raise<LlamaCppError>("llama.cpp: the sliding window of sequence " + std::to_string(id) +
                           " has moved on and cannot come back: make the context with swa_full = true");
  }

  // Copies the segments into the batch and returns how many rows they ask for.
  std::size_t fill(std::span<Segment const> segments) {
    std::size_t total = 0;
    std::size_t rows = 0;
    for (Segment const& segment : segments) {
      check_id(segment.sequence);
      std::size_t const held = this->held(segment.sequence);
      if (held + segment.tokens.size() > context_limit())
        raise<LlamaCppError>("sequence " + std::to_string(static_cast<std::int32_t>(segment.sequence)) +
                             " would grow to " + std::to_string(held + segment.tokens.size()) +
                             " tokens, beyond the context limit of " + std::to_string(context_limit()));
      total += segment.tokens.size();
      rows += segment.rows;
    }
    // llama.cpp aborts the process beyond this.
    if (total > max_tokens())
      raise<LlamaCppError>("a pass of " + std::to_string(total) + " tokens exceeds n_batch = " +
                           std::to_string(max_tokens()));
    std::int32_t next = 0;
    for (Segment const& segment : segments) {
      auto position = static_cast<llama_pos>(held(segment.sequence));
      for (std::size_t i = 0; i < segment.tokens.size(); ++i, ++next, ++position) {
        batch_->token[next] = segment.tokens[i];
        batch_->pos[next] = position;
        batch_->n_seq_id[next] = 1;
        batch_->seq_id[next][0] = static_cast<llama_seq_id>(segment.sequence);
        batch_->logits[next] = i + segment.rows >= segment.tokens.size() ? 1 : 0;
      }
    }
    batch_->n_tokens = next;
    return rows;
  }

  llama_context* context_;
  std::size_t vocabulary_size_;
  std::unique_ptr<llama_batch, FreeBatch> batch_;
};

static_assert(Model<LlamaCpp>);

}  // namespace copyspec::inline v0::adapters
