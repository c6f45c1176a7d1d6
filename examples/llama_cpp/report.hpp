// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/verify/sampling_options.hpp"
#include "results.hpp"
#include "vocabulary.hpp"

namespace copyspec_llama {

/// What was measured with.
struct Setup {
  std::filesystem::path file = {};  ///< The weights that were decoded.
  std::string model = {};
  std::size_t threads = 0;
  std::size_t context = 0;
  std::size_t batch = 0;
  std::string cache = {};  ///< The type of its cells, or nothing if the engine has but one.
  bool bitwise = false;    ///< Whether all rows are those of plain decoding in all bits.
  std::size_t max_tokens = 0;
  copyspec::SamplingOptions sampling = {};
  std::uint64_t seed = 0;    ///< That tokens were drawn with, if they were.
  std::string grammar = {};  ///< The file it is in, or nothing.
  std::size_t repetitions = 0;
  LearntCosts costs = {};
  copyspec::PassCost remembered = {};     ///< What was known of them before.
  std::filesystem::path draft_file = {};  ///< The weights of the draft model, if there is one.
  std::string draft_model = {};
};

/// The table, with what there is to say about it below.
[[nodiscard]] std::string text_report(Setup const& setup, std::span<ConversationResult const> results,
                                      Vocabulary const& vocabulary);

/// The same and each repetition, as JSON.
[[nodiscard]] std::string json_report(Setup const& setup, std::span<ConversationResult const> results,
                                      Vocabulary const& vocabulary);

}  // namespace copyspec_llama
