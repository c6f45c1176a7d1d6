// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "conversation.hpp"
#include "copyspec/pass_cost.hpp"
#include "decode.hpp"
#include "results.hpp"
#include "terminal.hpp"
#include "vocabulary.hpp"

namespace copyspec_llama {

/// All that was measured.
struct Measurement {
  std::vector<ConversationResult> results;
  copyspec::PassCost pass_cost;  ///< As copying has learnt it.
};

/// Decodes each conversation plainly, by the published rule and with copying, one right after the other, as many times
/// as asked. Which of the three comes first goes round from one repetition to the next, so that what the machine does
/// meanwhile falls on all. Each repetition learns afresh what can be copied, but goes on learning what a pass costs.
/// Shows what copying says in the first repetition.
[[nodiscard]] Measurement measure(Decoder const& decoder, Vocabulary const& vocabulary,
                                  std::span<Conversation const> conversations, std::size_t repetitions,
                                  Progress& progress);

}  // namespace copyspec_llama
