// SPDX-License-Identifier: MIT
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/cost/pass_report.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/logprobs.hpp>
#include <copyspec/verify/rejection_verifier.hpp>
#include <copyspec/verify/sampling_verifier.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/composer_fixture.hpp"
#include "support/greedy_for_all.hpp"
#include "support/plain_decoder.hpp"
#include "support/poisoned_model.hpp"
#include "support/random.hpp"
#include "support/thrown.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"

using copyspec::Composer;
using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::LogprobsView;
using copyspec::MixingProposer;
using copyspec::NoProposer;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::Token;
using copyspec::testing::ToyModelOptions;
using copyspec_test::any_tokens;
using copyspec_test::copy;
using copyspec_test::decode_plainly;
using copyspec_test::GreedyForAll;
using copyspec_test::id;
using copyspec_test::PoisonedModel;
using copyspec_test::Random;
using copyspec_test::Refused;
using copyspec_test::show_nothing;
using copyspec_test::some_prompt;
using copyspec_test::text;
using copyspec_test::Tokens;
using copyspec_test::Toy;

namespace {

ToyModelOptions const toy{.vocabulary = 12, .order = 2};

// Whether the entries are those of tokens `begin` to `end` of the context, with `top` likeliest ones, as computed from
// all rows at once in double precision.
void check_entries(LogprobsView entries, ToyModelOptions const& options, Tokens const& context, std::size_t begin,
                   std::size_t end, std::size_t top) {
  ToyModelOptions whole = options;
  whole.max_tokens = 4096;
  Toy model(whole);
  Segment const segment{.sequence = id(0), .tokens = context, .rows = context.size()};
  auto const rows = model.forward({&segment, 1});
  std::size_t const first = std::max<std::size_t>(begin, 1);
  REQUIRE(entries.size() == end - first);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    std::span<float const> const row = rows.row(first + i - 1);
    double const greatest = *std::ranges::max_element(row);
    double mass = 0;
    for (float const logit : row) mass += std::exp(static_cast<double>(logit) - greatest);
    auto const expected = [&](Token token) {
      return static_cast<double>(row[static_cast<std::size_t>(token)]) - greatest - std::log(mass);
    };
    Tokens order;
    for (std::size_t token = 0; token < row.size(); ++token) order.push_back(static_cast<Token>(token));
    std::ranges::stable_sort(
        order, [&](Token a, Token b) { return row[static_cast<std::size_t>(a)] > row[static_cast<std::size_t>(b)]; });
    order.insert(order.begin(), context[first + i]);
    REQUIRE(entries[i].size() == top + 1);
    for (std::size_t k = 0; k <= top; ++k) {
      REQUIRE(entries[i][k].token == order[k]);
      REQUIRE(entries[i][k].logprob == doctest::Approx(expected(order[k])).epsilon(1e-5));
    }
  }
}

// Refuses passes now and then, and counts the rows it is asked for.
struct Unsteady : Toy {
  Unsteady(ToyModelOptions const& options, Random& chance) : Toy(options), chance_(&chance) {}
  std::size_t most_rows = 0;

  template <class Batch>
  auto forward(Batch batch) {
    for (auto const& segment : batch) most_rows = std::max(most_rows, segment.rows);
    if (chance_->one_in(7)) throw Refused{};
    return Toy::forward(batch);
  }

 private:
  Random* chance_;
};

// A turn that asks, or does not, and the context that it ends with.
struct Asked {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t top = 0;
  bool asks = false;
  Tokens expected;
};

}  // namespace

