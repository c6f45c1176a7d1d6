// SPDX-License-Identifier: MIT
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_verifier.hpp>

#include <cstddef>
#include <limits>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/composer_fixture.hpp"
#include "support/plain_decoder.hpp"
#include "support/sampled_turn.hpp"
#include "support/thrown.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"
#include "support/watched_model.hpp"

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::MixingProposer;
using copyspec::NoProposer;
using copyspec::OutputDelta;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::SequenceStatus;
using copyspec::Token;
using copyspec::testing::ToyModelOptions;
using copyspec_test::decode_plainly;
using copyspec_test::id;
using copyspec_test::some_prompt;
using copyspec_test::text;
using copyspec_test::Tokens;
using copyspec_test::Toy;
using copyspec_test::ToyLanguage;
using copyspec_test::WatchedModel;

namespace {

ToyModelOptions const toy{.vocabulary = 24, .order = 2, .context_limit = 600};

Tokens after(Tokens context, Tokens const& more) {
  context.insert(context.end(), more.begin(), more.end());
  return context;
}

// Whatever allocation of `begin` fails, of a new sequence or of one that goes on: the other one says what it says
// alone, the failed one says nothing, and the same request can be made again.
template <class Proposer, class Verifier>
void check_begin_without_memory(Proposer const& proposer, Verifier const& verifier, GenerateOptions const& options,
                                bool fresh) {
  ToyLanguage language(toy);
  language.sampling = options.sampling;
  Tokens const first = decode_plainly(language, some_prompt, 40).tokens;
  Tokens const context = fresh ? some_prompt : after(after(some_prompt, first), some_prompt);
  Tokens const second = decode_plainly(language, context, 40).tokens;
  std::size_t failures = 0;
  for (bool met = true; met; ++failures) {
    REQUIRE(failures < 500);
    CAPTURE(failures);
    WatchedModel model(toy);
    Composer composer(model, proposer, verifier);
    composer.begin(id(0), some_prompt, options);
    if (!fresh) {
      composer.begin(id(1), some_prompt, options);
      composer.run();
      composer.truncate(id(0), 0);
      composer.begin(id(0), some_prompt, options);
    }
    composer.step([](OutputDelta const&) {});
    GenerateOptions copied = options;
    bool thrown = false;
    {
      FailingAllocation const failing(failures);
      try {
        composer.begin(id(1), some_prompt, std::move(copied));
      } catch (std::bad_alloc const&) {
        thrown = true;
      }
      met = failing.met();
    }
    CHECK(thrown == met);
    std::size_t unasked = 0;
    composer.run([&](OutputDelta const& delta) { unasked += thrown && delta.sequence == id(1) ? 1U : 0U; });
    CHECK(unasked == 0);
    CHECK(text(composer.sequence(id(0)).generated()) == text(first));
    if (thrown) {
      if (!fresh) CHECK(text(composer.sequence(id(1)).context()) == text(after(some_prompt, first)));
      composer.begin(id(1), some_prompt, options);
      composer.run();
    }
    CHECK(text(composer.sequence(id(1)).generated()) == text(second));
    CHECK(model.wrong == "");
  }
  CHECK(failures > 1);
}

}  // namespace

TEST_CASE("a begin that runs out of memory changes nothing, wherever it does") {
  GenerateOptions const greedy{.max_new_tokens = 40, .references = {Tokens(30, 1), Tokens{2, 3, 4}}};
  GenerateOptions sampled = greedy;
  sampled.sampling = SamplingOptions{.seed = 5, .penalties = {.repetition = 1.3F}, .logprobs = 3};
  sampled.sampling->hooks = copyspec_test::each_turn(
      {.edit = [](std::span<Token const>, std::span<float> row) { row[0] = -std::numeric_limits<float>::infinity(); }});
  for (bool const fresh : {true, false}) {
    CAPTURE(fresh);
    check_begin_without_memory(NoProposer(), GreedyVerifier(), greedy, fresh);
    check_begin_without_memory(CopyProposer({.match_length = 1}), GreedyVerifier(), greedy, fresh);
    check_begin_without_memory(NoProposer(), SamplingVerifier(), sampled, fresh);
    check_begin_without_memory(CopyProposer({.match_length = 1}), SamplingVerifier(), sampled, fresh);
  }
}

TEST_CASE("a begin with a proposer that learns runs out of memory and changes nothing") {
  GenerateOptions const options{.max_new_tokens = 40, .references = {Tokens(30, 1)}};
  for (bool const fresh : {true, false}) check_begin_without_memory(MixingProposer(), GreedyVerifier(), options, fresh);
}

namespace {

// Throws where it is told to, as often as it is told.
struct Refusing : NoProposer {
  enum Where { nowhere, reserve_room, take_sampling, take_references, turn_begin };
  Where* where = nullptr;
  std::vector<std::size_t>* cut = nullptr;

