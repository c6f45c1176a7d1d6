// SPDX-License-Identifier: MIT
// A break at every pass of many runs: streams and their ends are those of the run without a break.
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence_status.hpp>
#include <copyspec/decode/text_stream.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_verifier.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/random.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"

using copyspec::Composer;
using copyspec::GenerateOptions;
using copyspec::MixingProposer;
using copyspec::OutputDelta;
using copyspec::PassCost;
using copyspec::RowHooks;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::TextStream;
using copyspec::Token;
using copyspec_test::any_tokens;
using copyspec_test::id;
using copyspec_test::Random;
using copyspec_test::Tokens;
using copyspec_test::Toy;
using copyspec_test::ToyModelOptions;

namespace {

enum class Break { none, pause, preempt, move, go_on };

struct Stream {
  Tokens tokens;
  std::string text;
  SequenceStatus status = SequenceStatus::idle;
  std::vector<std::size_t> generated;  // after each pass

  [[nodiscard]] bool same(Stream const& other) const {
    return tokens == other.tokens && text == other.text && status == other.status;
  }
};

// A grammar: which tokens may follow depends on all tokens of the answer.
copyspec::RowHooksFactory grammar(std::size_t modulus) {
  return [modulus](std::size_t answer) {
    auto const state = std::make_shared<std::pair<std::size_t, std::size_t>>(answer, 0);
    RowHooks hooks;
    hooks.edit = [=](std::span<Token const> before, std::span<float> row) {
      if (before.size() < state->first) *state = {answer, 0};
      for (; state->first < before.size(); ++state->first)
        state->second = (state->second * 3 + static_cast<std::size_t>(before[state->first])) % modulus;
      for (std::size_t token = state->second; token < row.size(); token += modulus)
        row[token] = -std::numeric_limits<float>::infinity();
    };
    return hooks;
  };
}

struct Request {
  Tokens prompt;
  GenerateOptions options;
  std::vector<std::string> stop_strings;
};

struct Case {
  ToyModelOptions model;
  std::vector<Request> requests;
  PassCost cost;
};

// Pieces that begin or end stops inside tokens.
std::string_view token_text(Token token) {
  static constexpr std::string_view pieces[] = {"a", "ba", "b", "ab", "", "\xC3", "\xA4", "aab", "c", "bc"};
  return pieces[static_cast<std::size_t>(token) % std::size(pieces)];
}

Case any_case(std::uint64_t seed) {
  Random random(seed);
  Case one;
  one.model = {.vocabulary = random.between(6, 20),
               .order = random.between(1, 3),
               .seed = seed,
               .max_tokens = random.any_of<std::size_t>({3, 8, 64}),
               .context_limit = 120,
               .checkpoint_interval = random.any_of<std::size_t>({1, 1, 4}),
               .max_branches = random.any_of<std::size_t>({0, 0, 6})};
  one.cost = PassCost::marginal(random.any_of({0.0, 0.05}));
  for (std::size_t i = 0; i < 2; ++i) {
    Request request{
        .prompt = any_tokens(random, one.model.vocabulary, random.between(1, 20)), .options = {}, .stop_strings = {}};
    request.options.max_new_tokens = random.between(20, 50);
    request.options.min_new_tokens = random.any_of<std::size_t>({0, 4});
    request.options.may_continue = true;
    if (random.one_in(2)) request.options.stop.sequences = {any_tokens(random, one.model.vocabulary, 2)};
    if (random.one_in(3)) request.options.stop.tokens = any_tokens(random, one.model.vocabulary, 1);
    if (random.one_in(2)) request.stop_strings = {random.one_in(2) ? "abcab" : "aabb", "cb"};
    SamplingOptions sampling{.temperature = random.any_of({0.0F, 1.0F}), .seed = seed};
    if (random.one_in(2)) sampling.hooks = grammar(random.between(3, 5));
    if (random.one_in(2))
      sampling.penalties = {
          .repetition = 1.3F,
          .frequency = 0.4F,
          .window = 20,
          .scope = random.any_of({copyspec::PenaltyScope::context, copyspec::PenaltyScope::generated})};
    request.options.sampling = sampling;
    one.requests.push_back(std::move(request));
  }
  return one;
}

// Runs both requests; the first one is broken off after `at` passes.
std::vector<Stream> run(Case const& one, Break kind, std::size_t at, std::size_t generated) {
  Toy model(one.model);
  Composer composer(model, MixingProposer({.pass_cost = one.cost}), SamplingVerifier());
  TextStream text(token_text);
  std::vector<Stream> streams(one.requests.size());
  std::size_t withheld = 0;
  for (std::size_t i = 0; i < one.requests.size(); ++i) {
    Request const& request = one.requests[i];
    GenerateOptions options = request.options;
    if (kind == Break::go_on && i == 0) {
      withheld = options.max_new_tokens - generated;
      options.max_new_tokens = generated;
    }
    text.begin(id(i), {.stop = request.stop_strings, .min_new_tokens = options.min_new_tokens});
    composer.begin(id(i), request.prompt, options);
  }
  SequenceId broken = id(0);
  std::size_t passes = 0;
  auto take = text.on_text([&](OutputDelta const& delta, std::string_view bytes) {
    Stream& stream = streams[delta.sequence == broken ? 0 : 1];
    stream.tokens.insert(stream.tokens.end(), delta.tokens.begin(), delta.tokens.end());
    stream.text += bytes;
    stream.status = delta.status;
  });
  for (bool more = true; more; ++passes) {
    if (passes == at && composer.sequence(broken).running()) {
      if (kind == Break::pause) composer.pause(broken);
      if (kind == Break::preempt) composer.preempt(broken);
      if (kind == Break::move) {
        composer.move(broken, id(7));
        text.move(broken, id(7));
        broken = id(7);
      }
    }
    if (passes == at + 2 && composer.paused(broken)) composer.resume(broken);
    more = composer.step(take, text);
    if (kind == Break::go_on && composer.sequence(broken).status() == SequenceStatus::length && withheld > 0) {
      composer.extend(broken, std::exchange(withheld, 0));
      more = true;
    }
    if (composer.paused(broken)) more = true;
    streams[0].generated.push_back(composer.sequence(broken).generated().size());
  }
  return streams;
}

}  // namespace

TEST_CASE("a turn that is paused, loses its cache, moves or goes on at any pass streams as if nothing had been") {
  std::size_t runs = 0;
  std::size_t stopped = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Case const one = any_case(seed);
    std::vector<Stream> const expected = run(one, Break::none, 0, 0);
    stopped += expected[0].status == SequenceStatus::stopped ? 1U : 0U;
    CAPTURE(seed);
    for (std::size_t pass = 0; pass < expected[0].generated.size(); ++pass) {
      CAPTURE(pass);
      for (Break const kind : {Break::pause, Break::preempt, Break::move, Break::go_on}) {
        CAPTURE(static_cast<int>(kind));
        std::vector<Stream> const streams = run(one, kind, pass, expected[0].generated[pass]);
        for (std::size_t i = 0; i < streams.size(); ++i) {
          CAPTURE(i);
          REQUIRE(streams[i].same(expected[i]));
        }
        ++runs;
      }
    }
  }
  CHECK(runs > 1000);
  CHECK(stopped > 10);
  CHECK(stopped < 35);
  MESSAGE("runs with a break: ", runs);
}
