// SPDX-License-Identifier: MIT
#include <copyspec/decode/batch_sequences.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/batch.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/draft/tree_proposer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/batch_loop.hpp"
#include "support/composer_fixture.hpp"
#include "support/greedy_for_all.hpp"
#include "support/hostile_proposer.hpp"
#include "support/plain_decoder.hpp"
#include "support/sampled_turn.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"

using copyspec::CopyProposer;
using copyspec::DecodeBatch;
using copyspec::Draft;
using copyspec::GreedyVerifier;
using copyspec::NoProposer;
using copyspec::OutputDelta;
using copyspec::RowHooks;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::Sequence;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::Token;
using copyspec::testing::ToyModelOptions;
using copyspec_test::always_right;
using copyspec_test::BatchLoop;
using copyspec_test::copy;
using copyspec_test::decode_plainly;
using copyspec_test::id;
using copyspec_test::show_nothing;
using copyspec_test::some_prompt;
using copyspec_test::text;
using copyspec_test::Tokens;
using copyspec_test::Toy;

namespace {

ToyModelOptions const toy{.vocabulary = 12, .order = 2};

template <class Loop>
void run(Loop& loop) {
  while (loop.step(show_nothing)) {
  }
}

}  // namespace

TEST_CASE("a sequence that is paused is in no pass, and one that is preempted is read again") {
  Toy model(toy);
  BatchLoop loop(model, NoProposer(), GreedyVerifier());
  loop.begin(id(0), some_prompt, {.max_new_tokens = 10});
  loop.begin(id(1), some_prompt, {.max_new_tokens = 10});
  loop.step(show_nothing);
  loop.pause(id(0));
  CHECK(loop.paused(id(0)));
  loop.preempt(id(1));
  CHECK(loop.paused(id(1)));
  CHECK_FALSE(loop.batch().running());
  std::size_t const fed = loop.sequence(id(0)).counters().tokens_fed;
  CHECK_FALSE(loop.step(show_nothing));
  CHECK(loop.sequence(id(0)).counters().tokens_fed == fed);
  CHECK(loop.sequence(id(1)).cached() == 0);
  loop.resume(id(1));
  run(loop);
  CHECK(loop.sequence(id(0)).generated().size() == 1);
  CHECK(loop.sequence(id(1)).counters().tokens_fed == some_prompt.size() + some_prompt.size() + 1 + 8);
  loop.resume(id(0));
  run(loop);
  for (std::size_t i = 0; i < 2; ++i)
    CHECK(text(loop.sequence(id(i)).generated()) == text(decode_plainly(toy, some_prompt, 10).tokens));
}

TEST_CASE("a sequence whose turn was ended by a truncation is not paused any more") {
  Toy model(toy);
  BatchLoop loop(model, NoProposer(), GreedyVerifier());
  loop.begin(id(0), some_prompt, {.max_new_tokens = 10});
  loop.step(show_nothing);
  loop.pause(id(0));
  loop.truncate(id(0), 5);
  CHECK_FALSE(loop.paused(id(0)));
}

TEST_CASE("what an engine does not copy is fed") {
  for (std::size_t most = 0; most <= some_prompt.size() + 5; ++most) {
    CAPTURE(most);
    Toy model(toy);
    BatchLoop loop(model, NoProposer(), GreedyVerifier());
    loop.copies_most = most;
    loop.begin(id(0), some_prompt, {.max_new_tokens = 20});
    for (int i = 0; i < 3; ++i) loop.step(show_nothing);
    loop.fork(id(0), id(1));
    // The newest token was not fed yet.
    std::size_t const shared = some_prompt.size() + 2;
    run(loop);
    CHECK(loop.copied == std::min(most, shared));
    CHECK(loop.sequence(id(1)).counters().tokens_fed == shared + 1 - loop.copied + 16);
    CHECK(text(loop.sequence(id(1)).generated()) == text(decode_plainly(toy, some_prompt, 20).tokens));
    CHECK(loop.sequence(id(1)).counters().generated == 17);
  }
}

TEST_CASE("copies of a prompt that is still read wait for it, and read nothing of it themselves") {
  ToyModelOptions options = toy;
  options.max_tokens = 4;
  Toy model(options);
  BatchLoop loop(model, NoProposer(), GreedyVerifier());
  loop.begin(id(0), Tokens(30, 2), {.max_new_tokens = 5});
  for (std::size_t i = 1; i < 4; ++i) loop.fork(id(0), id(i));
  // A copy of a copy.
  loop.fork(id(3), id(4));
  run(loop);
  for (std::size_t i = 1; i < 5; ++i) {
    CHECK(loop.sequence(id(i)).counters().tokens_fed == 5);
    CHECK(text(loop.sequence(id(i)).generated()) == text(decode_plainly(options, Tokens(30, 2), 5).tokens));
  }
}

