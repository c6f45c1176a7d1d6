// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conversation.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/decode/sequence.hpp"
#include "copyspec/decode/source_counters.hpp"
#include "copyspec/verify/logprobs.hpp"
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
  double account = 0.0;                     ///< Passes that the drafts saved, less what they cost, as it was booked.
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

/// How a conversation is decoded. Without a draft model, in the first three ways.
enum class Way : std::uint8_t {
  plain,
  copying,                ///< As the library does it by default.
  published,              ///< By the rule of the CopySpec paper.
  draft_model,            ///< With five tokens of a draft model in each draft, as most implementations have it.
  published_draft_model,  ///< By that rule, and with the draft model where it has nothing.
  copying_draft_model,    ///< As the library combines the two.
};

/// What a way is called, by `Way`.
struct WayName {
  std::string_view text;
  std::string_view key;  ///< In JSON.
};
inline constexpr std::array way_names{WayName{"plain", "plain"},
                                      WayName{"copying", "copy"},
                                      WayName{"the published rule", "published"},
                                      WayName{"the draft model", "draft_model"},
                                      WayName{"the published rule, else the draft model", "published_draft_model"},
                                      WayName{"copying with the draft model", "copy_draft_model"}};

[[nodiscard]] constexpr WayName const& name(Way way) noexcept {
  return way_names[static_cast<std::size_t>(way)];
}

/// What was measured of each way, by `Way`.
template <class T>
class ByWay {
 public:
  ByWay() = default;
  explicit ByWay(std::size_t ways) : values_(ways) {}

  [[nodiscard]] T& operator[](Way way) { return values_[static_cast<std::size_t>(way)]; }
  [[nodiscard]] T const& operator[](Way way) const { return values_[static_cast<std::size_t>(way)]; }
  [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }

  /// All there are.
  [[nodiscard]] std::vector<Way> ways() const {
    std::vector<Way> ways;
    while (ways.size() < size()) ways.push_back(static_cast<Way>(ways.size()));
    return ways;
  }

 private:
  std::vector<T> values_;
};

/// One conversation, decoded in each way, one right after another.
using Repetition = ByWay<Run>;

/// Where plain decoding and another way part. Later turns have another context, so they are not compared.
struct Difference {
  /// What the two tokens got in one pass: logits, or at a temperature the sums of logit and noise that they were drawn
  /// by (`gumbel_score`).
  struct Scores {
    float plain = 0.0F;
    float copy = 0.0F;
  };

  Way way = Way::plain;  ///< The other one.
  std::size_t repetition = 0;
  std::size_t turn = 0;
  std::size_t position = 0;  ///< In the answer.
  copyspec::Token plain = 0;
  copyspec::Token copy = 0;
  /// The passes differ in their number of rows, and so in how they are rounded.
  Scores in_plain_pass = {};
  Scores in_copy_pass = {};
};

/// What passes cost, as copying has learnt it, and as copying with the draft model has.
struct LearntCosts {
  copyspec::PassCost copying;
  copyspec::PassCost copying_draft_model;
  copyspec::PassCost draft_model;  ///< Of its own passes, in those of one token.
  double draft_cost = 0.0;         ///< A pass of one token of the draft model, in passes of one row.
};

/// All that was measured with one conversation.
struct ConversationResult {
  Conversation conversation;
  std::vector<Repetition> repetitions;
  std::optional<Difference> difference;  ///< The first one found.

  /// Whether the model ended all answers itself.
  [[nodiscard]] bool complete() const {
    return std::ranges::all_of(repetitions, [](Repetition const& repetition) {
      return std::ranges::all_of(repetition.ways(), [&](Way way) {
        return std::ranges::all_of(repetition[way].turns, &TurnResult::complete);
      });
    });
  }
};

}  // namespace copyspec_llama
