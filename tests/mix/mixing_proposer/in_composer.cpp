// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/draft_length.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/decode/composer.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/source_counters.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/mix/history.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "bench/replay_model.hpp"
#include "bench/replay_trace.hpp"
#include "bench/trace.hpp"
#include "support/copying_text.hpp"
#include "support/some_history.hpp"

using copyspec::History;
using copyspec::MixingOptions;
using copyspec::MixingProposer;
using copyspec::PassCost;
using copyspec::SequenceId;
using copyspec::Source;
using copyspec_test::some_history;
using copyspec_test::with_history;

namespace {

std::filesystem::path own_trace() {
  return std::filesystem::path(__FILE__).parent_path() / "../../../bench/traces/smollm2-135m.demo.jsonl";
}

}  // namespace

TEST_CASE("in a composer, recorded answers come out, of all sequences that learn together") {
  using copyspec::bench::ReplayModel;
  copyspec::bench::Trace const trace = copyspec::bench::read_trace(own_trace());
  // Throws if an answer comes out differently.
  auto const turns = copyspec::bench::replay(trace, MixingProposer({.pass_cost = PassCost::marginal(0.02)}));
  copyspec::bench::Tally all;
  for (auto const& turn : turns) all += turn.tally;
  CHECK(all.speedup(0.02).value() > 1.3);
  // Several sequences of one recording, that begin at different places.
  for (auto const& conversation : trace.conversations) {
    auto const answer = conversation.answer(conversation.turns.front());
    auto const prompt = conversation.prompt(conversation.turns.front());
    ReplayModel model(conversation.tokens, trace.numbering.size());
    copyspec::Composer<ReplayModel, MixingProposer, copyspec::GreedyVerifier> composer(model);
    for (std::int32_t i = 0; i < 5; ++i)
      composer.begin(SequenceId{i}, prompt, {.max_new_tokens = answer.size() / (1U + static_cast<unsigned>(i))});
    composer.run();
    for (std::int32_t i = 0; i < 5; ++i) {
      auto const generated = composer.sequence(SequenceId{i}).generated();
      REQUIRE(generated.size() == answer.size() / (1U + static_cast<unsigned>(i)));
      CHECK(std::ranges::equal(generated, answer.first(generated.size())));
    }
  }
}

TEST_CASE("over a model with checkpoints recorded answers come out, for less if the proposer knows") {
  copyspec::bench::Trace const trace = copyspec::bench::read_trace(own_trace());
  auto const check = [&](double marginal, std::size_t draft_length, double most) {
    CAPTURE(marginal);
    CAPTURE(draft_length);
    auto const replayed = [&](bool told) {
      copyspec::bench::Tally sum;
      MixingProposer const proposer({.pass_cost = PassCost::marginal(marginal),
                                     .draft_length = draft_length,
                                     .rollback = told ? copyspec::Rollback::checkpoint : copyspec::Rollback::exact});
      // Throws if an answer comes out differently.
      for (auto const& turn : copyspec::bench::replay(trace, proposer, {.checkpoints = true})) sum += turn.tally;
      return sum;
    };
    copyspec::bench::Tally const told = replayed(true);
    copyspec::bench::Tally const untold = replayed(false);
    CHECK(told.tokens == untold.tokens);
    CHECK(told.cost(marginal) < most * untold.cost(marginal));
    CHECK(told.checkpoints.replayed < untold.checkpoints.replayed);
    CHECK(told.checkpoints.splits == 0);
    CHECK(untold.checkpoints.splits > 0);
  };
  for (double const marginal : {0.01, 0.02, 0.06, 0.13}) check(marginal, 48, 0.99);
  // The cheaper a row is, the less is saved.
  check(0.01, copyspec::max_draft_tokens, 0.992);
  for (double const marginal : {0.02, 0.06, 0.13}) check(marginal, copyspec::max_draft_tokens, 0.985);
}

TEST_CASE("in a composer that drafts trees, recorded answers come out, in fewer passes than with chains") {
  using copyspec::bench::ReplayModel;
  copyspec::bench::Trace const trace = copyspec::bench::read_trace(own_trace());
  MixingOptions const options{.pass_cost = PassCost::marginal(0.02)};
  copyspec::bench::Tally by_chains;
  for (auto const& turn : copyspec::bench::replay(trace, MixingProposer(options))) by_chains += turn.tally;
  copyspec::bench::Tally by_trees;
  // Throws if an answer comes out differently.
  for (auto const& turn : copyspec::bench::replay(trace, MixingProposer(options), {.max_branches = 15}))
    by_trees += turn.tally;
  CHECK(by_trees.tokens == by_chains.tokens);
  CHECK(by_trees.passes < by_chains.passes);
  CHECK(by_trees.speedup(0.02).value() > by_chains.speedup(0.02).value());
  // Several sequences of one recording, which share the branches of a pass.
  for (auto const& conversation : trace.conversations) {
    auto const answer = conversation.answer(conversation.turns.front());
    auto const prompt = conversation.prompt(conversation.turns.front());
    ReplayModel model(conversation.tokens, trace.numbering.size(), 5);
    copyspec::Composer<ReplayModel, MixingProposer, copyspec::GreedyVerifier> composer(model);
    for (std::int32_t i = 0; i < 5; ++i)
      composer.begin(SequenceId{i}, prompt, {.max_new_tokens = answer.size() / (1U + static_cast<unsigned>(i))});
    composer.run();
    for (std::int32_t i = 0; i < 5; ++i) {
      auto const generated = composer.sequence(SequenceId{i}).generated();
      REQUIRE(generated.size() == answer.size() / (1U + static_cast<unsigned>(i)));
      CHECK(std::ranges::equal(generated, answer.first(generated.size())));
    }
  }
}

