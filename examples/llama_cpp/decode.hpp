// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "conversation.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/decode/composer.hpp"
#include "copyspec/decode/sequence.hpp"
#include "copyspec/mix/mixing_proposer.hpp"
#include "copyspec/verify/logprobs.hpp"
#include "copyspec/verify/sampling_options.hpp"
#include "measured_model.hpp"
#include "recorded_drafts.hpp"
#include "results.hpp"
#include "stopwatch.hpp"

namespace copyspec_llama {

/// What a conversation is decoded with, whichever way.
template <copyspec::Model M>
struct Decoder {
  MeasuredModel<M>* model;
  /// The tokens to append to the context before the answer to a turn, as `ChatFormat::prompt`.
  std::function<std::vector<copyspec::Token>(Conversation const&, std::size_t turn,
                                             std::span<copyspec::Token const> context)>
      prompt;
  copyspec::GenerateOptions options;
  /// Copies for all repetitions, with a history; without one, each repetition has its own.
  std::optional<copyspec::MixingProposer> proposer = {};
  /// What passes cost, as far as it is known.
  copyspec::PassCost pass_cost = {};
  M* draft_model = nullptr;  ///< What guesses, if anything does.
  copyspec::Rollback rollback = copyspec::Rollback::exact;
};

/// How its tokens are drawn: greedily, unless it says so.
template <class M>
[[nodiscard]] copyspec::SamplingOptions sampling_of(Decoder<M> const& decoder) {
  return decoder.options.sampling.value_or(copyspec::SamplingOptions{.temperature = 0});
}

/// Passes that the drafts of the newest turn saved, less what they cost, if the proposer keeps an account.
template <class Proposer>
[[nodiscard]] double balance(Proposer const& proposer) {
  if constexpr (requires { proposer.account(); })
    return proposer.account().balance();
  else
    return 0.0;
}

/// Decodes all turns of a conversation. Calls `watch(turn, sequence)` when a turn begins and after each pass; the time
/// that takes does not count.
template <class M, class Proposer, class Verifier, class Watch>
[[nodiscard]] Run decode(Decoder<M> const& decoder, Conversation const& conversation, Proposer proposer,
                         Verifier verifier, Watch&& watch) {
  using Seconds = std::chrono::duration<double>;
  constexpr copyspec::SequenceId id{0};

  Run run;
  copyspec::Composer composer(*decoder.model, Recording(std::move(proposer), run.drafts), std::move(verifier));
  for (std::size_t turn = 0; turn < conversation.turns.size(); ++turn) {
    std::span<copyspec::Token const> const context =
        turn == 0 ? std::span<copyspec::Token const>() : composer.sequence(id).context();
    std::vector<copyspec::Token> const prompt = decoder.prompt(conversation, turn, context);
    copyspec::SequenceCounters const counters_before =
        turn == 0 ? copyspec::SequenceCounters() : composer.sequence(id).counters();
    auto const forward_before = composer.times().forward;
    SpentTime const prefill_before = decoder.model->prefill();

    copyspec::GenerateOptions options = decoder.options;
    std::vector<std::vector<copyspec::TokenLogprob>> logprobs;
    auto const keep_logprobs = [&](copyspec::OutputDelta const& emission) {
      for (std::size_t i = 0; i < emission.logprobs.size(); ++i)
        logprobs.emplace_back(emission.logprobs[i].begin(), emission.logprobs[i].end());
    };

    Stopwatch const beginning;
    composer.begin(id, prompt, std::move(options));
    SpentTime time = beginning.spent();
    watch(turn, composer.sequence(id));
    for (bool running = true; running;) {
      Stopwatch const step;
      running = composer.step(keep_logprobs);
      time += step.spent();
      watch(turn, composer.sequence(id));
    }

    copyspec::Sequence const& sequence = composer.sequence(id);
    if (sequence.status() == copyspec::SequenceStatus::invalid_row)
      copyspec::raise_error(copyspec::ErrorCode::engine, "the model returned logits that are not numbers");
    if (sequence.status() == copyspec::SequenceStatus::all_excluded)
      copyspec::raise_error(copyspec::ErrorCode::bad_options, "the grammar allows no token here");
    copyspec::SequenceCounters const& counters = sequence.counters();
    SpentTime const prefill = decoder.model->prefill() - prefill_before;
    run.turns.push_back({.prompt_tokens = prompt.size(),
                         .tokens = {sequence.generated().begin(), sequence.generated().end()},
                         .logprobs = std::move(logprobs),
                         .status = sequence.status(),
                         .passes = counters.decode_passes - counters_before.decode_passes,
                         .drafted = counters.drafted - counters_before.drafted,
                         .accepted = counters.accepted - counters_before.accepted,
                         .by_source = counters.by_source.since(counters_before.by_source),
                         .account = balance(composer.proposer(id).template get<0>()),
                         .prefill = prefill.wall,
                         .generation = (time - prefill).wall,
                         .processor = (time - prefill).processor,
                         .forward = Seconds(composer.times().forward - forward_before).count() - prefill.wall});
  }
  return run;
}

}  // namespace copyspec_llama
