// SPDX-License-Identifier: MIT
#include <copyspec/adapters/llama_cpp/model.hpp>

#include <doctest/doctest.h>
#include <llama.h>

#include <algorithm>
#include <copyspec/copyspec.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/demo_model.hpp"
#include "support/random_model.hpp"

// Drafting with a second model of llama.cpp.

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::FirstDraft;
using copyspec::MixingProposer;
using copyspec::ModelProposer;
using copyspec::NoProposer;
using copyspec::PassCost;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::Segment;
using copyspec::SequenceCounters;
using copyspec::SequenceId;
using copyspec::Source;
using copyspec::Token;
using copyspec::adapters::LlamaCpp;
using copyspec_test::make_context;
using copyspec_test::RandomModel;
using copyspec_test::small_context;

namespace {

using Tokens = std::vector<Token>;

// Rows of 32 bits round little.
constexpr float rounding = 1e-3F;

// What the two turns of a conversation say, and what they took.
struct Said {
  Tokens context;
  SequenceCounters counters;
};

template <class Proposer>
Said converse(LlamaCpp& model, Proposer proposer, SamplingOptions const& sampling) {
  Composer composer(model, std::move(proposer), SamplingVerifier(sampling));
  std::vector<Tokens> const prompts{{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9}, {2, 7, 1, 8, 2, 8}};
  for (Tokens const& prompt : prompts) (void)composer.generate(prompt, {.max_new_tokens = 60});
  auto const& sequence = composer.sequence(SequenceId{0});
  auto const context = sequence.context();
  return {{context.begin(), context.end()}, sequence.counters()};
}

// How much more the token of `plain` got than that of `other` at the first place where they differ, as they were drawn.
float margin(LlamaCpp& model, Tokens const& plain, Tokens const& other, SamplingOptions const& sampling) {
  auto const place = static_cast<std::size_t>(std::ranges::mismatch(plain, other).in1 - plain.begin());
  Segment const segment{.sequence = SequenceId{0}, .tokens = std::span(plain).first(place), .rows = 1};
  std::span<float const> const row = model.forward({&segment, 1}).row(0);
  auto const score = [&](Token token) {
    float const logit = row[static_cast<std::size_t>(token)];
    if (sampling.temperature == 0) return logit;
    copyspec::detail::NoiseStream const noise{.seed = sampling.seed.value(), .position = place};
    return copyspec::detail::gumbel_score(logit, 1 / sampling.temperature, noise.word(token));
  };
  float const difference = score(plain[place]) - score(other[place]);
  MESSAGE("first difference at ", place, ": ", plain[place], " and ", other[place], ", a margin of ", difference);
  model.truncate(SequenceId{0}, 0);
  return difference;
}

// Says with each way of drafting what is said without. Returns how many tokens of the draft model were accepted.
std::size_t accepted_by_any(LlamaCpp& model, LlamaCpp& draft, SamplingOptions const& sampling) {
  Said const plain = converse(model, NoProposer(), sampling);
  std::size_t accepted = 0;
  auto const check = [&](auto const& proposer) {
    Said const said = converse(model, proposer, sampling);
    auto const guessed = said.counters.by_source[Source::draft_model];
    CHECK(guessed.drafted > 0);
    accepted += guessed.accepted;
    if (said.context != plain.context) CHECK(margin(model, plain.context, said.context, sampling) < rounding);
  };
  PassCost const cheap = PassCost::marginal(0.02);
  check(ModelProposer(draft, NoProposer(), {.fixed_length = 5}));
  check(FirstDraft(CopyProposer(copyspec::published_rule), ModelProposer(draft, NoProposer(), {.fixed_length = 5})));
  check(ModelProposer(draft, MixingProposer({.pass_cost = cheap}),
                      {.pass_cost = cheap, .draft_pass_cost = cheap, .draft_cost = 0.02}));
  return accepted;
}

RandomModel make_llama(std::uint32_t layers) {
  return copyspec_test::random_llama().spread(0.5F).count("block_count", layers).build();
}

std::vector<SamplingOptions> const samplings{{.temperature = 0}, {.temperature = 0.8F, .seed = 11}};

}  // namespace

