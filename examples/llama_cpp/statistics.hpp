// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "conversation.hpp"
#include "copyspec/decode/source_counters.hpp"
#include "results.hpp"

namespace copyspec_llama {

/// The middle of `values`, of which there is at least one; between the two middle ones for an even number.
[[nodiscard]] double median(std::vector<double> values);

/// Whether the machine was busy with something else during a repetition: a pass took more than three times as long, on
/// average, as in the best repetition. Such a repetition says nothing about copying and is left out of all figures.
[[nodiscard]] bool collapsed(ConversationResult const& result, std::size_t repetition);

/// What a way was worth. Rates, their quotients and shares are medians over repetitions; with several conversations,
/// over the repetitions' totals. The counts are those of one repetition.
struct WayFigures {
  double rate = 0.0;       ///< Tokens a second, from the last token of the prompt on.
  ByWay<double> over;      ///< Of the rate in a repetition over that of each way: of the times, as tokens are the same.
  double outside = 0.0;    ///< Share of the time that is not inside the model; of a draft model's passes, all.
  double prefill = 0.0;    ///< Seconds for the prompts, not part of the above.
  std::size_t tokens = 0;  ///< Generated.
  std::size_t passes = 0;
  std::size_t drafted = 0;
  std::size_t accepted = 0;
  copyspec::SourceCounters by_source = {};

  [[nodiscard]] double speed_up() const { return over[Way::plain]; }
  [[nodiscard]] double tokens_per_pass() const { return static_cast<double>(tokens) / static_cast<double>(passes); }
};

/// What all ways were worth.
struct Figures {
  std::size_t repetitions = 0;  ///< How many are in these figures.
  std::size_t prompt_tokens = 0;
  ByWay<WayFigures> ways;
};

using ResultRef = std::reference_wrapper<ConversationResult const>;

/// The figures of some conversations together; nothing if there are none, or if in each repetition one of them
/// collapsed.
[[nodiscard]] std::optional<Figures> figures(std::span<ResultRef const> results);

/// The conversations whose figures are given together.
struct Summary {
  std::string name;
  std::vector<ResultRef> counted;
  /// Copy-heavy conversations with an answer that the model did not end itself. A model that does not find an end often
  /// repeats itself, which would flatter copying.
  std::vector<ResultRef> left_out;
};

/// Copy-heavy, fresh and all conversations, each as far as there are any. The results are borrowed.
[[nodiscard]] std::vector<Summary> summaries(std::span<ConversationResult const> results);

}  // namespace copyspec_llama