TEST_CASE("prompts are scored as from all rows at once, whatever happens while they are read") {
  std::size_t checked = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ToyModelOptions const options{.vocabulary = random.between(3, 12),
                                  .order = random.between(1, 3),
                                  .seed = seed,
                                  .max_tokens = random.any_of<std::size_t>({1, 3, 8, 200}),
                                  .context_limit = 400,
                                  .checkpoint_interval = random.any_of<std::size_t>({1, 1, 4}),
                                  .max_branches = random.any_of<std::size_t>({0, 6})};
    Unsteady model(options, random);
    Composer composer(model, MixingProposer({.pass_cost = copyspec::PassCost::marginal(0.02)}), GreedyVerifier());
    std::map<SequenceId, Asked> turns;
    int fresh = 10;
    auto const begin = [&](SequenceId sequence, std::size_t longest) {
      Asked turn;
      Tokens context = composer.contains(sequence) ? copy(composer.sequence(sequence).context()) : Tokens();
      if (random.one_in(3)) context.resize(context.size() - std::min(context.size(), random.below(5)));
      if (composer.contains(sequence)) composer.truncate(sequence, context.size());
      turn.begin = context.size();
      Tokens const prompt = any_tokens(random, options.vocabulary, random.between(1, longest));
      context.insert(context.end(), prompt.begin(), prompt.end());
      turn.end = context.size();
      turn.top = random.below(3);
      turn.asks = !random.one_in(4);
      std::size_t const budget = random.between(1, 20);
      GenerateOptions request{.max_new_tokens = budget};
      if (turn.asks) request.prompt_logprobs = turn.top;
      composer.begin(sequence, prompt, request);
      turn.expected = decode_plainly(options, context, budget).tokens;
      turns[sequence] = turn;
    };
    for (int round = 0; round < 3; ++round) {
      for (std::size_t i = 0; i < 2; ++i) begin(id(i), round == 0 ? 150 : 12);
      if (round == 1) {
        // A copy of what is idle or runs, as a rule with another prompt after a part of the context.
        composer.fork(id(0), id(2));
        turns[id(2)] = turns[id(0)];
        begin(id(2), 12);
      }
      std::size_t steps = 0;
      for (bool more = true; more;) {
        REQUIRE(++steps < 5000);
        try {
          more = composer.step(show_nothing);
        } catch (Refused const&) {
          more = true;
        }
        std::vector<SequenceId> here;
        for (auto const& [sequence, turn] : turns)
          if (composer.sequence(sequence).running()) here.push_back(sequence);
        if (here.empty()) continue;
        SequenceId const chosen = here[random.below(here.size())];
        // Not so often that a prompt is never read.
        switch (random.below(steps < 200 ? 12 : 1000)) {
          case 0:
            composer.pause(chosen);
            break;
          case 1:
            composer.preempt(chosen);
            break;
          case 2:
            if (turns.size() > 6) break;
            composer.fork(chosen, SequenceId{fresh});
            turns[SequenceId{fresh++}] = turns[chosen];
            break;
          default:
            break;
        }
        for (SequenceId const sequence : here)
          if (composer.paused(sequence) && random.one_in(3)) composer.resume(sequence);
        for (auto const& [sequence, turn] : turns) more = more || composer.sequence(sequence).running();
      }
      for (auto const& [sequence, turn] : turns) {
        REQUIRE(text(composer.sequence(sequence).generated()) == text(turn.expected));
        if (!turn.asks) REQUIRE(composer.prompt_logprobs(sequence).size() == 0);
        if (!turn.asks) continue;
        Tokens const context = copy(composer.sequence(sequence).context());
        check_entries(composer.prompt_logprobs(sequence), options, context, turn.begin, turn.end, turn.top);
        ++checked;
      }
    }
    CHECK(model.most_rows <= 64);
  }
  CHECK(checked > 1000);
  MESSAGE("turns with scored prompts: ", checked);
}

TEST_CASE("any verifier of one sequence scores prompts, and rows of fewer bits too") {
  GenerateOptions const ask{.max_new_tokens = 5, .prompt_logprobs = 1};
  auto const check = [&](auto verifier) {
    Toy model(toy);
    Composer composer(model, NoProposer(), verifier);
    composer.generate(some_prompt, ask);
    check_entries(composer.prompt_logprobs(id(0)), toy, some_prompt, 0, some_prompt.size(), 1);
  };
  check(GreedyVerifier());
  check(copyspec::SamplingVerifier());
  check(copyspec::RejectionVerifier());
  copyspec::testing::ToyModel<double> wide(toy);
  Composer composer(wide, NoProposer(), GreedyVerifier());
  composer.generate(some_prompt, ask);
  check_entries(composer.prompt_logprobs(id(0)), toy, some_prompt, 0, some_prompt.size(), 1);
}

TEST_CASE("a turn that asks for nothing asks the engine for one row") {
  struct Counting : Toy {
    using Toy::Toy;
    std::size_t rows = 0;
    LogitsView<float> forward(std::span<Segment const> batch) {
      for (Segment const& segment : batch) rows += segment.rows;
      return Toy::forward(batch);
    }
  } model(toy);
  Composer composer(model, NoProposer(), GreedyVerifier());
  composer.generate(some_prompt, {.max_new_tokens = 1});
  CHECK(model.rows == 1);
  composer.generate(some_prompt, {.max_new_tokens = 1, .prompt_logprobs = 0});
  CHECK(model.rows == 1 + some_prompt.size() + 1);
}

TEST_CASE("a pass that scores a prompt teaches no cost") {
  struct Timed : NoProposer {
    std::vector<std::size_t>* rows = nullptr;
    void on_pass(copyspec::PassReport const& report) const { rows->push_back(report.rows); }
  };
  std::vector<std::size_t> rows;
  Toy model(toy);
  Composer composer(model, Timed{{}, &rows}, GreedyVerifier());
  composer.generate(some_prompt, {.max_new_tokens = 3, .prompt_logprobs = 0});
  CHECK(rows == std::vector<std::size_t>{1, 1});
}

