// SPDX-License-Identifier: MIT
#include "measure.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "copyspec/draft.hpp"
#include "copyspec/error.hpp"
#include "copyspec/greedy_verifier.hpp"
#include "difference.hpp"
#include "display.hpp"

namespace copyspec_llama {

std::vector<ConversationResult> measure(Decoder const& decoder, Vocabulary const& vocabulary,
                                        std::span<Conversation const> conversations,
                                        copyspec::CopyOptions const& options, std::size_t repetitions,
                                        Progress& progress) {
  std::vector<ConversationResult> results;
  for (Conversation const& conversation : conversations)
    results.push_back({.conversation = conversation, .repetitions = {}, .difference = {}});

  auto const measure_once = [&](std::size_t index, std::size_t repetition) {
    ConversationResult& result = results[index];
    auto const stage = [&](std::string_view way) {
      std::string text = fmt::format("[{}/{}] {}, {}", index + 1, results.size(), result.conversation.name, way);
      if (repetitions > 1) text += fmt::format(", repetition {} of {}", repetition + 1, repetitions);
      return text;
    };
    auto const run = [&](std::string_view way, auto proposer, RunDisplay::Text text) {
      return decode(decoder, result.conversation, proposer, copyspec::GreedyVerifier(),
                    RunDisplay(progress, vocabulary, result.conversation, stage(way), text));
    };
    auto const run_plain = [&] { return run("plain", copyspec::NoProposer(), RunDisplay::Text::hidden); };
    auto const run_copy = [&] {
      return run("copying", copyspec::CopyProposer(options),
                 repetition == 0 ? RunDisplay::Text::streamed : RunDisplay::Text::hidden);
    };

    Repetition measured;
    bool const plain_first = repetition % 2 == 0;
    if (plain_first) measured.plain = run_plain();
    measured.copy = run_copy();
    if (!plain_first) measured.plain = run_plain();
    if (!result.difference) {
      result.difference = find_difference(measured, repetition);
      if (result.difference) {
        progress.begin(stage("looking at the difference"));
        measure_margins(*result.difference, decoder, result.conversation, options);
      }
    }
    result.repetitions.push_back(std::move(measured));
  };

  for (std::size_t repetition = 0; repetition < repetitions; ++repetition) {
    for (std::size_t index = 0; index < results.size(); ++index) {
      try {
        measure_once(index, repetition);
      } catch (copyspec::Error const& error) {
        copyspec::raise(fmt::format("{}: {}", conversations[index].name, error.what()));
      }
    }
  }
  progress.clear();
  return results;
}

}  // namespace copyspec_llama
