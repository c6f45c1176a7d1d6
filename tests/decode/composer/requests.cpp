// SPDX-License-Identifier: MIT
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_verifier.hpp>

#include <cstddef>
#include <initializer_list>
#include <string>

#include "support/composer_fixture.hpp"
#include "support/plain_decoder.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"
#include "support/watched_model.hpp"

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::GreedyVerifier;
using copyspec::NoProposer;
using copyspec::OutputDelta;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::Segment;
using copyspec::SequenceStatus;
using copyspec::testing::ToyModelOptions;
using copyspec_test::copy;
using copyspec_test::decode_plainly;
using copyspec_test::drafting_right;
using copyspec_test::id;
using copyspec_test::show_nothing;
using copyspec_test::some_prompt;
using copyspec_test::text;
using copyspec_test::Tokens;
using copyspec_test::Toy;
using copyspec_test::WatchedModel;

TEST_CASE("a composer with nothing to do does nothing") {
  WatchedModel model({});
  Composer composer(model, NoProposer(), GreedyVerifier());
  int emissions = 0;
  auto const count = [&](OutputDelta const&) { ++emissions; };
  CHECK_FALSE(composer.step(count));
  composer.run(count);
  composer.remove(id(3));
  composer.begin(id(3), some_prompt, {.max_new_tokens = 4});
  composer.run(count);
  int const before = emissions;
  std::size_t const passes = model.passes;
  CHECK_FALSE(composer.step(count));
  CHECK(emissions == before);
  CHECK(model.passes == passes);
}

TEST_CASE("an id that was removed begins afresh") {
  ToyModelOptions const options{.order = 5};
  WatchedModel model(options);
  auto composer = drafting_right(model, options);
  composer.begin(id(1), Tokens{7, 7, 7, 7, 7, 7}, {.max_new_tokens = 9});
  composer.step(show_nothing);
  composer.remove(id(1));
  CHECK(model.held(id(1)).empty());
  composer.begin(id(1), some_prompt, {.max_new_tokens = 9});
  composer.run();
  CHECK(text(composer.sequence(id(1)).generated()) == text(decode_plainly(options, some_prompt, 9).tokens));
  CHECK(composer.sequence(id(1)).counters().generated == 9);
}

TEST_CASE("a composer releases in the model what it fed, and nothing else") {
  WatchedModel model({});
  Segment const foreign{.sequence = id(5), .tokens = some_prompt, .rows = 0};
  model.forward({&foreign, 1});
  {
    Composer composer(model, NoProposer(), GreedyVerifier());
    for (std::size_t i = 0; i < 3; ++i) composer.begin(id(i), some_prompt, {.max_new_tokens = i});
    composer.step(show_nothing);
    CHECK(model.held(id(1)).size() == some_prompt.size());
  }
  for (std::size_t i = 0; i < 3; ++i) CHECK(model.held(id(i)).empty());
  CHECK(model.held(id(5)).size() == some_prompt.size());
}

TEST_CASE("what a model holds under an id that is new to the composer is forgotten") {
  ToyModelOptions const options{.order = 5};
  WatchedModel model(options);
  Tokens const foreign{7, 7, 7};
  Segment const segment{.sequence = id(1), .tokens = foreign, .rows = 0};
  model.forward({&segment, 1});
  auto composer = drafting_right(model, options);
  composer.begin(id(1), Tokens{3, 1}, {.max_new_tokens = 9});
  composer.run();
  CHECK(text(composer.sequence(id(1)).generated()) == text(decode_plainly(options, {3, 1}, 9).tokens));
}

TEST_CASE("a pass without rows may return an empty view") {
  ToyModelOptions const options{.max_tokens = 3};
  WatchedModel model(options);
  Composer composer(model, NoProposer(), GreedyVerifier());
  CHECK(text(composer.generate(some_prompt, {.max_new_tokens = 5})) ==
        text(decode_plainly(options, some_prompt, 5).tokens));
}

