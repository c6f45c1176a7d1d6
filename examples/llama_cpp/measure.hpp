// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conversation.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/draft/first_draft.hpp"
#include "copyspec/draft/proposer.hpp"
#include "copyspec/draft_model/model_proposer.hpp"
#include "copyspec/lookup/copy_proposer.hpp"
#include "copyspec/mix/mixing_proposer.hpp"
#include "copyspec/model/model.hpp"
#include "copyspec/verify/sampling_verifier.hpp"
#include "decode.hpp"
#include "difference.hpp"
#include "display.hpp"
#include "results.hpp"
#include "terminal.hpp"
#include "vocabulary.hpp"

namespace copyspec_llama {

/// All that was measured.
struct Measurement {
  std::vector<ConversationResult> results;
  LearntCosts costs;
};

/// All ways to decode, with what they learn in one repetition.
template <copyspec::Model M>
class Ways {
 public:
  Ways(Decoder<M> const& decoder, LearntCosts const& costs)
      : decoder_(&decoder), copying_(decoder.proposer.value_or(copying(costs.copying))) {
    add(copyspec::NoProposer());
    add(copying_);
    add(copyspec::CopyProposer(copyspec::published_rule));
    if (decoder.draft_model == nullptr) return;
    M& model = *decoder.draft_model;
    copyspec::ModelProposer const guessing(model, copyspec::NoProposer(), {.fixed_length = 5});
    add(guessing);
    add(copyspec::FirstDraft(copyspec::CopyProposer(copyspec::published_rule), guessing));
    copying_draft_model_.emplace(
        model, copying(costs.copying_draft_model),
        copyspec::ModelProposerOptions{.pass_cost = costs.copying_draft_model, .draft_pass_cost = costs.draft_model});
    add(*copying_draft_model_);
  }

  [[nodiscard]] std::size_t size() const noexcept { return decode_.size(); }

  [[nodiscard]] Run decode(Way way, Conversation const& conversation, RunDisplay display) const {
    return decode_[static_cast<std::size_t>(way)](conversation, display);
  }

  [[nodiscard]] LearntCosts costs() const {
    LearntCosts costs{.copying = copying_.pass_cost(), .copying_draft_model = {}, .draft_model = {}};
    if (!copying_draft_model_) return costs;
    costs.copying_draft_model = copying_draft_model_->pass_cost();
    costs.draft_model = copying_draft_model_->draft_model().share().pass_cost();
    costs.draft_cost = copying_draft_model_->draft_cost();
    return costs;
  }

 private:
  [[nodiscard]] copyspec::MixingProposer copying(copyspec::PassCost const& pass_cost) const {
    return copyspec::MixingProposer({.pass_cost = pass_cost, .rollback = decoder_->rollback});
  }

  // The next one.
  template <class Proposer>
  void add(Proposer const& proposer) {
    decode_.push_back([decoder = decoder_, proposer](Conversation const& conversation, RunDisplay& display) {
      return copyspec_llama::decode(*decoder, conversation, proposer, copyspec::SamplingVerifier(sampling_of(*decoder)),
                                    display);
    });
  }

  Decoder<M> const* decoder_;
  copyspec::MixingProposer copying_;
  std::optional<copyspec::ModelProposer<M, copyspec::MixingProposer>> copying_draft_model_;
  std::vector<std::function<Run(Conversation const&, RunDisplay&)>> decode_;  // by `Way`
};

/// Decodes each conversation in each way, one right after the other, as many times as asked. Their order is drawn anew
/// each time, so that what the machine does meanwhile falls on all. Each repetition learns afresh what can be copied
/// and guessed, but goes on learning what a pass costs. Shows what the last way says in the first repetition.
template <copyspec::Model M>
[[nodiscard]] Measurement measure(Decoder<M> const& decoder, Vocabulary const& vocabulary,
                                  std::span<Conversation const> conversations, std::size_t repetitions,
                                  Progress& progress) {
  Measurement measurement;
  measurement.costs = {.copying = decoder.pass_cost, .copying_draft_model = decoder.pass_cost, .draft_model = {}};
  for (Conversation const& conversation : conversations)
    measurement.results.push_back({.conversation = conversation, .repetitions = {}, .difference = {}});
  std::mt19937 random;

  auto const measure_once = [&](ConversationResult& result, std::string const& place, std::size_t repetition,
                                Ways<M> const& ways) {
    auto const stage = [&](std::string_view what) {
      std::string text = fmt::format("{} {}, {}", place, result.conversation.name, what);
      if (repetitions > 1) text += fmt::format(", repetition {} of {}", repetition + 1, repetitions);
      return text;
    };

    Repetition measured(ways.size());
    std::vector<Way> order = measured.ways();
    Way const shown = order.size() > 3 ? order.back() : Way::copying;
    std::ranges::shuffle(order, random);
    for (Way const way : order) {
      auto const text = way == shown && repetition == 0 ? RunDisplay::Text::streamed : RunDisplay::Text::hidden;
      measured[way] = ways.decode(way, result.conversation,
                                  RunDisplay(progress, vocabulary, result.conversation, stage(name(way).text), text));
    }
    for (Way const way : measured.ways()) {
      if (result.difference) break;
      result.difference = find_difference(measured[Way::plain], measured[way]);
      if (!result.difference) continue;
      result.difference->way = way;
      result.difference->repetition = repetition;
      progress.begin(stage("looking at the difference"));
      measure_margins(*result.difference, measured[way].drafts, decoder, result.conversation);
    }
    result.repetitions.push_back(std::move(measured));
  };

  for (std::size_t repetition = 0; repetition < repetitions; ++repetition) {
    Ways<M> const ways(decoder, measurement.costs);
    for (std::size_t i = 0; i < conversations.size(); ++i) {
      try {
        measure_once(measurement.results[i], fmt::format("[{}/{}]", i + 1, conversations.size()), repetition, ways);
      } catch (copyspec::Error const& error) {
        copyspec::raise_error(copyspec::ErrorCode::file, fmt::format("{}: {}", conversations[i].name, error.what()));
      }
    }
    measurement.costs = ways.costs();
  }
  progress.clear();
  return measurement;
}

}  // namespace copyspec_llama
