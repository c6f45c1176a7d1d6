// SPDX-License-Identifier: MIT
#pragma once

#include <common.h>
#include <llama.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "../../examples/llama_cpp/chat_format.hpp"
#include "../../examples/llama_cpp/conversation.hpp"
#include "../../examples/llama_cpp/results.hpp"
#include "../../examples/llama_cpp/stopwatch.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/decode/generate_options.hpp"
#include "copyspec/decode/output_delta.hpp"
#include "copyspec/decode/sequence.hpp"
#include "copyspec/model/logits.hpp"
#include "copyspec/verify/greedy_verifier.hpp"
#include "copyspec/verify/verifier.hpp"
#include "peer.hpp"

namespace copyspec::bench {

/// Decodes conversations with the drafts of a peer, chains, in the loop of llama.cpp's own example speculative-simple,
/// out of llama.cpp's own parts: the prompt up to its last token in a pass of its own; then draft, `llama_process`,
/// accept, `llama_memory_seq_rm`. Two things are as in the example of this library, so that nothing but drafts differs
/// between a peer and a proposer of ours: several turns in one context, and greedy tokens found by `GreedyVerifier`,
/// which takes a fraction of the time of `common_sampler`. Borrows what it is given. Threads: one call at a time.
class LlamaLoop {
 public:
  LlamaLoop(llama_context& context, copyspec_llama::ChatFormat const& format, GenerateOptions const& options)
      : context_(&context), format_(&format), options_(&options), batch_(&context) {}

  /// Throws `Error` if llama.cpp fails.
  [[nodiscard]] copyspec_llama::Run decode(Peer& peer, copyspec_llama::Conversation const& conversation) {
    copyspec_llama::Run run;
    cut_back(0);
    context_tokens_.clear();
    peer.begin_conversation();
    for (std::size_t turn = 0; turn < conversation.turns.size(); ++turn) {
      std::vector<Token> const prompt = format_->prompt(conversation, turn, context_tokens_);
      run.turns.push_back(answer(peer, prompt, run.drafts));
    }
    return run;
  }

 private:
  // Answers `prompt`, behind what was said before. All tokens but the newest are held.
  copyspec_llama::TurnResult answer(Peer& peer, std::span<Token const> prompt, copyspec_llama::RecordedDrafts& record) {
    copyspec_llama::TurnResult result{.prompt_tokens = prompt.size(), .tokens = {}};
    std::size_t const held = context_tokens_.empty() ? 0 : context_tokens_.size() - 1;
    context_tokens_.insert(context_tokens_.end(), prompt.begin(), prompt.end());
    copyspec_llama::Stopwatch const reading;
    read_prompt(held);
    result.prefill = reading.spent().wall;

    std::size_t const room = llama_n_ctx(context_) - context_tokens_.size();
    std::size_t const budget = std::min(options_->max_new_tokens, room);
    TreeDraft draft;
    copyspec_llama::Stopwatch const generation;
    peer.begin_turn(context_tokens_, budget);
    while (result.status == SequenceStatus::idle) {
      draft.clear();
      peer.propose(context_tokens_, budget - result.tokens.size() - 1, draft);
      record.entries.push_back(
          {.context = context_tokens_.size(), .length = draft.tokens.size(), .first = record.tokens.size()});
      record.tokens.insert(record.tokens.end(), draft.tokens.begin(), draft.tokens.end());
      step(peer, draft.tokens, budget, result);
    }
    peer.on_turn_end(context_tokens_);
    copyspec_llama::SpentTime const spent = generation.spent();
    result.generation = spent.wall;
    result.processor = spent.processor;
    return result;
  }

  void step(Peer& peer, std::span<Token const> draft, std::size_t budget, copyspec_llama::TurnResult& result) {
    std::size_t const length = context_tokens_.size();
    context_tokens_.insert(context_tokens_.end(), draft.begin(), draft.end());
    copyspec_llama::Stopwatch const pass;
    LogitsView<float> const rows = forward(length - 1, draft.size() + 1);
    result.forward += pass.spent().wall;
    Verdict const verdict = GreedyVerifier().verify(rows, context_tokens_, length);
    if (verdict.status != VerdictStatus::ok)
      raise_error(ErrorCode::engine, "the model returned logits that are not numbers");
    context_tokens_.resize(length + verdict.accepted);
    context_tokens_.push_back(verdict.next);

    // What was said behind an end is no part of the answer.
    auto const said = context_tokens_.begin() + static_cast<std::ptrdiff_t>(length);
    auto const end = std::ranges::find_if(said, context_tokens_.end(), [&](Token token) {
      return std::ranges::binary_search(options_->stop.tokens, token);
    });
    if (end != context_tokens_.end()) {
      context_tokens_.erase(end + 1, context_tokens_.end());
      result.status = SequenceStatus::stopped;
    }
    std::span<Token const> const kept = std::span<Token const>(context_tokens_).subspan(length);
    peer.accept(kept, verdict.accepted);
    cut_back(context_tokens_.size() - 1);
    result.tokens.insert(result.tokens.end(), kept.begin(), kept.end());
    if (result.status == SequenceStatus::idle && result.tokens.size() >= budget) result.status = SequenceStatus::length;
    ++result.passes;
    result.drafted += draft.size();
    result.accepted += std::min(verdict.accepted, kept.size());
  }

  // Feeds all but the newest token from `held` on, without rows.
  void read_prompt(std::size_t held) {
    while (held + 1 < context_tokens_.size()) {
      std::size_t const tokens = std::min<std::size_t>(llama_n_batch(context_), context_tokens_.size() - 1 - held);
      process(held, tokens, false);
      held += tokens;
    }
    llama_synchronize(context_);
  }

  // Feeds `tokens` tokens from `begin` on, with a row after each.
  LogitsView<float> forward(std::size_t begin, std::size_t tokens) {
    process(begin, tokens, true);
    auto const vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(context_)));
    return {llama_get_logits(context_), tokens, static_cast<std::size_t>(vocabulary)};
  }

  void process(std::size_t begin, std::size_t tokens, bool rows) {
    batch_.clear();
    for (std::size_t i = begin; i < begin + tokens; ++i)
      batch_.add(context_tokens_[i], static_cast<llama_pos>(i), sequence, rows);
    if (int const status = llama_process(context_, LLAMA_PROCESS_TYPE_DECODE, batch_.get()); status != 0)
      raise_error(ErrorCode::engine, "llama.cpp: a pass of " + std::to_string(tokens) + " tokens failed with status " +
                                         std::to_string(status));
  }

  void cut_back(std::size_t length) {
    llama_memory_seq_rm(llama_get_memory(context_), sequence, static_cast<llama_pos>(length), -1);
  }

  static constexpr llama_seq_id sequence = 0;

  llama_context* context_;
  copyspec_llama::ChatFormat const* format_;
  GenerateOptions const* options_;
  common_batch batch_;
  std::vector<Token> context_tokens_;  // and behind them the draft under way
};

}  // namespace copyspec::bench
