// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <vector>

#include "copyspec/core/token.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/decode/composer.hpp"
#include "copyspec/testing/toy_model.hpp"
#include "copyspec/verify/greedy_verifier.hpp"

using copyspec::MixingProposer;
using copyspec::PassCost;
using copyspec::SequenceId;
using copyspec::Token;
using Tokens = std::vector<Token>;

TEST_CASE("after a stop inside a draft of 48 tokens, a prompt of 20 changes nothing that was learnt") {
  copyspec::testing::ToyModel<float> model({.vocabulary = 16, .order = 2});
  MixingProposer const proposer({.pass_cost = PassCost::marginal(0.001), .draft_length = 48});
  copyspec::Composer composer(model, proposer, copyspec::GreedyVerifier());
  constexpr SequenceId id{0};

  // An answer that loops, until a pass has a draft of 48 tokens; the turn stops in its middle.
  composer.begin(id, Tokens{3, 1, 4, 1, 5}, {.max_new_tokens = 2000});
  std::size_t before = 0;
  bool long_draft = false;
  auto const stop = [&](SequenceId, std::span<Token const> generated) {
    return copyspec::StopDecision{.stop = long_draft && generated.size() == before + 20, .held = 0};
  };
  while (composer.sequence(id).running()) {
    before = composer.sequence(id).generated().size();
    std::size_t const drafted = composer.sequence(id).counters().drafted;
    long_draft = before > 600;
    composer.step([](copyspec::OutputDelta const&) {}, stop);
    if (!long_draft) continue;
    REQUIRE(composer.sequence(id).counters().drafted - drafted == 48);
  }
  REQUIRE(composer.sequence(id).status() == copyspec::SequenceStatus::stopped);
  std::vector<float> const learnt = proposer.learnt();

  Tokens prompt;
  for (Token token = 0; token < 20; ++token) prompt.push_back((token * 7 + 3) % 16);
  composer.begin(id, prompt, {.max_new_tokens = 1});
  composer.begin(SequenceId{1}, prompt, {.max_new_tokens = 1});
  CHECK(proposer.learnt() == learnt);
  composer.run();
  CHECK(proposer.learnt() == learnt);
  composer.begin(id, {}, {.max_new_tokens = 40});
  composer.run();
  CHECK(proposer.learnt() != learnt);
}
