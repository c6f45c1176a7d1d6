// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conversation.hpp"
#include "copyspec/logprobs.hpp"
#include "copyspec/sequence.hpp"
#include "copyspec/source_counters.hpp"
#include "copyspec/token.hpp"
#include "recorded_drafts.hpp"

namespace copyspec_llama {

/// One answer, and what it took. Times are in seconds.
struct TurnResult {
  std::size_t prompt_tokens = 0;
  std::vector<copyspec::Token> tokens;  ///< The answer, with the token that ended it.
  /// If they were asked for, of each token before the end: its own, then those of the likeliest.
  std::vector<std::vector<copyspec::TokenLogprob>> logprobs = {};
  copyspec::SequenceStatus status = copyspec::SequenceStatus::idle;
  std::size_t passes = 0;
  std::size_t drafted = 0;
  std::size_t accepted = 0;
  copyspec::SourceCounters by_source = {};  ///< What of the last two came from where.
  double prefill = 0.0;                     ///< Reading the prompt, up to its last token.
  double generation = 0.0;                  ///< Everything from there on to the end of the answer.
  double processor = 0.0;                   ///< What all threads ran in `generation`.
  double forward = 0.0;                     ///< The part of `generation` inside the model.

  /// Whether the model ended the answer itself.
  [[nodiscard]] bool complete() const noexcept { return status == copyspec::SequenceStatus::stopped; }
};

/// All turns of one conversation, decoded in one way.
struct Run {
  std::vector<TurnResult> turns;
  RecordedDrafts drafts;

  /// The sum over the turns of a member of `TurnResult`.
  template <class T>
  [[nodiscard]] T total(T TurnResult::*member) const {
    T sum{};
    for (TurnResult const& turn : turns) sum += turn.*member;
    return sum;
  }

  [[nodiscard]] std::size_t tokens() const {
    std::size_t sum = 0;
    for (TurnResult const& turn : turns) sum += turn.tokens.size();
    return sum;
  }

  [[nodiscard]] double seconds_per_pass() const {
    return total(&TurnResult::generation) / static_cast<double>(total(&TurnResult::passes));
  }
};

/// One conversation, decoded in three ways right after another.
struct Repetition {
  Run plain;
  Run published;  ///< Copying by the rule of the CopySpec paper.
  Run copy;       ///< Copying as the library does it by default.
};

/// The ways of copying, and what they are called.
inline constexpr std::array copying_ways{std::pair{&Repetition::copy, std::string_view("copying")},
                                         std::pair{&Repetition::published, std::string_view("the published rule")}};

/// Where plain decoding and copying part. Later turns have another context, so they are not compared.
struct Difference {
  /// What the two tokens got in one pass: logits, or at a temperature the sums of logit and noise that they were drawn
  /// by (`gumbel_score`).
  struct Scores {
    float plain = 0.0F;
    float copy = 0.0F;
  };

  std::string_view way = {};  ///< Of copying.
  std::size_t repetition = 0;
  std::size_t turn = 0;
  std::size_t position = 0;  ///< In the answer.
  copyspec::Token plain = 0;
  copyspec::Token copy = 0;
  /// The passes differ in their number of rows, and so in how they are rounded.
  Scores in_plain_pass = {};
  Scores in_copy_pass = {};
};

/// All that was measured with one conversation.
struct ConversationResult {
  Conversation conversation;
  std::vector<Repetition> repetitions;
  std::optional<Difference> difference;  ///< The first one found.

  /// Whether the model ended all answers itself.
  [[nodiscard]] bool complete() const {
    auto const run_complete = [](Run const& run) { return std::ranges::all_of(run.turns, &TurnResult::complete); };
    return std::ranges::all_of(repetitions, [&](Repetition const& repetition) {
      return run_complete(repetition.plain) && run_complete(repetition.published) && run_complete(repetition.copy);
    });
  }
};

}  // namespace copyspec_llama
