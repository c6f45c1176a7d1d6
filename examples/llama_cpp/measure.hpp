// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "conversation.hpp"
#include "copyspec/adapters/llama_cpp/model.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "decode.hpp"
#include "results.hpp"
#include "terminal.hpp"
#include "vocabulary.hpp"

namespace copyspec_llama {

/// What passes cost, as copying has learnt it, and as copying with the draft model has.
struct LearntCosts {
  copyspec::PassCost copying;
  copyspec::PassCost copying_draft_model;
  copyspec::PassCost draft_model;  ///< Of its own passes, in those of one token.
  double draft_cost = 0.0;         ///< A pass of one token of the draft model, in passes of one row.
};

/// All that was measured.
struct Measurement {
  std::vector<ConversationResult> results;
  LearntCosts costs;
};

/// Decodes each conversation in each way, one right after the other, as many times as asked. Their order is drawn anew
/// each time, so that what the machine does meanwhile falls on all. Each repetition learns afresh what can be copied
/// and guessed, but goes on learning what a pass costs. Shows what the last way says in the first repetition.
[[nodiscard]] Measurement measure(Decoder<copyspec::adapters::LlamaCpp> const& decoder, Vocabulary const& vocabulary,
                                  std::span<Conversation const> conversations, std::size_t repetitions,
                                  Progress& progress);

}  // namespace copyspec_llama