TEST_CASE("in a composer a history changes nothing of what is said, and the passes are fewer") {
  using copyspec::testing::ToyModelOptions;
  using Toy = copyspec::testing::ToyModel<float>;
  std::size_t passes_with = 0;
  std::size_t passes_without = 0;
  for (std::size_t const branches : {0U, 6U}) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      ToyModelOptions const options{.vocabulary = 200, .order = 2, .seed = seed, .max_branches = branches};
      // Three sequences, two conversations, the second over what the first has said; a third of the answers is removed.
      auto const say = [&](std::shared_ptr<History> const& history, std::size_t& passes) {
        Random random(static_cast<std::uint32_t>(seed));
        std::vector<Tokens> said;
        MixingProposer const proposer = with_history(history);
        for (int conversation = 0; conversation < 2; ++conversation) {
          Toy model(options);
          copyspec::Composer composer(model, proposer, copyspec::GreedyVerifier());
          for (std::int32_t turn = 0; turn < 2; ++turn) {
            for (std::int32_t i = 0; i < 3; ++i)
              composer.begin(SequenceId{i}, Tokens{5 + turn, 6 + i % 2, 7}, {.max_new_tokens = 30});
            composer.run();
            for (std::int32_t i = 0; i < 3; ++i) {
              auto const generated = composer.sequence(SequenceId{i}).generated();
              said.emplace_back(generated.begin(), generated.end());
              auto const remembered = composer.proposer(SequenceId{i}).remembered();
              CHECK(remembered.has_value() == (history != nullptr));
              if (remembered && below(random, 3) == 0) CHECK(history->remove(*remembered));
            }
          }
          for (std::int32_t i = 0; i < 3; ++i) passes += composer.sequence(SequenceId{i}).counters().decode_passes;
        }
        return said;
      };
      auto const history = some_history();
      CHECK(say(history, passes_with) == say(nullptr, passes_without));
      CHECK(history->counters().requests_appended == 12);
    }
  }
  CHECK(passes_with * 3 < passes_without * 2);
}

TEST_CASE("an answer that was cut back before it ended is not remembered, nor one that nobody waited for") {
  auto const history = some_history();
  copyspec::testing::ToyModel<float> model({.vocabulary = 50});
  copyspec::Composer composer(model, with_history(history), copyspec::GreedyVerifier());
  composer.begin(SequenceId{0}, Tokens{1, 2}, {.max_new_tokens = 20});
  composer.step([](auto const&) {});
  composer.truncate(SequenceId{0}, 2);
  composer.begin(SequenceId{1}, Tokens{1, 2}, {.max_new_tokens = 20});
  composer.step([](auto const&) {});
  composer.remove(SequenceId{1});
  CHECK(history->counters().requests_appended == 0);
}

TEST_CASE("in a composer what is counted of each source is all that is counted") {
  copyspec::testing::ToyModel model({.vocabulary = 64, .order = 3, .max_branches = 6});
  auto const history = some_history();
  MixingProposer const proposer = with_history(history);
  copyspec::Composer plain(model, copyspec::NoProposer(), copyspec::GreedyVerifier());
  Tokens const prompt{3, 1, 4, 1, 5};
  auto const answer = plain.generate(prompt, {.max_new_tokens = 400});
  Tokens const text = prompt + Tokens(answer.begin(), answer.end());
  copyspec::Composer composer(model, proposer, copyspec::GreedyVerifier());
  copyspec::SourceCounters sum;
  for (std::int32_t i = 1; i < 4; ++i) {
    SequenceId const id{i};
    composer.begin(id, prompt,
                   {.max_new_tokens = 400, .references = i == 2 ? std::vector<Tokens>{text} : std::vector<Tokens>{}});
    std::vector<Source> shown;
    composer.run([&](copyspec::OutputDelta const& emission) {
      shown.insert(shown.end(), emission.sources.begin(), emission.sources.end());
    });
    auto const& counters = composer.sequence(id).counters();
    std::size_t drafted = 0;
    std::size_t accepted = 0;
    for (Source const source : copyspec::draft_sources) {
      drafted += counters.by_source[source].drafted;
      accepted += counters.by_source[source].accepted;
      CHECK(counters.by_source[source].accepted == static_cast<std::size_t>(std::ranges::count(shown, source)));
    }
    CHECK(drafted == counters.drafted);
    CHECK(accepted == counters.accepted);
    sum += counters.by_source;
    if (i == 1) CHECK(sum[Source::history].drafted == 0);
  }
  CHECK(sum[Source::reference].accepted > 100);
  CHECK(sum[Source::history].accepted > 100);
  CHECK(sum[Source::other].drafted == 0);
}