  void truncate(std::size_t length) const { cut->push_back(length); }
  void refuse(Where here) const {
    if (*where != here) return;
    *where = nowhere;
    throw copyspec_test::Refused{};
  }
  void reserve(std::size_t) const { refuse(reserve_room); }
  void set_sampling(SamplingOptions const&, bool) const { refuse(take_sampling); }
  void set_references(std::span<Tokens const> texts) const {
    if (!texts.empty()) refuse(take_references);
  }
  void on_turn_begin(std::span<Token const>, std::size_t) const { refuse(turn_begin); }
};

}  // namespace

TEST_CASE("whatever refuses to begin, the same request is served when it is made again") {
  ToyModelOptions const options{.vocabulary = 64, .order = 8};
  Tokens const prompt{1, 2, 3, 4};
  Tokens const first = decode_plainly(options, prompt, 8).tokens;
  Tokens const context = after(after(prompt, first), Tokens{9, 9});
  Tokens const second = decode_plainly(options, context, 8).tokens;
  for (auto const where :
       {Refusing::reserve_room, Refusing::take_sampling, Refusing::take_references, Refusing::turn_begin}) {
    CAPTURE(static_cast<int>(where));
    WatchedModel model(options);
    auto at = where;
    std::vector<std::size_t> cut;
    Composer composer(model, Refusing{{}, &at, &cut}, SamplingVerifier({.temperature = 0}));
    GenerateOptions const turn{.max_new_tokens = 8, .references = {Tokens{1, 2}}};
    CHECK_THROWS_AS(composer.begin(id(0), prompt, turn), copyspec_test::Refused);
    CHECK_FALSE(composer.step([](OutputDelta const&) { FAIL("nothing was begun"); }));
    composer.begin(id(0), prompt, turn);
    composer.run();
    CHECK(text(composer.sequence(id(0)).generated()) == text(first));

    at = where;
    cut.clear();
    CHECK_THROWS_AS(composer.begin(id(0), Tokens{9, 9}, turn), copyspec_test::Refused);
    CHECK(composer.sequence(id(0)).status() == SequenceStatus::length);
    CHECK(text(composer.sequence(id(0)).context()) == text(after(prompt, first)));
    // The proposer may have read what is not there.
    CHECK(cut == std::vector<std::size_t>{12});
    CHECK_FALSE(composer.step([](OutputDelta const&) { FAIL("nothing was begun"); }));
    composer.begin(id(0), Tokens{9, 9}, turn);
    composer.run();
    CHECK(text(composer.sequence(id(0)).generated()) == text(second));
    CHECK(model.wrong == "");
  }
}

TEST_CASE("memory follows what is generated, and not what a request allows") {
  Toy model({.vocabulary = 5000, .max_tokens = 512, .context_limit = std::size_t{1} << 24U});
  Composer composer(model, CopyProposer(), SamplingVerifier());
  Tokens const prompt{1, 2, 3};
  // 2^24 tokens, each with a thousand log-probabilities of 8 bytes.
  composer.begin(id(0), prompt, {.sampling = SamplingOptions{.seed = 1, .logprobs = 1000}});
  CHECK(composer.sequence(id(0)).running());
  CHECK(composer.sequence(id(0)).room() < 5000);
  std::size_t records = 0;
  for (int i = 0; i < 3; ++i)
    composer.step([&](OutputDelta const& delta) {
      for (std::size_t token = 0; token < delta.logprobs.size(); ++token) records += delta.logprobs[token].size();
    });
  CHECK(records >= 3 * 1001);
}

TEST_CASE("a turn goes on beyond the room that was made for it when it began") {
  ToyModelOptions const options{.vocabulary = 3, .order = 6, .context_limit = 6000};
  WatchedModel model(options);
  Composer composer(model, CopyProposer({.match_length = 3}), GreedyVerifier());
  composer.begin(id(0), Tokens{2, 1, 2}, {});
  CHECK(composer.sequence(id(0)).room() < 2000);
  composer.remove(id(0));
  composer.begin(id(0), Tokens{0, 1, 2}, {.max_new_tokens = 5000});
  Tokens shown;
  composer.run([&](OutputDelta const& delta) { shown.insert(shown.end(), delta.tokens.begin(), delta.tokens.end()); });
  CHECK(shown == decode_plainly(options, {0, 1, 2}, 5000).tokens);
  CHECK(composer.sequence(id(0)).room() < 6000);
  CHECK(composer.sequence(id(0)).counters().accepted > 100);
}

TEST_CASE("options of the verifier's own are held against the model when a turn begins") {
  Toy model({.vocabulary = 50});
  for (SamplingOptions const& options :
       {SamplingOptions{.logprobs = 100}, SamplingOptions{.logit_bias = {{50, 1.0F}}}}) {
    Composer composer(model, NoProposer(), SamplingVerifier(options));
    CHECK_THROWS_AS(composer.begin(id(0), some_prompt, {.max_new_tokens = 4}), copyspec::Error);
    CHECK_FALSE(composer.step([](OutputDelta const&) { FAIL("nothing was begun"); }));
    composer.begin(id(0), some_prompt, {.max_new_tokens = 4, .sampling = SamplingOptions{}});
    composer.run();
    CHECK(composer.sequence(id(0)).generated().size() == 4);
  }
}
