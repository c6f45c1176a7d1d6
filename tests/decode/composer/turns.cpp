// SPDX-License-Identifier: MIT
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/decode/stop.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/composer_fixture.hpp"
#include "support/hostile_proposer.hpp"
#include "support/plain_decoder.hpp"
#include "support/poisoned_model.hpp"
#include "support/random.hpp"
#include "support/thrown.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"
#include "support/watched_model.hpp"

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::Draft;
using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::OutputDelta;
using copyspec::Sequence;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::StopDecision;
using copyspec::Token;
using copyspec::testing::ToyModelOptions;
using copyspec_test::always_right;
using copyspec_test::any_tokens;
using copyspec_test::copy;
using copyspec_test::decode_plainly;
using copyspec_test::drafting_right;
using copyspec_test::HostileProposer;
using copyspec_test::id;
using copyspec_test::Interrupted;
using copyspec_test::PoisonedModel;
using copyspec_test::Random;
using copyspec_test::show_nothing;
using copyspec_test::some_prompt;
using copyspec_test::text;
using copyspec_test::Tokens;
using copyspec_test::Toy;
using copyspec_test::WatchedModel;

TEST_CASE("a second turn goes on from prompt, answer and prompt of the first") {
  ToyModelOptions const options;
  Toy model(options);
  Composer composer(model, CopyProposer(), GreedyVerifier());
  Tokens context;
  for (int turn = 0; turn < 5; ++turn) {
    context.insert(context.end(), some_prompt.begin(), some_prompt.end());
    Tokens const expected = decode_plainly(options, context, 30).tokens;
    CHECK(text(composer.generate(some_prompt, {.max_new_tokens = 30})) == text(expected));
    context.insert(context.end(), expected.begin(), expected.end());
    CHECK(text(composer.sequence(id(0)).context()) == text(context));
  }
}

TEST_CASE("an empty prompt goes on where the last turn ended") {
  ToyModelOptions const options;
  Toy model(options);
  Composer composer(model, CopyProposer(), GreedyVerifier());
  composer.generate(some_prompt, {.max_new_tokens = 20});
  composer.generate({}, {.max_new_tokens = 20});
  Tokens context = some_prompt;
  Tokens const expected = decode_plainly(options, context, 40).tokens;
  CHECK(text(composer.sequence(id(0)).context().subspan(some_prompt.size())) == text(expected));
}

TEST_CASE("a prompt can be edited by cutting it back") {
  ToyModelOptions const options{.order = 5};
  WatchedModel model(options);
  auto composer = drafting_right(model, options);
  composer.begin(id(1), some_prompt, {.max_new_tokens = 9});
  composer.step(show_nothing);
  composer.truncate(id(1), 4);
  CHECK(text(model.held(id(1))) == "3 1 4 1");
  CHECK_FALSE(composer.step(show_nothing));
  composer.begin(id(1), Tokens{8, 8}, {.max_new_tokens = 9});
  composer.run();
  CHECK(text(composer.sequence(id(1)).generated()) == text(decode_plainly(options, {3, 1, 4, 1, 8, 8}, 9).tokens));
}

namespace {

// What a proposer heard of the ends of turns.
struct Ended {
  Tokens context;
  std::size_t answer = 0;
};

class HearingProposer {
 public:
  HearingProposer(HostileProposer proposer, std::vector<Ended>& ended)
      : proposer_(std::move(proposer)), ended_(&ended) {}

  Draft propose(std::span<Token const> context, std::span<Token> space) { return proposer_.propose(context, space); }
  void truncate(std::size_t length) { proposer_.truncate(length); }
  void on_turn_end(std::span<Token const> context, std::size_t answer) {
    ended_->push_back({copy(context), answer});
    if (throws) throw Interrupted{};
  }

  static inline bool throws = false;

 private:
  HostileProposer proposer_;
  std::vector<Ended>* ended_;
};

}  // namespace

