// SPDX-License-Identifier: MIT
#include <copyspec/verify/sampling_verifier.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/sampled_turn.hpp"

using copyspec::Error;
using copyspec::LogitsView;
using copyspec::PenaltyOptions;
using copyspec::PenaltyScope;
using copyspec::RowHooks;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;
using copyspec_test::each_turn;

namespace {

using Tokens = std::vector<Token>;

constexpr std::size_t vocabulary = 6;
constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

Verdict verdict_of(SamplingVerifier& verifier, std::vector<float> const& row, Tokens const& before) {
  return verifier.verify(LogitsView<float>(row.data(), 1, row.size()), before, before.size());
}

// A state that a caller might keep: how long the answer is. It is wrong as soon as two turns share it.
struct Counter {
  std::size_t answer = 0;
  std::size_t read = 0;
  std::size_t wrong = 0;

  bool allows(std::span<Token const> before) {
    if (before.size() < answer || before.size() - answer > read + 1) ++wrong;
    read = before.size() - std::min(answer, before.size());
    return true;
  }
};

// Makes hooks with such a state, and lists the states.
struct Counters {
  std::shared_ptr<std::vector<std::shared_ptr<Counter>>> made =
      std::make_shared<std::vector<std::shared_ptr<Counter>>>();

  RowHooks operator()(std::size_t answer) const {
    auto const counter = made->emplace_back(std::make_shared<Counter>(Counter{.answer = answer}));
    RowHooks hooks;
    hooks.allows = [counter](std::span<Token const> before, Token) { return counter->allows(before); };
    return hooks;
  }
};

}  // namespace

TEST_CASE("each turn and each fork has hooks of its own, which know where the answer begins") {
  Counters const counters;
  std::vector<float> const row(vocabulary, 1);
  SamplingVerifier const made({.seed = 1, .hooks = counters});
  CHECK(counters.made->empty());
  // Two sequences in turn, then another turn of the first, then a fork of it.
  SamplingVerifier one = made;
  SamplingVerifier other = made;
  one.begin_turn({.vocabulary = vocabulary, .answer = 4});
  other.begin_turn({.vocabulary = vocabulary, .answer = 1});
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(verdict_of(one, row, Tokens(4 + i, 1)).status == VerdictStatus::ok);
    CHECK(verdict_of(other, row, Tokens(1 + i, 1)).status == VerdictStatus::ok);
  }
  one.begin_turn({.vocabulary = vocabulary, .answer = 20});
  CHECK(verdict_of(one, row, Tokens(20, 1)).status == VerdictStatus::ok);
  SamplingVerifier fork = one;
  fork.on_fork(std::nullopt);
  CHECK(verdict_of(one, row, Tokens(21, 1)).status == VerdictStatus::ok);
  CHECK(verdict_of(one, row, Tokens(22, 1)).status == VerdictStatus::ok);
  CHECK(verdict_of(fork, row, Tokens(21, 1)).status == VerdictStatus::ok);
  REQUIRE(counters.made->size() == 4);
  std::vector<std::size_t> answers, read;
  for (auto const& counter : *counters.made) {
    answers.push_back(counter->answer);
    read.push_back(counter->read);
    CHECK(counter->wrong == 0);
  }
  CHECK(answers == std::vector<std::size_t>{4, 1, 20, 20});
  CHECK(read == std::vector<std::size_t>{4, 4, 2, 1});
}

TEST_CASE("if hooks cannot be made, the turn is not begun, and the one before goes on") {
  SamplingOptions const usual{.temperature = 0, .logit_bias = {{2, 5.0F}}, .logprobs = 0};
  std::vector<float> const row(vocabulary, 1);
  SamplingVerifier verifier(usual);
  verifier.begin_turn({.vocabulary = vocabulary, .answer = 1});
  CHECK(verdict_of(verifier, row, {1}).next == 2);
  SamplingOptions throwing{.temperature = 0, .logprobs = 3, .hooks = [](std::size_t) -> RowHooks { throw 7; }};
  CHECK_THROWS_AS(verifier.begin_turn({.options = &throwing, .vocabulary = vocabulary}), int);
  SamplingOptions masking{.hooks = each_turn({.mask = [](std::span<Token const>, std::span<float>) {}})};
  CHECK_THROWS_WITH_AS(verifier.begin_turn({.options = &masking, .vocabulary = vocabulary}),
                       "sampling: a mask without `allows` is never called: use `edit`", Error);
  CHECK(verifier.options().logprobs == 0);
  CHECK(verifier.logprobs().size() == 1);
  CHECK(verdict_of(verifier, row, {1, 2}).next == 2);
  CHECK(verifier.logprobs().size() == 2);
  // Nor is a fork made.
  bool throws = false;
  SamplingOptions const once{.seed = 4, .hooks = [&](std::size_t) { return throws ? throw 7 : RowHooks(); }};
  verifier.begin_turn({.options = &once, .vocabulary = vocabulary, .answer = 1});
  throws = true;
  CHECK_THROWS_AS(verifier.on_fork(9), int);
  CHECK(verifier.options().seed == 4);
}

TEST_CASE("a fork keeps the log-probabilities and the penalties of the turn so far") {
  SamplingOptions const options{
      .temperature = 0, .penalties = {.presence = 3, .window = PenaltyOptions::all_tokens}, .logprobs = 1};
  std::vector<float> const row{5, 4, 3, 2, 1, 0};
  SamplingVerifier verifier(options);
  verifier.begin_turn({.vocabulary = vocabulary, .answer = 1});
  CHECK(verdict_of(verifier, row, {0}).next == 1);
  CHECK(verdict_of(verifier, row, {0, 1}).next == 2);
  SamplingVerifier fork = verifier;
  fork.on_fork(5);
  CHECK(fork.logprobs().size() == 2);
  CHECK(fork.logprobs()[1][0].token == 2);
  CHECK(verdict_of(fork, row, {0, 1, 2}).next == verdict_of(verifier, row, {0, 1, 2}).next);
  CHECK(fork.logprobs().size() == 3);
}

