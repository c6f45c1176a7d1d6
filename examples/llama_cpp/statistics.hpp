// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "conversation.hpp"
#include "copyspec/source_counters.hpp"
#include "results.hpp"

namespace copyspec_llama {

/// The middle of `values`, of which there is at least one; between the two middle ones for an even number.
[[nodiscard]] double median(std::vector<double> values);

/// Whether the machine was busy with something else during a repetition: a pass took more than three times as long, on
/// average, as in the best repetition. Such a repetition says nothing about copying and is left out of all figures.
[[nodiscard]] bool collapsed(ConversationResult const& result, std::size_t repetition);

/// What copying was worth. Rates, the speed-up and shares are medians over repetitions; with several conversations,
/// over the repetitions' totals. The counts are those of one repetition.
struct Figures {
  std::size_t repetitions = 0;      ///< How many are in these figures.
  double plain_rate = 0.0;          ///< Tokens a second of plain decoding, from the last token of the prompt on.
  double published_rate = 0.0;      ///< The same by the published rule.
  double copy_rate = 0.0;           ///< The same with copying.
  double speed_up = 0.0;            ///< Of the rates in one repetition: that of the times, as the tokens are the same.
  double published_speed_up = 0.0;  ///< That of the published rule.
  double over_published = 0.0;      ///< Of copying over the published rule.
  double outside = 0.0;             ///< Share of the time of copying that is not inside the model.
  double plain_prefill = 0.0;       ///< Seconds for the prompts, not part of the above.
  double copy_prefill = 0.0;        ///< The same with copying.
  std::size_t prompt_tokens = 0;
  std::size_t tokens = 0;  ///< Generated with copying, as the following counts.
  std::size_t passes = 0;
  std::size_t drafted = 0;
  std::size_t accepted = 0;
  copyspec::SourceCounters by_source = {};

  [[nodiscard]] double tokens_per_pass() const { return static_cast<double>(tokens) / static_cast<double>(passes); }
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