TEST_CASE("a copy takes nothing over from another sequence that got the id of its source") {
  Toy model(toy);
  BatchLoop loop(model, NoProposer(), GreedyVerifier());
  loop.begin(id(0), some_prompt, {.max_new_tokens = 20});
  loop.step(show_nothing);
  loop.fork(id(0), id(1));
  loop.remove(id(0));
  loop.begin(id(0), Tokens(40, 2), {.max_new_tokens = 20});
  run(loop);
  CHECK(loop.copied == 0);
  CHECK(text(loop.sequence(id(1)).generated()) == text(decode_plainly(toy, some_prompt, 20).tokens));
}

TEST_CASE("a copy that was truncated takes over no more than it has kept") {
  Toy model(toy);
  BatchLoop loop(model, NoProposer(), GreedyVerifier());
  loop.begin(id(0), some_prompt, {.max_new_tokens = 20});
  loop.step(show_nothing);
  loop.fork(id(0), id(1));
  loop.truncate(id(1), 4);
  loop.begin(id(1), Tokens{7, 7, 7, 7, 7, 7}, {.max_new_tokens = 20});
  run(loop);
  Tokens context(some_prompt.begin(), some_prompt.begin() + 4);
  context.insert(context.end(), 6, 7);
  CHECK(loop.copied == 4);
  CHECK(text(loop.sequence(id(1)).generated()) == text(decode_plainly(toy, context, 20).tokens));
}

TEST_CASE("copies draw with seeds of their own, and with hooks of their own") {
  Toy model({.vocabulary = 200, .order = 2});
  BatchLoop loop(model, NoProposer(), SamplingVerifier());
  std::vector<std::size_t> made;
  SamplingOptions sampling{.temperature = 3, .seed = 1};
  sampling.hooks = [&](std::size_t answer) {
    made.push_back(answer);
    return RowHooks();
  };
  loop.begin(id(0), some_prompt, {.max_new_tokens = 30, .sampling = sampling});
  loop.step(show_nothing);
  for (std::size_t i = 1; i < 5; ++i) loop.fork(id(0), id(i));
  loop.fork(id(0), id(5), 1);
  CHECK(made == std::vector<std::size_t>(6, some_prompt.size()));
  run(loop);
  std::set<std::string> texts;
  std::set<std::uint64_t> seeds;
  for (std::size_t i = 0; i < 5; ++i) {
    texts.insert(text(loop.sequence(id(i)).generated()));
    seeds.insert(loop.batch().sampling(id(i)).seed.value());
    CHECK(loop.sequence(id(i)).generated()[0] == loop.sequence(id(0)).generated()[0]);
  }
  CHECK(texts.size() == 5);
  CHECK(seeds.size() == 5);
  CHECK(text(loop.sequence(id(5)).generated()) == text(loop.sequence(id(0)).generated()));
}

TEST_CASE("copies bring the log-probabilities of what they have in common") {
  Toy model(toy);
  BatchLoop loop(model, NoProposer(), SamplingVerifier());
  std::size_t told = 0;
  auto const count = [&](OutputDelta const& delta) {
    CHECK(delta.logprobs.size() == delta.tokens.size());
    told += delta.sequence == id(1) ? delta.tokens.size() : 0;
  };
  loop.begin(id(0), some_prompt, {.max_new_tokens = 9, .sampling = SamplingOptions{.seed = 1, .logprobs = 2}});
  for (int i = 0; i < 4; ++i) loop.step(count);
  loop.fork(id(0), id(1), 7);
  while (loop.step(count)) {
  }
  CHECK(told == 5);
}

TEST_CASE("an extended turn has room for the drafts of all that it may generate") {
  ToyModelOptions options = toy;
  options.max_branches = 4;
  Toy model(options);
  BatchLoop loop(model, always_right(options), GreedyVerifier());
  loop.begin(id(0), some_prompt, {.max_new_tokens = 2});
  for (int i = 0; i < 30; ++i) loop.extend(id(0), 1);
  loop.extend(id(0), 0);
  run(loop);
  CHECK(loop.sequence(id(0)).generated().size() == 32);
  loop.extend(id(0), ~std::size_t{0});
  CHECK(loop.sequence(id(0)).budget_left() == options.context_limit - some_prompt.size() - 32);
}