TEST_CASE("logits may be of another type") {
  ToyModelOptions const options{.vocabulary = 16, .order = 2};
  copyspec::testing::ToyModel<double> model(options);
  Composer composer(model, CopyProposer(), GreedyVerifier());
  CHECK(text(composer.generate(some_prompt, {.max_new_tokens = 50})) ==
        text(decode_plainly(options, some_prompt, 50).tokens));
}

TEST_CASE("a request that cannot be served is refused in words and changes nothing") {
  ToyModelOptions const options{.vocabulary = 32, .context_limit = 40};
  WatchedModel model(options);
  auto composer = drafting_right(model, options);
  Tokens const first(20, 1);
  composer.begin(id(2), first, {.max_new_tokens = 10});
  composer.run();
  Tokens const context = copy(composer.sequence(id(2)).context());
  Tokens const held = copy(model.held(id(2)));

  auto const refusal = [&](std::size_t sequence, Tokens const& prompt) -> std::string {
    try {
      composer.begin(id(sequence), prompt);
    } catch (copyspec::Error const& error) {
      return error.what();
    }
    return "it was served";
  };
  auto const names = [](std::string const& message, std::initializer_list<char const*> parts) {
    CAPTURE(message);
    CHECK(message.find('\n') == std::string::npos);
    for (char const* const part : parts) CHECK_MESSAGE(message.find(part) != std::string::npos, part);
  };
  names(refusal(4, {}), {"prompt", "empty"});
  names(refusal(4, Tokens(40, 1)), {"prompt", "40", "context limit"});
  names(refusal(2, Tokens(10, 1)), {"prompt", "10", "40", "30"});
  names(refusal(2, {1, 2, 32, 4}), {"token 2", "32", "vocabulary"});
  names(refusal(4, {1, -5}), {"token 1", "-5", "vocabulary"});

  CHECK(text(composer.sequence(id(2)).context()) == text(context));
  CHECK(composer.sequence(id(2)).status() == SequenceStatus::length);
  CHECK(text(model.held(id(2))) == text(held));
  bool told = false;
  CHECK_FALSE(composer.step([&](OutputDelta const&) { told = true; }));
  CHECK_FALSE(told);
  // The longest that fits.
  CHECK(refusal(4, Tokens(39, 1)) == "it was served");
  CHECK(refusal(2, Tokens(9, 1)) == "it was served");
  composer.run();
  CHECK(composer.sequence(id(2)).status() == SequenceStatus::context_full);
  CHECK(composer.sequence(id(4)).generated().size() == 1);
  names(refusal(4, {}), {"prompt of 0", "40"});
}

TEST_CASE("sampling that cannot be served is refused in words and changes nothing") {
  ToyModelOptions const options{.vocabulary = 32};
  Toy model(options);
  auto const refusal = [&](auto& composer, SamplingOptions const& sampling) -> std::string {
    try {
      composer.begin(id(4), Tokens{1, 2}, {.sampling = sampling});
    } catch (copyspec::Error const& error) {
      CHECK_FALSE(composer.step([](OutputDelta const&) {}));
      CHECK(model.held(id(4)).empty());
      return error.what();
    }
    return "it was served";
  };
  Composer greedy(model, NoProposer(), GreedyVerifier());
  CHECK(refusal(greedy, {}) == "sampling was asked for, and the verifier does not sample: use a SamplingVerifier");
  Composer sampling(model, NoProposer(), SamplingVerifier());
  CHECK(refusal(sampling, {.temperature = -1}).find("temperature is -1") != std::string::npos);
  CHECK(refusal(sampling, {.logit_bias = {{32, 1.0F}}}).find("token 32") != std::string::npos);
  CHECK(refusal(sampling, {.logprobs = 33}).find("vocabulary of 32") != std::string::npos);
  CHECK_THROWS_AS(SamplingVerifier({.top_p = 2}), copyspec::Error);
  CHECK(refusal(sampling, {.logprobs = 32}) == "it was served");
}