TEST_CASE("with a draft model, as good or as bad as it may be, what is said is what is said without") {
  auto const target = make_llama(2);
  REQUIRE(target != nullptr);
  auto const context = make_context(*target, small_context());
  LlamaCpp model(*context);
  auto const check = [&](RandomModel const& draft_weights, llama_context_params const& parameters) {
    REQUIRE(draft_weights != nullptr);
    auto const draft_context = make_context(*draft_weights, parameters);
    std::vector<std::size_t> accepted;
    for (SamplingOptions const& sampling : samplings) {
      LlamaCpp draft(*draft_context);
      accepted.push_back(accepted_by_any(model, draft, sampling));
      CHECK(llama_memory_seq_pos_max(llama_get_memory(draft_context.get()), 0) == -1);
    }
    return accepted;
  };
  // The same noise draws the same tokens of the same rows.
  for (std::size_t const accepted : check(make_llama(2), small_context())) CHECK(accepted > 100);
  (void)check(make_llama(1), small_context());
  (void)check(copyspec_test::make_random_hybrid(), small_context());  // cannot be cut back
  llama_context_params small = small_context();
  small.n_batch = 7;
  for (std::size_t const accepted : check(make_llama(2), small)) CHECK(accepted > 100);
  small.n_ctx = 64;
  (void)check(make_llama(2), small);  // holds a part of what is said
}

TEST_CASE("a draft model with room for one sequence drafts for one, and the other says the same without") {
  auto const target = make_llama(2);
  llama_context_params parameters = small_context();
  parameters.n_seq_max = 2;
  parameters.kv_unified = true;
  auto const context = make_context(*target, parameters);
  auto const draft_context = make_context(*target, small_context());
  LlamaCpp model(*context);
  LlamaCpp draft(*draft_context);
  auto const say = [&](auto proposer) {
    Composer composer(model, std::move(proposer), copyspec::GreedyVerifier());
    for (int i = 0; i < 2; ++i) composer.begin(SequenceId{i}, Tokens{3, 1, 4 + i}, {.max_new_tokens = 40});
    composer.run();
    std::vector<Said> said;
    for (int i = 0; i < 2; ++i) {
      auto const& sequence = composer.sequence(SequenceId{i});
      said.push_back({{sequence.context().begin(), sequence.context().end()}, sequence.counters()});
    }
    return said;
  };
  auto const plain = say(NoProposer());
  ModelProposer const proposer(draft, NoProposer(), {.fixed_length = 5});
  auto const said = say(proposer);
  for (std::size_t i = 0; i < 2; ++i) CHECK(said[i].context == plain[i].context);
  CHECK(said[0].counters.by_source[Source::draft_model].accepted > 20);
  CHECK(said[1].counters.drafted == 0);
  CHECK(proposer.draft_model().failures() > 0);
}

TEST_CASE("a draft model with more tokens is refused") {
  auto const target = make_llama(2);
  auto const larger = copyspec_test::random_llama().count("vocab_size", 72).build();
  auto const context = make_context(*target, small_context());
  auto const draft_context = make_context(*larger, small_context());
  LlamaCpp model(*context);
  LlamaCpp draft(*draft_context);
  CHECK_THROWS_WITH_AS(Composer(model, ModelProposer(draft), copyspec::GreedyVerifier()),
                       "the draft model has a vocabulary of 72 tokens, and the model one of 64: they need the same",
                       copyspec::Error);
}

TEST_CASE("the demo's model, drafting for itself, is nearly always right") {
  auto const context = make_context(copyspec_test::demo_model(), small_context());
  auto const draft_context = make_context(copyspec_test::demo_model(), small_context());
  LlamaCpp model(*context);
  LlamaCpp draft(*draft_context);
  for (SamplingOptions const& sampling : samplings) {
    auto const say = [&](auto proposer) {
      Composer composer(model, std::move(proposer), SamplingVerifier(sampling));
      (void)composer.generate(copyspec_test::ask("Name three colours."), {.max_new_tokens = 24});
      auto const& sequence = composer.sequence(SequenceId{0});
      return Said{{sequence.context().begin(), sequence.context().end()}, sequence.counters()};
    };
    Said const plain = say(NoProposer());
    Said const said = say(ModelProposer(draft, NoProposer(), {.fixed_length = 5}));
    auto const guessed = said.counters.by_source[Source::draft_model];
    CHECK(guessed.accepted * 10 > guessed.drafted * 8);
    CHECK(said.counters.decode_passes * 3 < plain.counters.decode_passes);
    // 4-bit weights round more, and differently for each number of rows.
    if (said.context != plain.context) CHECK(margin(model, plain.context, said.context, sampling) < 0.1F);
  }
}
