// SPDX-License-Identifier: MIT
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/composer_fixture.hpp"
#include "support/hostile_proposer.hpp"
#include "support/plain_decoder.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"
#include "support/watched_model.hpp"

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::OutputDelta;
using copyspec::Segment;
using copyspec::SequenceCounters;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::testing::ToyModelOptions;
using copyspec_test::decode_plainly;
using copyspec_test::drafting_right;
using copyspec_test::HostileProposer;
using copyspec_test::id;
using copyspec_test::show_nothing;
using copyspec_test::some_prompt;
using copyspec_test::text;
using copyspec_test::Tokens;
using copyspec_test::Toy;
using copyspec_test::WatchedModel;

TEST_CASE("right drafts save the passes that they promise") {
  ToyModelOptions const options;
  WatchedModel model(options);
  auto composer = drafting_right(model, options);
  composer.generate(some_prompt, {.max_new_tokens = 40, .max_draft_length = 4});
  CHECK(model.passes == 8);
  CHECK(composer.sequence(id(0)).counters().accepted == 32);
  CHECK(composer.sequence(id(0)).counters().draft_passes == 8);
}

TEST_CASE("a model with checkpoints is fed a bounded amount again for each draft that fails") {
  for (std::size_t const interval : {2U, 4U, 16U}) {
    CAPTURE(interval);
    ToyModelOptions const options{.order = 4, .checkpoint_interval = interval};
    WatchedModel model(options);
    std::string wrong;
    Composer composer(model, HostileProposer(HostileProposer::right_then_wrong, options, wrong), GreedyVerifier());
    composer.generate(some_prompt, {.max_new_tokens = 200, .max_draft_length = 6});
    CHECK(text(composer.sequence(id(0)).generated()) == text(decode_plainly(options, some_prompt, 200).tokens));
    SequenceCounters const& counters = composer.sequence(id(0)).counters();
    std::size_t const again = counters.tokens_fed - (some_prompt.size() + 199 + counters.drafted - counters.accepted);
    CHECK(again > 0);
    CHECK(again <= counters.draft_passes * (interval - 1));
    CHECK(counters.tokens_fed == model.fed);
    CHECK(model.wrong == "");
    // A pass that feeds again what was lost still says one token.
    CHECK(counters.decode_passes == counters.generated - counters.accepted);
    CHECK(counters.draft_passes >= counters.decode_passes / 2);
  }
}

TEST_CASE("every running sequence gets a token in every pass that has one for each") {
  for (std::size_t const max_tokens : {5U, 6U, 9U, 40U}) {
    CAPTURE(max_tokens);
    ToyModelOptions const options{.vocabulary = 8, .order = 2, .max_tokens = max_tokens};
    WatchedModel model(options);
    auto composer = drafting_right(model, options);
    for (std::size_t i = 0; i < 5; ++i) composer.begin(id(i), Tokens(1 + 20 * i, 1), {.max_new_tokens = 50 - 9 * i});
    for (bool more = true; more;) {
      std::size_t wanted = 0;
      std::vector<SequenceId> running;
      for (std::size_t i = 0; i < 5; ++i) {
        if (!composer.sequence(id(i)).running()) continue;
        running.push_back(id(i));
        wanted += composer.sequence(id(i)).pending();
      }
      more = composer.step(show_nothing);
      std::vector<SequenceId> served;
      std::size_t fed = 0;
      for (auto const& share : model.newest) {
        served.push_back(share.sequence);
        fed += share.tokens.size();
      }
      std::ranges::sort(served);
      CHECK(served == running);
      // And no room is left while there is something to feed.
      CHECK(fed >= std::min(wanted, max_tokens));
    }
    CHECK(model.wrong == "");
  }
}

TEST_CASE("sequences that wait for one token go before the chunks of prompts") {
  ToyModelOptions const options{.max_tokens = 8};
  WatchedModel model(options);
  auto composer = drafting_right(model, options);
  composer.begin(id(0), Tokens(100, 1), {.max_new_tokens = 9});
  composer.begin(id(1), Tokens(1, 1), {.max_new_tokens = 30, .max_draft_length = 3});
  for (int pass = 0; pass < 5; ++pass) {
    composer.step(show_nothing);
    REQUIRE(model.newest.size() == 2);
    CHECK(model.newest[0].sequence == id(1));
    CHECK(model.newest[0].tokens.size() == 4);
    CHECK(model.newest[1].sequence == id(0));
    CHECK(model.newest[1].tokens.size() == 4);
  }
}

TEST_CASE("nobody starves in passes that do not have a token for each") {
  for (std::size_t const max_tokens : {1U, 2U, 3U, 4U}) {
    for (std::size_t const prompts : {0U, 1U, 3U, 5U}) {
      CAPTURE(max_tokens);
      CAPTURE(prompts);
      ToyModelOptions const options{.vocabulary = 8, .order = 2, .max_tokens = max_tokens};
      WatchedModel model(options);
      auto composer = drafting_right(model, options);
      // Some are fed long prompts while the others already speak.
      for (std::size_t i = 0; i < 5; ++i)
        composer.begin(id(i), Tokens(5 - i <= prompts ? 30 : 1, 1), {.max_new_tokens = 20 + i});
      std::map<SequenceId, std::size_t> served;
      std::size_t const turn = (5 + max_tokens - 1) / max_tokens;
      for (std::size_t pass = 1; pass < 10000; ++pass) {
        std::vector<SequenceId> running;
        for (std::size_t i = 0; i < 5; ++i)
          if (composer.sequence(id(i)).running()) running.push_back(id(i));
        if (running.empty()) break;
        composer.step(show_nothing);
        for (auto const& share : model.newest) served[share.sequence] = pass;
        for (SequenceId const sequence : running) REQUIRE(pass - served[sequence] < turn);
      }
      for (std::size_t i = 0; i < 5; ++i) CHECK(composer.sequence(id(i)).generated().size() == 20 + i);
    }
  }
}

namespace {

// A toy model that counts its own allocations.
class CountedModel {
 public:
  explicit CountedModel(ToyModelOptions const& options) : toy_(options) {}
  std::size_t own_allocations = 0;
  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }
  LogitsView<float> forward(std::span<Segment const> batch) {
    std::size_t const before = allocations();
    auto const rows = toy_.forward(batch);
    own_allocations += allocations() - before;
    return rows;
  }
  std::size_t truncate(SequenceId sequence, std::size_t length) {
    std::size_t const before = allocations();
    std::size_t const held = toy_.truncate(sequence, length);
    own_allocations += allocations() - before;
    return held;
  }

 private:
  Toy toy_;
};

}  // namespace

TEST_CASE("no pass allocates") {
  CountedModel model({.vocabulary = 8, .order = 2, .max_tokens = 16, .checkpoint_interval = 4});
  Composer composer(model, CopyProposer({.match_length = 2}), GreedyVerifier());
  GenerateOptions options{.max_new_tokens = 200};
  options.stop.sequences = {{1, 2, 3, 4, 5, 6, 7}, Tokens(30, 1)};
  for (int turn = 0; turn < 2; ++turn) {
    for (std::size_t i = 0; i < 4; ++i) composer.begin(id(i), Tokens(1 + 10 * i, static_cast<Token>(i)), options);
    std::size_t shown = 0;
    std::size_t const before = allocations() - model.own_allocations;
    composer.run([&](OutputDelta const& emission) { shown += emission.tokens.size(); });
    std::size_t const after = allocations() - model.own_allocations;
    CHECK(after == before);
    CHECK(shown > 0);
    CHECK(composer.sequence(id(3)).counters().accepted > 0);
  }
}
