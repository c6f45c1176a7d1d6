// SPDX-License-Identifier: MIT
#include <copyspec/model_proposer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <copyspec/best_of.hpp>
#include <copyspec/composer.hpp>
#include <copyspec/copy_proposer.hpp>
#include <copyspec/error.hpp>
#include <copyspec/first_of.hpp>
#include <copyspec/greedy_verifier.hpp>
#include <copyspec/mixing_proposer.hpp>
#include <copyspec/pass_cost.hpp>
#include <copyspec/sampling_options.hpp>
#include <copyspec/sampling_verifier.hpp>
#include <copyspec/sequence.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/token.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "allocation_counter.hpp"
#include "companion_model.hpp"

using copyspec::BestOf;
using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::Draft;
using copyspec::DraftProposer;
using copyspec::FirstOf;
using copyspec::GreedyVerifier;
using copyspec::MixingProposer;
using copyspec::ModelProposer;
using copyspec::ModelProposerOptions;
using copyspec::NoProposer;
using copyspec::PassCost;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::SequenceId;
using copyspec::Source;
using copyspec::Token;
using copyspec::testing::ToyModel;
using copyspec::testing::ToyModelOptions;

namespace {

using Tokens = std::vector<Token>;

static_assert(DraftProposer<ModelProposer<CompanionModel>>);
static_assert(DraftProposer<ModelProposer<CompanionModel, MixingProposer>>);

// A pair of models, and what is asked of them.
struct Pair {
  ToyModelOptions toy;
  ToyModelOptions draft_toy;
  CompanionOptions companion;
  ModelProposerOptions options;
  bool samples = false;
  SamplingOptions sampling;
  std::uint32_t seed = 0;

  explicit Pair(std::uint32_t its_seed) : seed(its_seed) {
    std::mt19937 random(seed);
    auto const pick = [&](std::size_t count) { return std::size_t{random()} % count; };
    toy = {.vocabulary = 2 + pick(7),
           .order = 1 + pick(3),
           .seed = seed,
           .max_tokens = 4 + pick(40),
           .context_limit = 60 + pick(60),
           .checkpoint_interval = 1 + pick(2) * pick(8)};
    draft_toy = toy;
    draft_toy.max_tokens = 1 + pick(30);
    draft_toy.context_limit = pick(3) == 0 ? 20 + pick(100) : 200;
    draft_toy.checkpoint_interval = 1 + pick(2) * pick(8);
    companion = {.wrong_percent = static_cast<std::uint32_t>(pick(2) * pick(101)),
                 .invalid_percent = static_cast<std::uint32_t>(pick(4) == 0 ? pick(30) : 0),
                 .throws_every = pick(4) == 0 ? 1 + pick(9) : 0};
    if (pick(2) == 0) options.pass_cost = PassCost::marginal(0.01 * static_cast<double>(pick(50)));
    if (pick(2) == 0) options.draft_cost = 0.05 * static_cast<double>(pick(20));
    if (pick(3) == 0) options.fixed_length = 1 + pick(8);
    samples = pick(2) == 0;
    sampling = {.temperature = 0.2F + 0.2F * static_cast<float>(pick(8)),
                .top_k = pick(2) * (1 + pick(5)),
                .top_p = pick(2) == 0 ? 1.0F : 0.8F,
                .seed = seed};
    if (pick(3) == 0) sampling.penalties.presence = 1;
  }

  // What several sequences of two turns say, some of which are cut back or removed in between.
  template <class Proposer, class Verifier>
  [[nodiscard]] std::vector<Tokens> said(Proposer proposer, Verifier verifier) const {
    std::mt19937 random(seed + 1);
    auto const pick = [&](std::size_t count) { return std::size_t{random()} % count; };
    auto const prompt = [&] {
      Tokens tokens(1 + pick(12));
      for (Token& token : tokens) token = static_cast<Token>(pick(toy.vocabulary));
      return tokens;
    };
    ToyModel<float> model(toy);
    Composer<ToyModel<float>, Proposer, Verifier> composer(model, std::move(proposer), std::move(verifier));
    std::vector<Tokens> said;
    std::size_t const sequences = 1 + pick(3);
    for (int turn = 0; turn < 3; ++turn) {
      for (std::size_t i = 0; i < sequences; ++i) {
        SequenceId const id{static_cast<std::int32_t>(i)};
        copyspec::TurnOptions asked{.max_new_tokens = pick(30)};
        if (samples) asked.sampling = sampling;
        Tokens const text = prompt();
        std::size_t const cut = pick(4);
        if (turn > 0 && cut == 0) composer.truncate(id, composer.sequence(id).length() / 2);
        if (turn > 0 && cut == 1) composer.remove(id);
        try {
          composer.begin(id, text, asked);
        } catch (copyspec::Error const&) {
          said.push_back({-1});  // no room for the prompt
        }
      }
      composer.run();
      for (std::size_t i = 0; i < sequences; ++i) {
        auto const context = composer.sequence(SequenceId{static_cast<std::int32_t>(i)}).context();
        said.emplace_back(context.begin(), context.end());
      }
    }
    return said;
  }

  template <class Proposer>
  [[nodiscard]] std::vector<Tokens> said(Proposer proposer) const {
    if (samples) return said(std::move(proposer), SamplingVerifier());
    return said(std::move(proposer), GreedyVerifier());
  }
};

}  // namespace

TEST_CASE("with a draft model, whatever copies beside it, what is said is what is said without") {
  for (std::uint32_t seed = 0; seed < 1000; ++seed) {
    CAPTURE(seed);
    Pair const pair(seed);
    CompanionModel companion(pair.draft_toy, pair.companion);
    auto const expected = pair.said(NoProposer());
    auto const options = pair.options;
    auto fixed = options;
    fixed.fixed_length = 3;
    switch (seed % 5) {
      case 0:
        CHECK(pair.said(ModelProposer<CompanionModel>(companion, {}, options)) == expected);
        break;
      case 1:
        CHECK(pair.said(ModelProposer(companion, MixingProposer({.pass_cost = options.pass_cost}), options)) ==
              expected);
        break;
      case 2:
        CHECK(pair.said(ModelProposer(companion, CopyProposer({.match_length = 1}), options)) == expected);
        break;
      case 3:
        CHECK(pair.said(FirstOf(CopyProposer({.match_length = 2}),
                                ModelProposer<CompanionModel>(companion, {}, fixed))) == expected);
        break;
      default:
        CHECK(pair.said(BestOf(options.pass_cost, MixingProposer(),
                               ModelProposer<CompanionModel>(companion, {}, options))) == expected);
    }
  }
}