TEST_CASE("penalties of generated tokens leave the prompt alone, with drafts and after tokens were rejected") {
  std::mt19937_64 random(4);
  std::normal_distribution<float> normal;
  std::size_t differ = 0;
  for (int trial = 0; trial < 300; ++trial) {
    PenaltyOptions penalties{.repetition = 1.2F, .frequency = 0.4F, .presence = 0.3F};
    penalties.window = std::vector<std::size_t>{1, 3, 8, PenaltyOptions::all_tokens}[random() % 4];
    std::size_t const answer = 1 + random() % 6;
    Tokens tokens;
    for (std::size_t i = 0; i < answer; ++i) tokens.push_back(static_cast<Token>(random() % vocabulary));
    penalties.scope = PenaltyScope::generated;
    SamplingOptions const generated{.temperature = 0, .penalties = penalties};
    penalties.scope = PenaltyScope::context;
    SamplingOptions const context{.temperature = 0, .penalties = penalties};
    SamplingVerifier verifier(generated);
    verifier.begin_turn({.vocabulary = vocabulary, .answer = answer});
    while (tokens.size() < answer + 12) {
      // Rows of a draft of three tokens that is often wrong.
      std::vector<float> rows(4 * vocabulary);
      for (float& logit : rows) logit = normal(random);
      std::size_t const length = tokens.size();
      Tokens all = tokens;
      for (int i = 0; i < 3; ++i) all.push_back(static_cast<Token>(random() % vocabulary));
      Verdict const verdict = verifier.verify(LogitsView<float>(rows.data(), 4, vocabulary), all, length);
      // The answer alone, judged as a context.
      for (std::size_t i = 0; i <= verdict.accepted; ++i) {
        std::vector<float> const row(rows.begin() + static_cast<std::ptrdiff_t>(i * vocabulary),
                                     rows.begin() + static_cast<std::ptrdiff_t>((i + 1) * vocabulary));
        SamplingVerifier reference(context);
        reference.begin_turn({.vocabulary = vocabulary});
        Token const expected =
            verdict_of(reference, row, Tokens(tokens.begin() + static_cast<std::ptrdiff_t>(answer), tokens.end())).next;
        differ += verdict_of(reference, row, tokens).next != expected ? 1U : 0U;
        Token const token = i < verdict.accepted ? all[length + i] : verdict.next;
        REQUIRE(token == expected);
        tokens.push_back(token);
      }
    }
  }
  CHECK(differ > 300);
}

TEST_CASE("suppressed stops are excluded after the hooks, and log-probabilities are those of the model's row") {
  std::vector<float> const row{0, 1, 2, 3, 0, 0};
  Tokens const stops{3};
  RowHooks hooks;
  hooks.edit = [](std::span<Token const>, std::span<float> all) { all[3] = 100; };
  SamplingOptions const options{.temperature = 0, .logprobs = 1, .hooks = each_turn(hooks)};
  SamplingVerifier verifier(options);
  verifier.begin_turn({.vocabulary = vocabulary, .answer = 1, .stop_tokens = stops, .min_new_tokens = 1});
  CHECK(verdict_of(verifier, row, {0}).next == 2);
  double const log_mass = std::log(3 + std::exp(1.0) + std::exp(2.0) + std::exp(3.0));
  CHECK(verifier.logprobs()[0][0].logprob == doctest::Approx(2 - log_mass));
  CHECK(verifier.logprobs()[0][1].token == 3);
  CHECK(verdict_of(verifier, row, {0, 2}).next == 3);
}

TEST_CASE("a row that only a hook made valid has no log-probabilities, so it is invalid where they are asked for") {
  RowHooks hooks;
  hooks.edit = [](std::span<Token const>, std::span<float> row) { std::ranges::fill(row, 1.0F); };
  for (bool const logprobs : {false, true}) {
    SamplingOptions options{.temperature = 0, .hooks = each_turn(hooks)};
    if (logprobs) options.logprobs = 2;
    SamplingVerifier verifier(options);
    verifier.begin_turn({.vocabulary = vocabulary, .answer = 1});
    for (float const logit : {minus_infinity, std::numeric_limits<float>::quiet_NaN()})
      CHECK(verdict_of(verifier, std::vector<float>(vocabulary, logit), {0}).status ==
            (logprobs ? VerdictStatus::invalid_row : VerdictStatus::ok));
  }
}

TEST_CASE("a turn reserves memory for the answer that comes, not for the one that is allowed") {
  constexpr std::size_t large = 50000;
  SamplingOptions const options{.temperature = 0, .logprobs = large};
  SamplingVerifier verifier(options);
  // All of it would be petabytes.
  verifier.begin_turn({.vocabulary = large, .budget = std::numeric_limits<std::size_t>::max() / 2, .answer = 1});
  std::vector<float> row(large);
  for (std::size_t i = 0; i < large; ++i) row[i] = static_cast<float>(i % 97);
  for (Tokens context{1}; context.size() < 4; context.push_back(0)) {
    CHECK(verdict_of(verifier, row, context).status == VerdictStatus::ok);
    REQUIRE(verifier.logprobs().size() == context.size());
    CHECK(verifier.logprobs()[context.size() - 1].size() == large + 1);
  }
}