TEST_CASE("a turn that follows a longer one in the same room is extended into it") {
  Toy model(toy);
  BatchLoop loop(model, always_right(toy), GreedyVerifier());
  loop.begin(id(0), Tokens(60, 1), {.max_new_tokens = 0});
  loop.truncate(id(0), 0);
  loop.begin(id(0), some_prompt, {.max_new_tokens = 2});
  loop.extend(id(0), 20);
  run(loop);
  CHECK(text(loop.sequence(id(0)).generated()) == text(decode_plainly(toy, some_prompt, 22).tokens));
}

namespace {

struct Told : NoProposer {
  std::vector<std::string>* calls;
  explicit Told(std::vector<std::string>& all) : calls(&all) {}
  void on_turn_begin(std::span<Token const> context, std::size_t prompt) const {
    calls->push_back("begins " + std::to_string(context.size()) + " from " + std::to_string(prompt));
  }
  void on_turn_end(std::span<Token const> context, std::size_t answer) const {
    calls->push_back("ends " + std::to_string(context.size()) + " from " + std::to_string(answer));
  }
};

}  // namespace

TEST_CASE("observers hear of each part of an extended turn once, with the tokens of that part") {
  std::vector<std::string> calls;
  Toy model(toy);
  BatchLoop loop(model, Told(calls), GreedyVerifier());
  loop.begin(id(0), Tokens{1, 2, 3}, {.max_new_tokens = 2});
  loop.extend(id(0), 1);
  run(loop);
  loop.extend(id(0), 4);
  run(loop);
  CHECK(calls == std::vector<std::string>{"begins 3 from 0", "ends 6 from 3", "begins 6 from 6", "ends 10 from 6"});
}

TEST_CASE("a shifted context goes on as the shorter one, of which the engine holds what it held") {
  Toy model(toy);
  BatchLoop loop(model, CopyProposer({.match_length = 1}), GreedyVerifier());
  loop.begin(id(0), some_prompt, {.max_new_tokens = 20});
  run(loop);
  Tokens context = copy(loop.sequence(id(0)).context());
  loop.shift(id(0), 2, 15);
  context.erase(context.begin() + 2, context.begin() + 17);
  CHECK(text(loop.sequence(id(0)).context()) == text(context));
  CHECK(loop.sequence(id(0)).status() == SequenceStatus::idle);
  CHECK(loop.sequence(id(0)).cached() == model.held(id(0)).size());
  CHECK(loop.sequence(id(0)).cached() == context.size() - 1);
  loop.begin(id(0), Tokens{3}, {.max_new_tokens = 20});
  context.push_back(3);
  run(loop);
  CHECK(text(loop.sequence(id(0)).generated()) == text(decode_plainly(toy, context, 20).tokens));
}

TEST_CASE("a sequence that moves keeps its turn, and what is shown of it") {
  Toy model(toy);
  BatchLoop loop(model, always_right(toy), GreedyVerifier());
  loop.begin(id(0), some_prompt, {.max_new_tokens = 20, .max_draft_length = 2});
  Tokens shown;
  auto const show = [&](OutputDelta const& delta) {
    shown.insert(shown.end(), delta.tokens.begin(), delta.tokens.end());
  };
  loop.step(show);
  std::size_t const fed = loop.sequence(id(0)).counters().tokens_fed;
  loop.move(id(0), id(7));
  CHECK_FALSE(loop.batch().contains(id(0)));
  CHECK(model.held(id(0)).empty());
  while (loop.step(show)) {
  }
  CHECK(text(shown) == text(decode_plainly(toy, some_prompt, 20).tokens));
  CHECK(loop.sequence(id(7)).counters().tokens_fed < fed + 3 * 7);
}

namespace {

// Verifies for all sequences, and writes down under which ids turns begin.
struct Shared : copyspec_test::GreedyForAll {
  std::vector<std::string>* begun;
  explicit Shared(std::vector<std::string>& all) : begun(&all) {}
  void on_turn_begin(SequenceId sequence, std::span<Token const> context, std::size_t prompt) const {
    begun->push_back(std::to_string(static_cast<int>(sequence)) + ": " + std::to_string(context.size() - prompt) +
                     " of " + std::to_string(context.size()));
  }
};

}  // namespace

TEST_CASE("a verifier of all sequences hears of each id under which a turn goes on") {
  std::vector<std::string> begun;
  Toy model(toy);
  BatchLoop loop(model, NoProposer(), Shared(begun));
  loop.begin(id(0), Tokens{1, 2, 3}, {.max_new_tokens = 10});
  loop.step(show_nothing);
  loop.fork(id(0), id(1));
  loop.move(id(0), id(7));
  run(loop);
  CHECK(begun == std::vector<std::string>{"0: 3 of 3", "1: 0 of 4", "7: 0 of 4"});
  for (int const i : {1, 7})
    CHECK(text(loop.sequence(SequenceId{i}).generated()) == text(decode_plainly(toy, {1, 2, 3}, 10).tokens));
}

