// SPDX-License-Identifier: MIT
#include <copyspec/verify/sampling_verifier.hpp>

#include <doctest/doctest.h>

#include <copyspec/decode/composer.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <vector>

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::GenerateOptions;
using copyspec::NoProposer;
using copyspec::RowHooks;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::Token;
using copyspec::testing::ToyModel;

namespace {

using Tokens = std::vector<Token>;

constexpr std::size_t sides = 16;

// All tokens are equally likely.
RowHooks flat(std::size_t) {
  RowHooks hooks;
  hooks.edit = [](std::span<Token const>, std::span<float> row) { std::ranges::fill(row, 1.0F); };
  return hooks;
}

SequenceId id(std::size_t number) {
  return static_cast<SequenceId>(number);
}

// The tokens of an answer count up from its first one, modulo the vocabulary. Kept as a state, which is wrong as soon
// as two turns share it.
RowHooks counting_up(std::size_t answer) {
  struct State {
    std::size_t read;
    Token next = -1;
  };
  auto const state = std::make_shared<State>(State{.read = answer});
  auto const follow = [state, answer](std::span<Token const> before) {
    if (before.size() < state->read) *state = {.read = answer};
    for (; state->read < before.size(); ++state->read)
      state->next = static_cast<Token>((static_cast<std::size_t>(before[state->read]) + 1) % sides);
  };
  RowHooks hooks;
  hooks.allows = [state, follow](std::span<Token const> before, Token token) {
    follow(before);
    return state->next < 0 || token == state->next;
  };
  return hooks;
}

}  // namespace

TEST_CASE("requests that name no seed begin independently, and those that name one alike") {
  // Pearson's statistic, of 15 degrees of freedom: a greater one comes once in ten million times.
  constexpr double bound = 61;
  for (std::size_t const requests : {64U, 4096U})
    for (bool const named : {false, true}) {
      SamplingOptions options{.hooks = flat};
      if (named) options.seed = 11;
      ToyModel<float> model({.vocabulary = sides});
      Composer composer(model, NoProposer(), SamplingVerifier());
      std::array<double, sides> counts{};
      for (std::size_t first = 0; first < requests; first += 64) {
        for (std::size_t i = 0; i < 64; ++i)
          composer.begin(id(i), Tokens{static_cast<Token>(i % sides), 2}, {.max_new_tokens = 1, .sampling = options});
        composer.run();
        for (std::size_t i = 0; i < 64; ++i) {
          ++counts[static_cast<std::size_t>(composer.sequence(id(i)).generated()[0])];
          composer.remove(id(i));
        }
      }
      double const mean = static_cast<double>(requests) / sides;
      double statistic = 0;
      for (double const count : counts) statistic += (count - mean) * (count - mean) / mean;
      if (named)
        CHECK(*std::ranges::max_element(counts) == static_cast<double>(requests));
      else
        CHECK(statistic < bound);
    }
}

TEST_CASE("one options object with hooks that keep a state serves many sequences and turns") {
  SamplingOptions const options{.hooks = counting_up};
  ToyModel<float> model({.vocabulary = sides, .order = 1});
  Composer composer(model, CopyProposer({.match_length = 1}), SamplingVerifier(options));
  for (std::size_t turn = 0; turn < 3; ++turn) {
    for (std::size_t i = 0; i < 5; ++i)
      composer.begin(id(i), Tokens(1 + i, static_cast<Token>(i)), {.max_new_tokens = 20 + i, .sampling = options});
    composer.run();
    for (std::size_t i = 0; i < 5; ++i) {
      auto const answer = composer.sequence(id(i)).generated();
      REQUIRE(answer.size() == 20 + i);
      for (std::size_t j = 1; j < answer.size(); ++j)
        CHECK(answer[j] == static_cast<Token>((static_cast<std::size_t>(answer[j - 1]) + 1) % sides));
    }
  }
}

TEST_CASE("an answer has its least number of tokens, and one whose tokens are all excluded says so") {
  for (std::size_t const least : {0U, 1U, 7U, 30U}) {
    SamplingOptions const options{.temperature = 0, .logit_bias = {{3, 100.0F}}};
    ToyModel<float> model({.vocabulary = sides});
    Composer composer(model, CopyProposer({.match_length = 1}), SamplingVerifier(options));
    GenerateOptions turn{.max_new_tokens = 20, .stop = {.tokens = {3}}};
    turn.min_new_tokens = least;
    composer.begin(id(0), Tokens{1, 2}, turn);
    composer.run();
    CHECK(composer.sequence(id(0)).generated().size() == std::min<std::size_t>(least + 1, 20));
    CHECK(composer.sequence(id(0)).status() == (least < 20 ? SequenceStatus::stopped : SequenceStatus::length));
  }
  SamplingOptions nothing;
  for (std::size_t token = 0; token < sides; ++token)
    nothing.logit_bias.push_back({static_cast<Token>(token), -std::numeric_limits<float>::infinity()});
  ToyModel<float> model({.vocabulary = sides});
  Composer composer(model, NoProposer(), SamplingVerifier());
  composer.begin(id(0), Tokens{1, 2}, {.max_new_tokens = 5, .sampling = nothing});
  composer.run();
  CHECK(composer.sequence(id(0)).status() == SequenceStatus::all_excluded);
  CHECK(composer.sequence(id(0)).generated().empty());
}