TEST_CASE("a proposer that asks for it hears once of every turn that ended, however it did") {
  std::map<SequenceStatus, std::size_t> heard;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ToyModelOptions const options{.vocabulary = 12,
                                  .order = 2,
                                  .seed = seed,
                                  .max_tokens = random.any_of<std::size_t>({2, 9, 100}),
                                  .context_limit = 90,
                                  .checkpoint_interval = random.any_of<std::size_t>({1, 4})};
    PoisonedModel model(options, {{id(1), random.between(5, 60)}}, true);
    std::vector<Ended> ended;
    std::string wrong;
    Composer composer(model, HearingProposer(HostileProposer(HostileProposer::mixed, options, wrong), ended),
                      GreedyVerifier());
    std::vector<Tokens> said(3);
    std::vector<std::size_t> answers(3);
    for (int turn = 0; turn < 3; ++turn) {
      std::set<std::size_t> running;
      for (std::size_t i = 0; i < 3; ++i) {
        Tokens const prompt = any_tokens(random, 12, random.between(1, 12));
        if (said[i].size() + prompt.size() >= options.context_limit) continue;
        GenerateOptions turn_options{.max_new_tokens = random.any_of<std::size_t>({1, 15, 1000}),
                                     .max_draft_length = random.below(7)};
        if (random.one_in(2)) turn_options.stop.tokens = {static_cast<Token>(random.below(12))};
        answers[i] = said[i].size() + prompt.size();
        composer.begin(id(i), prompt, turn_options);
        running.insert(i);
      }
      CHECK(ended.empty());
      while (!running.empty()) {
        composer.step(show_nothing);
        // They are heard in any order, and each belongs to one that has just ended.
        for (auto const i : std::vector<std::size_t>(running.begin(), running.end())) {
          Sequence const& sequence = composer.sequence(id(i));
          if (sequence.running()) continue;
          auto const own = std::ranges::find_if(ended, [&](Ended const& one) {
            return one.answer == answers[i] && std::ranges::equal(one.context, sequence.context());
          });
          REQUIRE(own != ended.end());
          ended.erase(own);
          ++heard[sequence.status()];
          said[i] = copy(sequence.context());
          running.erase(i);
        }
        REQUIRE(ended.empty());
      }
      composer.step(show_nothing);
      CHECK(ended.empty());
    }
  }
  CHECK(heard[SequenceStatus::stopped] > 20);
  CHECK(heard[SequenceStatus::length] > 20);
  CHECK(heard[SequenceStatus::context_full] > 20);
  CHECK(heard[SequenceStatus::invalid_row] > 20);
}

TEST_CASE("a proposer does not hear of a turn that was cut back or removed, or that had no pass") {
  Toy model(ToyModelOptions{});
  std::vector<Ended> ended;
  Composer composer(model, HearingProposer(always_right({}), ended), GreedyVerifier());
  for (std::size_t i = 0; i < 2; ++i) composer.begin(id(i), some_prompt, {.max_new_tokens = 20, .max_draft_length = 2});
  composer.begin(id(2), some_prompt, {.max_new_tokens = 0});
  composer.step(show_nothing);
  composer.truncate(id(0), some_prompt.size() + 1);
  composer.remove(id(1));
  composer.run();
  CHECK(ended.empty());
  composer.begin(id(0), {}, {.max_new_tokens = 3});
  composer.run();
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].answer == some_prompt.size() + 1);
  // Cutting back what has ended is no second end.
  composer.truncate(id(0), some_prompt.size());
  composer.run();
  CHECK(ended.size() == 1);
}

TEST_CASE("what a proposer throws at the end of a turn fails that sequence alone, and it hears no second time") {
  ToyModelOptions const options;
  Tokens const expected = decode_plainly(options, some_prompt, 12).tokens;
  Toy model(options);
  std::vector<Ended> ended;
  Composer composer(model, HearingProposer(always_right(options), ended), GreedyVerifier());
  // The first ends in the pass that throws, before the second and the third were judged in it.
  composer.begin(id(0), some_prompt, {.max_new_tokens = 4, .max_draft_length = 0});
  for (std::size_t i = 1; i < 3; ++i) composer.begin(id(i), some_prompt, {.max_new_tokens = 12, .max_draft_length = 0});
  for (int i = 0; i < 3; ++i) composer.step(show_nothing);
  HearingProposer::throws = true;
  std::map<SequenceId, std::size_t> last;
  auto const count = [&](OutputDelta const& emission) {
    last[emission.sequence] += emission.status == SequenceStatus::running ? 0U : 1U;
  };
  composer.step(count);
  HearingProposer::throws = false;
  REQUIRE(ended.size() == 1);
  CHECK(composer.sequence(id(0)).status() == SequenceStatus::failed);
  CHECK_THROWS_AS(std::rethrow_exception(composer.error(id(0))), Interrupted);
  CHECK(composer.sequence(id(0)).released().size() == 4);
  CHECK(composer.sequence(id(1)).generated().size() == 4);
  composer.run(count);
  CHECK(last == std::map<SequenceId, std::size_t>{{id(0), 1}, {id(1), 1}, {id(2), 1}});
  CHECK(ended.size() == 3);
  for (std::size_t i = 1; i < 3; ++i) CHECK(text(composer.sequence(id(i)).generated()) == text(expected));
  CHECK(std::ranges::equal(composer.sequence(id(0)).generated(), std::span(expected).first(4)));
}

TEST_CASE("what one sequence throws does not end another's turn, and its own has no answer to hear of") {
  Toy model(ToyModelOptions{});
  std::vector<Ended> ended;
  Composer composer(model, HearingProposer(always_right({}), ended), GreedyVerifier());
  composer.begin(id(0), some_prompt, {.max_new_tokens = 1});
  composer.begin(id(1), some_prompt, {.max_new_tokens = 6});
  bool thrown = false;
  auto const throw_once = [&](SequenceId sequence, std::span<Token const>) {
    if (sequence == id(1) && !std::exchange(thrown, true)) throw Interrupted{};
    return StopDecision{};
  };
  composer.run(show_nothing, throw_once);
  CHECK(ended.size() == 1);
  CHECK(composer.sequence(id(0)).status() == SequenceStatus::length);
  CHECK(composer.sequence(id(1)).status() == SequenceStatus::failed);
}
