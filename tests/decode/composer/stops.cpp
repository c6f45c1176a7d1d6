// SPDX-License-Identifier: MIT
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/decode/stop.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "support/composer_fixture.hpp"
#include "support/hostile_proposer.hpp"
#include "support/plain_decoder.hpp"
#include "support/sampled_turn.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"
#include "support/watched_model.hpp"

using copyspec::Composer;
using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::OutputDelta;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::StopDecision;
using copyspec::Token;
using copyspec::testing::ToyModelOptions;
using copyspec_test::decode_plainly;
using copyspec_test::HostileProposer;
using copyspec_test::id;
using copyspec_test::show_nothing;
using copyspec_test::some_prompt;
using copyspec_test::text;
using copyspec_test::Tokens;
using copyspec_test::ToyLanguage;
using copyspec_test::WatchedModel;

namespace {

ToyModelOptions const toy{.vocabulary = 12, .order = 3, .seed = 4};

struct Outcome {
  Tokens generated, shown;
  SequenceStatus status = SequenceStatus::idle;
  std::size_t asked = 0;    // calls of the predicate
  std::size_t endings = 0;  // deltas that end a turn
  std::size_t counted = 0;  // tokens, by the counters
};

constexpr auto never = [](SequenceId, std::span<Token const>) { return StopDecision(); };

// `rest` is what the turn is extended by once it has ended with its budget.
template <class Verifier, class Stop>
Outcome outcome(Verifier const& verifier, GenerateOptions options, std::size_t longest, Stop const& stop,
                std::vector<std::size_t> rest = {}) {
  ToyLanguage language(toy);
  if (options.sampling) language.sampling = options.sampling;
  WatchedModel model(toy);
  std::string wrong;
  Composer composer(model, HostileProposer(HostileProposer::right_then_wrong, language, wrong), verifier);
  options.max_draft_length = longest;
  composer.begin(id(0), some_prompt, options);
  Outcome outcome;
  auto const show = [&](OutputDelta const& delta) {
    outcome.shown.insert(outcome.shown.end(), delta.tokens.begin(), delta.tokens.end());
    outcome.endings += delta.status == SequenceStatus::running ? 0 : 1;
    CHECK(delta.may_continue == options.may_continue);
  };
  auto const count = [&](SequenceId key, std::span<Token const> generated) {
    ++outcome.asked;
    return stop(key, generated);
  };
  composer.run(show, count);
  for (std::size_t const more : rest) {
    if (composer.sequence(id(0)).status() != SequenceStatus::length) break;
    composer.extend(id(0), more);
    composer.run(show, count);
  }
  outcome.generated = copyspec_test::copy(composer.sequence(id(0)).generated());
  outcome.status = composer.sequence(id(0)).status();
  outcome.counted = composer.sequence(id(0)).counters().generated;
  CHECK(model.wrong == "");
  return outcome;
}

bool same(Outcome const& a, Outcome const& b) {
  return a.generated == b.generated && a.shown == b.shown && a.status == b.status && a.asked == b.asked &&
         a.counted == b.counted;
}

}  // namespace

TEST_CASE("what is shown depends on no draft, however many tokens a predicate asks to hold at once") {
  Tokens const said = decode_plainly(toy, some_prompt, 40).tokens;
  for (std::size_t at = 10; at < 38; at += 3) {
    for (std::size_t held = 1; held < 6; ++held) {
      auto const stop = [&](SequenceId, std::span<Token const> generated) -> StopDecision {
        bool const ends = generated.size() > 9 && generated.back() == said[at];
        return {.stop = ends, .held = ends ? held : generated.size() % 3};
      };
      Outcome const plain = outcome(GreedyVerifier(), {.max_new_tokens = 40}, 0, stop);
      CHECK(plain.shown.size() < plain.generated.size());
      for (std::size_t const longest : {1U, 2U, 5U, 100U})
        CHECK(same(plain, outcome(GreedyVerifier(), {.max_new_tokens = 40}, longest, stop)));
    }
  }
}

TEST_CASE("a stop within the budget is a stop, one after it is not, and all counts agree") {
  Tokens const said = decode_plainly(toy, some_prompt, 14).tokens;
  auto const met = [&](Tokens const& stop) {
    auto const found = std::search(said.begin(), said.end(), stop.begin(), stop.end());
    return static_cast<std::size_t>(found - said.begin()) + stop.size();
  };
  for (std::size_t at = 1; at < 12; ++at) {
    for (std::size_t budget = 1; budget <= 14; ++budget) {
      for (bool const pair : {false, true}) {
        for (std::size_t const longest : {0U, 3U, 100U}) {
          CAPTURE(at);
          CAPTURE(budget);
          CAPTURE(longest);
          GenerateOptions options{.max_new_tokens = budget};
          Tokens const stop = pair ? Tokens{said[at - 1], said[at]} : Tokens{said[at]};
          if (pair)
            options.stop.sequences = {stop};
          else
            options.stop.tokens = stop;
          Outcome const got = outcome(GreedyVerifier(), options, longest, never);
          bool const stops = met(stop) <= budget;
          std::size_t const size = stops ? met(stop) : budget;
          CHECK(got.generated.size() == size);
          CHECK(got.asked == size);
          CHECK(got.counted == size);
          CHECK(got.endings == 1);
          CHECK(got.shown.size() == size - (stops ? stop.size() : 0));
          CHECK(got.status == (stops ? SequenceStatus::stopped : SequenceStatus::length));
        }
      }
    }
  }
}

