// SPDX-License-Identifier: MIT
#include "measure.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "copyspec/copy_proposer.hpp"
#include "copyspec/draft.hpp"
#include "copyspec/error.hpp"
#include "copyspec/mixing_proposer.hpp"
#include "copyspec/sampling_verifier.hpp"
#include "difference.hpp"
#include "display.hpp"

namespace copyspec_llama {

Measurement measure(Decoder const& decoder, Vocabulary const& vocabulary, std::span<Conversation const> conversations,
                    std::size_t repetitions, Progress& progress) {
  Measurement measurement;
  for (Conversation const& conversation : conversations)
    measurement.results.push_back({.conversation = conversation, .repetitions = {}, .difference = {}});

  auto const measure_once = [&](ConversationResult& result, std::string const& place, std::size_t repetition,
                                copyspec::MixingProposer const& proposer) {
    auto const stage = [&](std::string_view way) {
      std::string text = fmt::format("{} {}, {}", place, result.conversation.name, way);
      if (repetitions > 1) text += fmt::format(", repetition {} of {}", repetition + 1, repetitions);
      return text;
    };
    auto const run = [&](std::string_view way, auto const& by, RunDisplay::Text text) {
      return decode(decoder, result.conversation, by, copyspec::SamplingVerifier(sampling_of(decoder)),
                    RunDisplay(progress, vocabulary, result.conversation, stage(way), text));
    };

    Repetition measured;
    for (std::size_t i = 0; i < 3; ++i) {
      switch ((i + repetition) % 3) {
        case 0:
          measured.plain = run("plain", copyspec::NoProposer(), RunDisplay::Text::hidden);
          break;
        case 1:
          measured.published =
              run("published rule", copyspec::CopyProposer(copyspec::published_rule), RunDisplay::Text::hidden);
          break;
        default:
          measured.copy =
              run("copying", proposer, repetition == 0 ? RunDisplay::Text::streamed : RunDisplay::Text::hidden);
      }
    }
    for (auto const& [copying, way] : copying_ways) {
      if (result.difference) break;
      result.difference = find_difference(measured.plain, measured.*copying);
      if (!result.difference) continue;
      result.difference->way = way;
      result.difference->repetition = repetition;
      progress.begin(stage("looking at the difference"));
      measure_margins(*result.difference, (measured.*copying).drafts, decoder, result.conversation);
    }
    result.repetitions.push_back(std::move(measured));
  };

  for (std::size_t repetition = 0; repetition < repetitions; ++repetition) {
    copyspec::MixingProposer const proposer =
        decoder.proposer ? *decoder.proposer : copyspec::MixingProposer({.pass_cost = measurement.pass_cost});
    for (std::size_t i = 0; i < conversations.size(); ++i) {
      try {
        measure_once(measurement.results[i], fmt::format("[{}/{}]", i + 1, conversations.size()), repetition, proposer);
      } catch (copyspec::Error const& error) {
        copyspec::raise(fmt::format("{}: {}", conversations[i].name, error.what()));
      }
    }
    measurement.pass_cost = proposer.pass_cost();
  }
  progress.clear();
  return measurement;
}

}  // namespace copyspec_llama