TEST_CASE("what cannot be scored is refused, and nothing has begun") {
  auto const refused = [](auto verifier, Tokens const& prompt, GenerateOptions const& options, char const* why) {
    Toy model({.vocabulary = 12, .placeholders = true});
    Composer composer(model, NoProposer(), verifier);
    CHECK_THROWS_WITH_AS(composer.begin(id(0), prompt, options), doctest::Contains(why), copyspec::Error);
    CHECK_FALSE(composer.contains(id(0)));
  };
  refused(GreedyVerifier(), some_prompt, {.prompt_logprobs = 13}, "vocabulary");
  refused(GreedyVerifier(), some_prompt, {.max_new_tokens = 0, .prompt_logprobs = 0}, "allow one");
  refused(GreedyVerifier(), some_prompt, {.prompt_logprobs = 0, .cached_prefix = 2}, "cached prefix");
  refused(GreedyVerifier(), {1, -1, 2}, {.prompt_logprobs = 0}, "placeholder");
  refused(GreedyForAll(), some_prompt, {.prompt_logprobs = 0}, "all sequences at once");
}

TEST_CASE("a row of the prompt without a token fails its request alone") {
  for (std::size_t const bad : {1U, 4U, 9U})
    for (std::size_t const max_tokens : {3U, 64U}) {
      ToyModelOptions options = toy;
      options.max_tokens = max_tokens;
      PoisonedModel model(options, {{id(0), bad}}, true);
      Composer composer(model, NoProposer(), GreedyVerifier());
      SequenceStatus status = SequenceStatus::idle;
      std::exception_ptr error;
      for (std::size_t i = 0; i < 2; ++i)
        composer.begin(id(i), some_prompt, {.max_new_tokens = 20, .prompt_logprobs = 0});
      composer.run([&](copyspec::OutputDelta const& delta) {
        if (delta.sequence == id(0)) status = delta.status;
        if (delta.sequence == id(0)) error = delta.error;
      });
      CHECK(status == SequenceStatus::failed);
      REQUIRE(error != nullptr);
      CHECK_THROWS_AS(std::rethrow_exception(error), copyspec::Error);
      CHECK(composer.prompt_logprobs(id(0)).size() == bad - 1);
      CHECK(composer.sequence(id(0)).generated().empty());
      CHECK(text(composer.sequence(id(1)).generated()) == text(decode_plainly(toy, some_prompt, 20).tokens));
      check_entries(composer.prompt_logprobs(id(1)), toy, some_prompt, 0, some_prompt.size(), 0);
    }
}

TEST_CASE("memory that runs out while a prompt is scored fails that sequence, and a copy has all entries") {
  ToyModelOptions options = toy;
  options.max_tokens = 8;
  Tokens prompt;
  for (int i = 0; i < 4; ++i) prompt.insert(prompt.end(), some_prompt.begin(), some_prompt.end());
  std::size_t failed = 0;
  for (std::size_t passes = 1; passes < 4; ++passes)
    for (std::size_t nth = 0; nth < 60; ++nth) {
      CAPTURE(passes);
      CAPTURE(nth);
      Toy model(options);
      Composer composer(model, NoProposer(), GreedyVerifier());
      composer.begin(id(0), prompt, {.max_new_tokens = 3, .prompt_logprobs = 2});
      for (std::size_t i = 0; i < passes; ++i) composer.step(show_nothing);
      composer.fork(id(0), id(1));
      bool met = false;
      {
        FailingAllocation const failing(nth);
        try {
          composer.step(show_nothing);
        } catch (std::bad_alloc const&) {
        }
        met = failing.met();
      }
      if (!met) break;
      composer.run();
      for (std::size_t i = 0; i < 2; ++i) {
        if (composer.sequence(id(i)).status() == SequenceStatus::failed) ++failed;
        if (composer.sequence(id(i)).status() != SequenceStatus::length) continue;
        check_entries(composer.prompt_logprobs(id(i)), options, prompt, 0, prompt.size(), 2);
      }
    }
  CHECK(failed > 0);
}

TEST_CASE("tokens whose rows are not needed are read in passes of any length") {
  Toy model({.vocabulary = 12, .order = 2, .max_tokens = 300});
  Composer composer(model, NoProposer(), GreedyVerifier());
  Tokens const first(500, 3);
  composer.generate(first, {.max_new_tokens = 1});
  composer.preempt(id(0));
  std::size_t const before = composer.sequence(id(0)).counters().prefill_passes;
  composer.generate(some_prompt, {.max_new_tokens = 1, .prompt_logprobs = 0});
  CHECK(composer.prompt_logprobs(id(0)).size() == some_prompt.size());
  CHECK(composer.sequence(id(0)).counters().prefill_passes == before + 1);
}