TEST_CASE("a turn that is extended says and shows what one with the greater budget does") {
  Tokens const said = decode_plainly(toy, some_prompt, 30).tokens;
  for (std::size_t at = 3; at < 28; at += 2) {
    for (std::size_t const longest : {0U, 4U, 100U}) {
      CAPTURE(at);
      CAPTURE(longest);
      GenerateOptions options{.max_new_tokens = 30, .may_continue = true};
      options.stop.sequences = {{said[at - 2], said[at - 1], said[at]}};
      Outcome const whole = outcome(GreedyVerifier(), options, longest, never);
      for (std::size_t begin = 1; begin < 10; ++begin) {
        options.max_new_tokens = begin;
        Outcome const parts = outcome(GreedyVerifier(), options, longest, never, {1, 2, 3, 24 - begin});
        CHECK(same(whole, parts));
      }
    }
  }
}

TEST_CASE("without may_continue all is shown when the budget ends, and what was shown is not shown again") {
  Tokens const said = decode_plainly(toy, some_prompt, 12).tokens;
  GenerateOptions options{.max_new_tokens = 5};
  options.stop.sequences = {{said[4], said[5], said[6]}};
  Outcome const got = outcome(GreedyVerifier(), options, 2, never, {6});
  CHECK(got.status == SequenceStatus::stopped);
  CHECK(text(got.generated) == text(Tokens(said.begin(), said.begin() + 7)));
  CHECK(text(got.shown) == text(Tokens(said.begin(), said.begin() + 5)));
}

TEST_CASE("until there are enough tokens a stop token is not drawn, at any temperature, with drafts and without") {
  for (float const temperature : {0.0F, 1.0F}) {
    for (std::size_t const least : {0U, 1U, 2U, 5U, 9U, 17U, 60U}) {
      CAPTURE(temperature);
      CAPTURE(least);
      Token const stop = 3;
      ToyLanguage language(toy);
      language.sampling = SamplingOptions{.temperature = temperature, .seed = 11};
      language.sampling->hooks = copyspec_test::each_turn({.edit = [&](std::span<Token const> before, auto row) {
        if (before.size() < some_prompt.size() + least)
          row[static_cast<std::size_t>(stop)] = -std::numeric_limits<float>::infinity();
      }});
      auto const expected = decode_plainly(language, some_prompt, 50, {.tokens = {stop}});
      GenerateOptions options{.max_new_tokens = 50, .min_new_tokens = least, .stop = {.tokens = {stop}}};
      options.sampling = SamplingOptions{.temperature = temperature, .seed = 11};
      for (std::size_t const longest : {0U, 3U, 100U}) {
        Outcome const got = outcome(SamplingVerifier(), options, longest, never);
        CHECK(text(got.generated) == text(expected.tokens));
        CHECK(got.shown.size() == expected.shown);
        CHECK(got.status == expected.status);
        CHECK(got.generated.size() > std::min<std::size_t>(least, 49));
      }
      options.min_new_tokens = std::numeric_limits<std::size_t>::max();
      Outcome const ignoring = outcome(SamplingVerifier(), options, 3, never);
      CHECK(ignoring.generated.size() == 50);
      CHECK(std::ranges::find(ignoring.generated, stop) == ignoring.generated.end());
    }
  }
}

TEST_CASE("until there are enough tokens no stop sequence and no predicate ends a turn") {
  Tokens const said = decode_plainly(toy, some_prompt, 40).tokens;
  for (std::size_t least = 0; least < 20; ++least) {
    for (std::size_t const longest : {0U, 3U, 100U}) {
      CAPTURE(least);
      CAPTURE(longest);
      GenerateOptions options{.max_new_tokens = 40, .min_new_tokens = least};
      auto const third = [](SequenceId, std::span<Token const> generated) {
        return StopDecision{.stop = generated.size() % 3 == 0, .held = 1};
      };
      Outcome const by_predicate = outcome(GreedyVerifier(), options, longest, third);
      CHECK(by_predicate.generated.size() == (least / 3 + 1) * 3);
      CHECK(by_predicate.shown.size() == (least / 3 + 1) * 3 - 1);
      options.stop.sequences = {{said[18], said[19]}, {said[1]}};
      std::size_t end = least + 1;
      while (said[end - 1] != said[1] && (end < 2 || said[end - 2] != said[18] || said[end - 1] != said[19])) ++end;
      Outcome const by_rule = outcome(GreedyVerifier(), options, longest, never);
      CHECK(by_rule.status == SequenceStatus::stopped);
      CHECK(by_rule.generated.size() == end);
    }
  }
}

TEST_CASE("a row that the request itself has emptied is told apart from one that the model did not fill") {
  SamplingOptions sampling{.temperature = 0};
  sampling.hooks = copyspec_test::each_turn({.edit = [](std::span<Token const> before, std::span<float> row) {
    if (before.size() < some_prompt.size() + 6) return;
    for (std::size_t i = 1; i < row.size(); ++i) row[i] = -std::numeric_limits<float>::infinity();
  }});
  for (std::size_t const longest : {0U, 3U, 100U}) {
    // Token 0 is all that is left, and is excluded as a stop.
    Outcome const got = outcome(
        SamplingVerifier(), {.max_new_tokens = 50, .min_new_tokens = 20, .stop = {.tokens = {0}}, .sampling = sampling},
        longest, never);
    CHECK(got.status == SequenceStatus::all_excluded);
    CHECK(got.generated.size() == 6);
    CHECK(got.shown.size() == 6);
    CHECK(got.endings == 1);
  }
}