TEST_CASE("a fork or a move that runs out of memory changes nothing, wherever it does") {
  for (bool const forks : {true, false}) {
    std::size_t failures = 0;
    for (bool met = true; met; ++failures) {
      REQUIRE(failures < 500);
      Toy model(toy);
      DecodeBatch batch(copyspec::limits_of(model), CopyProposer(), GreedyVerifier());
      batch.begin(id(0), some_prompt, {.max_new_tokens = 20, .references = {Tokens(20, 1)}});
      bool thrown = false;
      {
        FailingAllocation const failing(failures);
        try {
          if (forks)
            batch.fork(id(0), id(1));
          else
            batch.move(id(0), id(1));
        } catch (std::bad_alloc const&) {
          thrown = true;
        }
        met = failing.met();
      }
      CHECK(thrown == met);
      CHECK(batch.size() == (forks && !thrown ? 2 : 1));
      CHECK(batch.contains(id(0)) == (forks || thrown));
      CHECK(batch.contains(id(1)) != thrown);
    }
    CHECK(failures > 1);
  }
}

namespace {

// Counts how often any of its kind is moved or copied.
struct Counted : NoProposer {
  std::size_t* count;
  explicit Counted(std::size_t& all) : count(&all) {}
  Counted(Counted const& other) : NoProposer(other), count(other.count) { ++*count; }
  Counted& operator=(Counted const&) = default;
};

}  // namespace

TEST_CASE("a sequence that a callback removes lives until all callbacks are done, also if one throws") {
  struct Living : NoProposer {
    std::shared_ptr<int> life;
  };
  for (bool const throws : {false, true}) {
    auto const life = std::make_shared<int>();
    Toy model(toy);
    DecodeBatch batch(copyspec::limits_of(model), Living{{}, life}, GreedyVerifier());
    for (std::size_t i = 0; i < 3; ++i) batch.begin(id(i), some_prompt, {.max_new_tokens = 1});
    batch.commit(model.forward(batch.plan().segments));
    auto const living = life.use_count();
    auto const remove_two = [&](OutputDelta const&) {
      batch.remove(id(0));
      batch.remove(id(1));
      CHECK(life.use_count() == living);
      if (throws) throw 1;
    };
    if (throws)
      CHECK_THROWS_AS(batch.emit(remove_two), int);
    else
      batch.emit(remove_two);
    CHECK(life.use_count() == living - 2);
    CHECK(batch.size() == 1);
    batch.remove(id(2));
    CHECK(life.use_count() == living - 3);
  }
}

TEST_CASE("ten thousand sequences are removed one by one without moving any, also in a callback") {
  for (bool const in_callback : {false, true}) {
    Toy model({.vocabulary = 4, .order = 1, .max_tokens = 20'000});
    std::size_t moved = 0;
    DecodeBatch batch(copyspec::limits_of(model), Counted(moved), GreedyVerifier());
    for (std::size_t i = 0; i < 10'000; ++i) batch.begin(id(i), Tokens{1}, {.max_new_tokens = 1});
    batch.commit(model.forward(batch.plan().segments));
    moved = 0;
    std::size_t const allocated = allocations();
    if (in_callback)
      batch.emit([&](OutputDelta const& delta) { batch.remove(delta.sequence); });
    else
      for (std::size_t i = 0; i < 10'000; i += 2) CHECK(batch.remove(id(i)));
    CHECK(moved == 0);
    CHECK(allocations() - allocated == 0);
    CHECK(batch.size() == (in_callback ? 0 : 5'000));
    CHECK_FALSE(batch.remove(id(0)));
    CHECK_FALSE(batch.next_truncation());
    std::size_t visited = 0;
    batch.for_each_sequence([&](Sequence const& sequence) {
      ++visited;
      CHECK(batch.contains(sequence.id()));
    });
    CHECK(visited == batch.size());
  }
}

TEST_CASE("between two begins nothing is allocated for copies and extensions that are under way") {
  Toy model(toy);
  DecodeBatch batch(copyspec::limits_of(model), NoProposer(), GreedyVerifier());
  batch.begin(id(0), some_prompt, {.max_new_tokens = 20});
  batch.fork(id(0), id(1));
  std::size_t const before = allocations();
  batch.extend(id(0), 5);
  batch.pause(id(1));
  batch.resume(id(1));
  batch.truncate(id(1), 3);
  CHECK(batch.remove(id(1)));
  CHECK(allocations() == before);
}
