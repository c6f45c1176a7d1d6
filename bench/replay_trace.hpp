// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint_model.hpp"
#include "copyspec/core/assert.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/decode/composer.hpp"
#include "copyspec/decode/sequence.hpp"
#include "copyspec/decode/source_counters.hpp"
#include "copyspec/draft/proposer.hpp"
#include "copyspec/model/model.hpp"
#include "copyspec/verify/greedy_verifier.hpp"
#include "modelled_time.hpp"
#include "replay_model.hpp"
#include "simulated_draft_model.hpp"
#include "trace.hpp"

namespace copyspec::bench {

/// What generating some tokens took, in one turn or in many.
struct Tally {
  std::size_t tokens = 0;
  std::size_t passes = 0;               ///< The one over the prompt, which yields the first token, is among them.
  std::size_t drafted = 0;              ///< Draft tokens fed.
  std::size_t accepted = 0;             ///< Draft tokens that became generated tokens.
  std::size_t attempts = 0;             ///< Passes with a draft.
  CheckpointCounters checkpoints = {};  ///< Of a model that cannot be cut back.
  DraftModelCounters draft_model = {};  ///< Of a draft model.
  SourceCounters by_source = {};        ///< What was drafted and accepted from where.
  std::chrono::nanoseconds propose{};
  double memory_bytes_per_token = 0;  ///< That the proposer holds at the end, of context; of many turns the most.

  /// In one-row passes, where one of n rows costs 1 + marginal_cost (n - 1); a draft of n - 1 tokens makes n rows. The
  /// second row adds `second_row` besides. A token fed again costs a row as well, and making a checkpoint nothing. A
  /// pass of the draft model costs `draft_cost` as much as one of the model; the tokens of prompts, which either has to
  /// read, cost nothing.
  [[nodiscard]] double cost(double marginal_cost, double draft_cost = 0, double second_row = 0) const noexcept {
    return static_cast<double>(passes + checkpoints.splits) + second_row * static_cast<double>(attempts) +
           marginal_cost * static_cast<double>(drafted + checkpoints.replayed) +
           draft_cost *
               (static_cast<double>(draft_model.passes) + marginal_cost * static_cast<double>(draft_model.caught_up));
  }

  /// Plain decoding costs one a token. Nothing to speed up without a pass.
  [[nodiscard]] std::optional<double> speedup(double marginal_cost, double draft_cost = 0,
                                              double second_row = 0) const noexcept {
    return ratio(static_cast<double>(tokens), cost(marginal_cost, draft_cost, second_row));
  }
  [[nodiscard]] std::optional<double> tokens_per_pass() const noexcept {
    return ratio(static_cast<double>(tokens), static_cast<double>(passes));
  }
  [[nodiscard]] std::optional<double> copied_share() const noexcept {
    return ratio(static_cast<double>(accepted), static_cast<double>(tokens));
  }
  /// Nothing on a modelled clock, which measures no drafts.
  [[nodiscard]] std::optional<double> propose_ns_per_pass() const noexcept {
    if (propose.count() == 0) return std::nullopt;
    return ratio(static_cast<double>(propose.count()), static_cast<double>(passes));
  }

  Tally& operator+=(Tally const& other) noexcept {
    tokens += other.tokens;
    passes += other.passes;
    drafted += other.drafted;
    accepted += other.accepted;
    attempts += other.attempts;
    checkpoints += other.checkpoints;
    draft_model += other.draft_model;
    by_source += other.by_source;
    propose += other.propose;
    memory_bytes_per_token = std::max(memory_bytes_per_token, other.memory_bytes_per_token);
    return *this;
  }

 private:
  [[nodiscard]] static std::optional<double> ratio(double numerator, double denominator) noexcept {
    if (denominator == 0) return std::nullopt;
    return numerator / denominator;
  }
};

/// What one turn of a conversation took.
struct TurnTally {
  std::string id;
  std::size_t turn = 1;  ///< Counted from 1.
  std::string category;
  Tally tally;
};

/// The generated tokens are not the recorded ones: a bug in what drives the model, never in the trace.
class ReplayMismatch : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What the proposer of sequence 0 holds, a token of context.
template <class Composer>
[[nodiscard]] double memory_bytes_per_token(Composer const& composer) {
  if constexpr (requires { composer.proposer(SequenceId{0}).memory_bytes(); })
    return static_cast<double>(composer.proposer(SequenceId{0}).memory_bytes()) /
           static_cast<double>(composer.sequence(SequenceId{0}).length());
  else
    return 0;
}

/// What is replayed otherwise than by a model that can be cut back and takes chains.
struct ReplayOptions {
  std::size_t max_branches = 0;  ///< That the drafts of a pass may have.
  bool checkpoints = false;      ///< Whether the model cannot be cut back, see `CheckpointModel`; not with branches.
  SimulatedDraftModel* draft_model = nullptr;  ///< That the proposer asks, if it asks one.
  /// Passes take these times, which the proposer is told; not with a draft model. Without: the time they take here.
  std::optional<PassTimeSettings> pass_time = {};
};

/// Generates every answer of one conversation again, with `model`, which follows it, as does `draft_model` if
/// there is one. Throws `ReplayMismatch` if one comes out differently.
template <class Clock = std::chrono::steady_clock, Model M, DraftProposer Proposer>
void replay(Conversation const& conversation, M model, Proposer const& proposer, std::vector<TurnTally>& tallies,
            SimulatedDraftModel const* draft_model = nullptr) {
  Composer<M, Proposer, GreedyVerifier, Clock> composer(model, proposer);
  SequenceCounters counters;
  CheckpointCounters checkpoints;
  DraftModelCounters guessing = draft_model == nullptr ? DraftModelCounters() : draft_model->counters();
  std::chrono::nanoseconds propose{};
  for (std::size_t i = 0; i < conversation.turns.size(); ++i) {
    auto const answer = conversation.answer(conversation.turns[i]);
    auto const generated = composer.generate(conversation.prompt(conversation.turns[i]),
                                             {.max_new_tokens = answer.size(), .references = conversation.references});
    if (!std::ranges::equal(generated, answer)) {
      auto const at = std::ranges::mismatch(generated, answer).in1 - generated.begin();
      throw ReplayMismatch(
          fmt::format("conversation {}, turn {}: {} tokens generated, {} recorded, different from token {} on",
                      conversation.id, i + 1, generated.size(), answer.size(), at));
    }
    SequenceCounters const before = counters;
    CheckpointCounters const checkpoints_before = checkpoints;
    DraftModelCounters const guessing_before = guessing;
    std::chrono::nanoseconds const propose_before = propose;
    counters = composer.sequence(SequenceId{0}).counters();
    if constexpr (requires { model.checkpoint_counters(); }) checkpoints = model.checkpoint_counters();
    if (draft_model != nullptr) guessing = draft_model->counters();
    propose = composer.times().propose;
    tallies.push_back({.id = conversation.id,
                       .turn = i + 1,
                       .category = conversation.category,
                       .tally = {.tokens = counters.generated - before.generated,
                                 .passes = counters.decode_passes - before.decode_passes,
                                 .drafted = counters.drafted - before.drafted,
                                 .accepted = counters.accepted - before.accepted,
                                 .attempts = counters.draft_passes - before.draft_passes,
                                 .checkpoints = checkpoints.since(checkpoints_before),
                                 .draft_model = guessing.since(guessing_before),
                                 .by_source = counters.by_source.since(before.by_source),
                                 .propose = propose - propose_before,
                                 .memory_bytes_per_token = memory_bytes_per_token(composer)}});
  }
}

/// Generates every answer of `trace` again, each conversation with a fresh sequence and a copy of `proposer`, and
/// tallies each turn, in the order of the trace. Throws `ReplayMismatch` if an answer comes out differently.
template <DraftProposer Proposer>
[[nodiscard]] std::vector<TurnTally> replay(Trace const& trace, Proposer const& proposer,
                                            ReplayOptions const& options = {}) {
  COPYSPEC_ASSERT(options.max_branches == 0 || !options.checkpoints, "no trees where nothing can be cut back");
  std::vector<TurnTally> tallies;
  std::optional<PassTime> time;
  if (options.pass_time) time.emplace(*options.pass_time);
  auto const run = [&](Conversation const& conversation, auto model) {
    if (time)
      replay<ModelledClock>(conversation, TimedModel(std::move(model), *time), proposer, tallies);
    else
      replay<std::chrono::steady_clock>(conversation, std::move(model), proposer, tallies, options.draft_model);
  };
  for (std::size_t number = 0; number < trace.conversations.size(); ++number) {
    Conversation const& conversation = trace.conversations[number];
    if (options.draft_model != nullptr) options.draft_model->follow(conversation, number);
    ReplayModel model(conversation.tokens, trace.numbering.size(), options.max_branches);
    if (options.checkpoints)
      run(conversation, CheckpointModel(std::move(model)));
    else
      run(conversation, std::move(model));
  }
  return tallies;
}

}  // namespace copyspec::bench
