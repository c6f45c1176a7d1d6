// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/model_proposer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/decode/composer.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/detail/philox.hpp>
#include <copyspec/draft/best_draft.hpp>
#include <copyspec/draft/first_draft.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_verifier.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/companion_model.hpp"

using copyspec::BestDraft;
using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::Draft;
using copyspec::DraftProposer;
using copyspec::FirstDraft;
using copyspec::GreedyVerifier;
using copyspec::MixingProposer;
using copyspec::ModelProposer;
using copyspec::ModelProposerOptions;
using copyspec::NoProposer;
using copyspec::PassCost;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::SequenceId;
using copyspec::Source;
using copyspec::Token;
using copyspec::testing::ToyModel;
using copyspec::testing::ToyModelOptions;

namespace {

using Tokens = std::vector<Token>;

static_assert(DraftProposer<ModelProposer<CompanionModel>>);
static_assert(DraftProposer<ModelProposer<CompanionModel, MixingProposer>>);

// A pair of models, and what is asked of them.
struct Pair {
  ToyModelOptions toy;
  ToyModelOptions draft_toy;
  CompanionOptions companion;
  ModelProposerOptions options;
  bool samples = false;
  SamplingOptions sampling;
  std::uint32_t seed = 0;

  explicit Pair(std::uint32_t its_seed) : seed(its_seed) {
    std::mt19937 random(seed);
    auto const pick = [&](std::size_t count) { return std::size_t{random()} % count; };
    toy = {.vocabulary = 2 + pick(7),
           .order = 1 + pick(3),
           .seed = seed,
           .max_tokens = 4 + pick(40),
           .context_limit = 60 + pick(60),
           .checkpoint_interval = 1 + pick(2) * pick(8)};
    draft_toy = toy;
    draft_toy.max_tokens = 1 + pick(30);
    draft_toy.context_limit = pick(3) == 0 ? 20 + pick(100) : 200;
    draft_toy.checkpoint_interval = 1 + pick(2) * pick(8);
    companion = {.wrong_percent = static_cast<std::uint32_t>(pick(2) * pick(101)),
                 .invalid_percent = static_cast<std::uint32_t>(pick(4) == 0 ? pick(30) : 0),
                 .throws_every = pick(4) == 0 ? 1 + pick(9) : 0};
    if (pick(2) == 0) options.pass_cost = PassCost::marginal(0.01 * static_cast<double>(pick(50)));
    if (pick(2) == 0) options.draft_cost = 0.05 * static_cast<double>(pick(20));
    if (pick(3) == 0) options.fixed_length = 1 + pick(8);
    samples = pick(2) == 0;
    sampling = {.temperature = 0.2F + 0.2F * static_cast<float>(pick(8)),
                .top_k = static_cast<std::ptrdiff_t>(pick(2) * (1 + pick(5))),
                .top_p = pick(2) == 0 ? 1.0F : 0.8F,
                .seed = seed};
    if (pick(3) == 0) sampling.penalties.presence = 1;
  }

  // What several sequences of two turns say, some of which are cut back or removed in between.
  template <class Proposer, class Verifier>
  [[nodiscard]] std::vector<Tokens> said(Proposer proposer, Verifier verifier) const {
    std::mt19937 random(seed + 1);
    auto const pick = [&](std::size_t count) { return std::size_t{random()} % count; };
    auto const prompt = [&] {
      Tokens tokens(1 + pick(12));
      for (Token& token : tokens) token = static_cast<Token>(pick(toy.vocabulary));
      return tokens;
    };
    ToyModel<float> model(toy);
    Composer<ToyModel<float>, Proposer, Verifier> composer(model, std::move(proposer), std::move(verifier));
    std::vector<Tokens> said;
    std::size_t const sequences = 1 + pick(3);
    for (int turn = 0; turn < 3; ++turn) {
      for (std::size_t i = 0; i < sequences; ++i) {
        SequenceId const id{static_cast<std::int32_t>(i)};
        copyspec::GenerateOptions asked{.max_new_tokens = pick(30)};
        if (samples) asked.sampling = sampling;
        Tokens const text = prompt();
        std::size_t const cut = pick(4);
        if (turn > 0 && cut == 0) composer.truncate(id, composer.sequence(id).length() / 2);
        if (turn > 0 && cut == 1) composer.remove(id);
        try {
          composer.begin(id, text, asked);
        } catch (copyspec::Error const&) {
          said.push_back({-1});  // no room for the prompt
        }
      }
      composer.run();
      for (std::size_t i = 0; i < sequences; ++i) {
        auto const context = composer.sequence(SequenceId{static_cast<std::int32_t>(i)}).context();
        said.emplace_back(context.begin(), context.end());
      }
    }
    return said;
  }

  template <class Proposer>
  [[nodiscard]] std::vector<Tokens> said(Proposer proposer) const {
    if (samples) return said(std::move(proposer), SamplingVerifier());
    return said(std::move(proposer), GreedyVerifier());
  }
};

// Rows of which the greatest logit is that of the token after the newest, in memory of its own; counts what it is fed.
struct CountingUp {
  std::size_t vocabulary = 64;
  std::vector<float> logits = std::vector<float>(64 * 1024);
  std::array<std::size_t, 16> held{};
  std::size_t passes = 0;
  std::size_t fed = 0;
  Token step = 1;  // what it adds to a token
  std::vector<std::size_t> batches{};

  CountingUp() { batches.reserve(10'000); }

  [[nodiscard]] std::size_t vocabulary_size() const { return vocabulary; }
  [[nodiscard]] std::size_t max_tokens() const { return 4096; }
  [[nodiscard]] std::size_t context_limit() const { return 4096; }

  copyspec::LogitsView<float> forward(std::span<copyspec::Segment const> batch) {
    std::size_t rows = 0;
    for (copyspec::Segment const& segment : batch) {
      held[static_cast<std::size_t>(segment.sequence)] += segment.tokens.size();
      fed += segment.tokens.size();
      for (Token const token : segment.tokens.last(segment.rows)) {
        std::span<float> const row = std::span(logits).subspan(rows++ * vocabulary, vocabulary);
        std::ranges::fill(row, 0.0F);
        row[static_cast<std::size_t>(token + step) % vocabulary] = 12;
      }
    }
    ++passes;
    batches.push_back(batch.size());
    return {logits.data(), rows, vocabulary};
  }

  std::size_t truncate(SequenceId id, std::size_t length) {
    std::size_t& count = held[static_cast<std::size_t>(id)];
    return count = std::min(count, length);
  }
};

static_assert(copyspec::Model<CountingUp>);

using Alone = ModelProposer<CountingUp>;
template <class Proposer>
using Counting = Composer<CountingUp, Proposer, GreedyVerifier>;

// Stands still but for what a model takes.
struct StillClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<StillClock>;
  static time_point& current() {
    static time_point now;
    return now;
  }
  static time_point now() { return current(); }
};

ModelProposerOptions costs(double row, double draft_cost) {
  return {.pass_cost = PassCost::marginal(row), .draft_pass_cost = PassCost::marginal(row), .draft_cost = draft_cost};
}

}  // namespace

TEST_CASE("with a draft model, whatever copies beside it, what is said is what is said without") {
  for (std::uint32_t seed = 0; seed < 1000; ++seed) {
    CAPTURE(seed);
    Pair const pair(seed);
    CompanionModel companion(pair.draft_toy, pair.companion);
    auto const expected = pair.said(NoProposer());
    auto const options = pair.options;
    auto fixed = options;
    fixed.fixed_length = 3;
    switch (seed % 5) {
      case 0:
        CHECK(pair.said(ModelProposer<CompanionModel>(companion, {}, options)) == expected);
        break;
      case 1:
        CHECK(pair.said(ModelProposer(companion, MixingProposer({.pass_cost = options.pass_cost}), options)) ==
              expected);
        break;
      case 2:
        CHECK(pair.said(ModelProposer(companion, CopyProposer({.match_length = 1}), options)) == expected);
        break;
      case 3:
        CHECK(pair.said(FirstDraft(CopyProposer({.match_length = 2}),
                                   ModelProposer<CompanionModel>(companion, {}, fixed))) == expected);
        break;
      default:
        CHECK(pair.said(BestDraft(options.pass_cost, MixingProposer(),
                                  ModelProposer<CompanionModel>(companion, {}, options))) == expected);
    }
  }
}

TEST_CASE("a draft model that is right is asked as often as that pays") {
  CountingUp model, draft;
  auto const tokens_a_pass = [&](double row, double draft_cost) {
    Counting<Alone> composer(model, Alone(draft, {}, costs(row, draft_cost)));
    composer.generate(Tokens{1}, {.max_new_tokens = 600});
    auto const& counters = composer.sequence(SequenceId{0}).counters();
    CHECK(counters.by_source[Source::draft_model].drafted == counters.drafted);
    return static_cast<double>(counters.generated) / static_cast<double>(counters.decode_passes);
  };
  CHECK(tokens_a_pass(0.01, 0.05) > 8);
  CHECK(tokens_a_pass(0.1, 0.5) > 1.5);
  CHECK(tokens_a_pass(0.01, 1.5) < 1.1);
  CHECK(tokens_a_pass(1.0, 0.1) < 1.1);
}

TEST_CASE("a draft model that is wrong is hardly ever asked, and asked again once it is right") {
  CountingUp model, draft;
  draft.step = 2;
  Counting<Alone> composer(model, Alone(draft, {}, costs(0.02, 0.15)));
  composer.generate(Tokens{1}, {.max_new_tokens = 500});
  std::size_t const asked = draft.passes;
  CHECK(asked < 80);
  composer.generate(Tokens{1}, {.max_new_tokens = 500});
  CHECK(draft.passes - asked < 25);
  draft.step = 1;
  composer.generate(Tokens{1}, {.max_new_tokens = 1500});
  std::size_t const passes = composer.sequence(SequenceId{0}).counters().decode_passes;
  composer.generate(Tokens{1}, {.max_new_tokens = 500});
  CHECK(composer.sequence(SequenceId{0}).counters().decode_passes - passes < 200);
}

TEST_CASE("sequences are guessed for in the same passes") {
  CountingUp model, draft;
  Counting<Alone> composer(model, Alone(draft, {}, costs(0.02, 0.1)));
  for (std::int32_t i = 0; i < 8; ++i)
    composer.begin(SequenceId{i}, Tokens{static_cast<Token>(i)}, {.max_new_tokens = 100});
  composer.run();
  std::size_t together = 0;
  for (std::size_t const size : draft.batches) together += size >= 7 ? 1U : 0U;
  CHECK(together * 10 > draft.batches.size() * 8);
  // What is said or was guessed right is fed once.
  CHECK(draft.fed < 8 * 100 * 3 / 2);
  for (std::int32_t i = 0; i < 8; ++i) composer.remove(SequenceId{i});
  for (std::size_t const held : draft.held) CHECK(held == 0);
}

TEST_CASE("a long prompt is read by the draft model once the gains passed up come to what that costs") {
  CountingUp model, draft;
  Tokens prompt(3000);
  for (std::size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<Token>(i % 64);
  // Reading it costs about 0.3 * (1 + 0.1 * 3000) = 90 passes; each token guessed instead of waited for gains some 0.5.
  Counting<Alone> composer(model, Alone(draft, {}, costs(0.1, 0.3)));
  composer.generate(prompt, {.max_new_tokens = 20});
  CHECK(draft.passes == 0);
  composer.generate(Tokens{1}, {.max_new_tokens = 400});
  CHECK(draft.passes > 0);
  std::size_t const reading = draft.fed - draft.passes;
  CHECK(reading > 3000);
}

TEST_CASE("copying goes on behind a guess, and a guess stands in for a copy that is less sure") {
  // What is said counts up to a multiple of eight, and goes on at one that the draft model knows and copying cannot.
  struct Broken : CountingUp {
    copyspec::LogitsView<float> forward(std::span<copyspec::Segment const> batch) {
      auto const rows = CountingUp::forward(batch);
      std::size_t row = 0;
      for (copyspec::Segment const& segment : batch)
        for (std::size_t i = segment.tokens.size() - segment.rows; i < segment.tokens.size(); ++i, ++row) {
          if (segment.tokens[i] % 8 != 7) continue;
          std::size_t const position = held[static_cast<std::size_t>(segment.sequence)] - segment.tokens.size() + i;
          std::span<float> const out = std::span(logits).subspan(row * vocabulary, vocabulary);
          std::ranges::fill(out, 0.0F);
          auto const drawn = copyspec::detail::philox4x32({{static_cast<std::uint32_t>(position), 0, 0, 0}}, {{1, 2}});
          out[drawn.words[0] % 8 * 8] = 12;
        }
      return rows;
    }
  };
  Broken model, draft;
  auto const rate = [&](auto proposer) {
    Composer<Broken, decltype(proposer), GreedyVerifier> composer(model, proposer);
    composer.generate(Tokens{1}, {.max_new_tokens = 3000});
    auto const& counters = composer.sequence(SequenceId{0}).counters();
    struct Result {
      double tokens_a_pass;
      copyspec::SourceCounters sources;
    };
    return Result{static_cast<double>(counters.generated) / static_cast<double>(counters.decode_passes),
                  counters.by_source};
  };
  auto const cost = PassCost::marginal(0.02);
  double const copying = rate(MixingProposer({.pass_cost = cost})).tokens_a_pass;
  std::size_t const before = draft.passes;
  auto const both = rate(ModelProposer(draft, MixingProposer({.pass_cost = cost}), costs(0.02, 0.3)));
  CHECK(both.tokens_a_pass > copying * 1.5);
  CHECK(both.sources[Source::context].accepted > both.sources[Source::draft_model].accepted);
  CHECK(both.sources[Source::draft_model].accepted > 200);
  // It is asked for the tokens that copying does not know, and few others.
  CHECK(draft.passes - before < 900);
}

TEST_CASE("drawn with the noise of the sequence, a model drafts for itself without a mistake at any temperature") {
  ToyModelOptions const toy{.vocabulary = 30, .order = 3};
  CompanionModel draft(toy, {.wrong_percent = 0});
  ToyModel<float> model(toy);
  Composer<ToyModel<float>, ModelProposer<CompanionModel>, SamplingVerifier> composer(
      model, ModelProposer<CompanionModel>(draft, {}, {.fixed_length = 6}));
  composer.generate(Tokens{1},
                    {.max_new_tokens = 400, .sampling = SamplingOptions{.temperature = 5, .top_p = 0.9F, .seed = 3}});
  auto const& counters = composer.sequence(SequenceId{0}).counters();
  CHECK(counters.accepted == counters.drafted);
  CHECK(counters.decode_passes < 400 / 6);
}

TEST_CASE("drawn independently, every row is handed on that a token was drawn from, and copies have none") {
  ToyModelOptions const toy{.vocabulary = 30, .order = 2, .max_tokens = 4096};
  CompanionModel draft(toy, {.wrong_percent = 0});
  auto const cost = PassCost::marginal(0.01);
  ModelProposer proposer(draft, MixingProposer({.pass_cost = cost}),
                         ModelProposerOptions{.pass_cost = cost, .draft_pass_cost = cost, .draft_cost = 0.05});
  SamplingOptions const options{.temperature = 0.5F, .seed = 3};
  proposer.set_sampling(options, true);
  Tokens context{1};
  std::array<Token, 16> space{};
  std::size_t drawn = 0, copied = 0;
  ToyModel<float> model(toy);
  for (int step = 0; step < 200; ++step) {
    Draft const proposed = proposer.propose(context, space);
    Tokens const tokens(space.begin(), space.begin() + static_cast<std::ptrdiff_t>(proposed.length));
    for (std::size_t i = 0; i < proposed.length; ++i) {
      bool const has_row = i < proposed.drawn_from.size() && !proposed.drawn_from[i].empty();
      (has_row ? drawn : copied) += 1;
      if (!has_row) continue;
      Tokens all = context;
      all.insert(all.end(), tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(i));
      model.truncate(SequenceId{0}, 0);
      copyspec::Segment const segment{.sequence = SequenceId{0}, .tokens = all, .rows = 1};
      CHECK(std::ranges::equal(model.forward({&segment, 1}).row(0), proposed.drawn_from[i]));
    }
    context.insert(context.end(), tokens.begin(), tokens.end());
    context.push_back(static_cast<Token>(step % 30));
  }
  CHECK(drawn > 100);
  CHECK(copied > 0);
}

TEST_CASE("another vocabulary is refused before anything runs") {
  CountingUp model, draft;
  draft.vocabulary = 60;
  CHECK_THROWS_WITH_AS(Counting<Alone>(model, Alone(draft)),
                       "the draft model has a vocabulary of 60 tokens, and the model one of 64: they need the same",
                       copyspec::Error);
  using Combined = BestDraft<CopyProposer, Alone>;
  CHECK_THROWS_AS(Counting<Combined>(model, Combined(PassCost(), CopyProposer(), Alone(draft))), copyspec::Error);
}

TEST_CASE("the draft model's time is not counted as the other's") {
  struct Slow : CountingUp {
    std::chrono::microseconds takes{};
    copyspec::LogitsView<float> forward(std::span<copyspec::Segment const> batch) {
      StillClock::current() += takes;
      return CountingUp::forward(batch);
    }
  };
  Slow model, draft;
  model.takes = std::chrono::microseconds(1000);
  draft.takes = std::chrono::microseconds(200);
  using Proposer = ModelProposer<Slow, NoProposer, StillClock>;
  Composer<Slow, Proposer, GreedyVerifier, StillClock> composer(model, Proposer(draft));
  composer.generate(Tokens{1}, {.max_new_tokens = 300});
  CHECK(composer.proposer(SequenceId{0}).draft_cost() == doctest::Approx(0.2).epsilon(0.02));
  CHECK(composer.proposer(SequenceId{0}).pass_cost().seconds(1) == doctest::Approx(1e-3).epsilon(0.02));
  CHECK(composer.proposer(SequenceId{0}).draft_model().failures() == 0);
}

TEST_CASE("of the time of each pass exactly what the draft model took for it is taken off") {
  struct Slow : CountingUp {
    std::chrono::microseconds takes{};
    copyspec::LogitsView<float> forward(std::span<copyspec::Segment const> batch) {
      StillClock::current() += takes;
      return CountingUp::forward(batch);
    }
  };
  Slow draft;
  draft.takes = std::chrono::microseconds(700);
  // Every pass has three drafted tokens, for which the draft model takes longer than the other model for all rows.
  ModelProposer<Slow, NoProposer, StillClock> proposer(draft, NoProposer(), {.fixed_length = 3});
  Tokens context{1};
  Tokens space(8);
  for (int step = 0; step < 50; ++step) {
    auto const before = StillClock::now();
    std::size_t const drafted = proposer.propose(context, space).length;
    REQUIRE(drafted == 3);
    StillClock::current() += std::chrono::microseconds(1000);
    std::chrono::duration<double> const took = StillClock::now() - before;
    proposer.on_pass({.rows = drafted + 1, .sequences = 1, .seconds = took.count()});
    for (std::size_t i = 0; i <= drafted; ++i) context.push_back((context.back() + 1) % 64);
    // A pass without a draft has nothing taken off.
    proposer.on_draft_chosen(context, 0);
    proposer.on_pass({.rows = 1, .sequences = 1, .seconds = 0.0005});
    context.push_back((context.back() + 1) % 64);
  }
  CHECK(proposer.pass_cost().seconds(4) == doctest::Approx(1e-3).epsilon(1e-6));
  CHECK(proposer.pass_cost().seconds(1) == doctest::Approx(5e-4).epsilon(1e-6));
}

TEST_CASE("a copy made between two passes drafts on by itself, and leaves the original alone") {
  Pair const pair(3);
  CompanionModel companion(pair.draft_toy, pair.companion);
  using Proposer = ModelProposer<CompanionModel, MixingProposer>;
  MixingProposer const mixing({.pass_cost = PassCost::marginal(0.02)});
  auto const make = [&] { return Proposer(companion, mixing, {.fixed_length = 4}); };
  Tokens space(16);
  auto const propose = [&](auto& proposer, Tokens const& context) {
    std::size_t const length = proposer.propose(context, space).length;
    return Tokens(space.begin(), space.begin() + static_cast<std::ptrdiff_t>(length));
  };
  Proposer original = make();
  original.set_sampling({.temperature = 1, .seed = 9}, false);
  Proposer undisturbed = make();
  undisturbed.set_sampling({.temperature = 1, .seed = 9}, false);
  Tokens context{1, 2, 3};
  for (Token step = 0; step < 10; ++step) {
    propose(original, context);
    propose(undisturbed, context);
    context.push_back(step % 5);
  }
  original.prepare(context, 16);
  Proposer copy = original;
  Tokens other = context;
  for (Token step = 0; step < 10; ++step) {
    Proposer fresh = make();
    fresh.set_sampling({.temperature = 1, .seed = 9}, false);
    REQUIRE(propose(copy, other) == propose(fresh, other));
    REQUIRE(propose(original, context) == propose(undisturbed, context));
    other.push_back(4 - step % 4);
    context.push_back(step % 3);
  }
}

TEST_CASE("copies are claimed for one batch, until it is gone") {
  CountingUp draft;
  Alone const original(draft);
  {
    Alone first = original;
    first.claim();
    Alone moved = std::move(first);
    Alone second = moved;
    CHECK_THROWS_WITH_AS(
        second.claim(),
        "copies of this proposer already serve another composer: make one for each, with a draft model each",
        copyspec::Error);
    FirstDraft both(CopyProposer(), original);
    CHECK_THROWS_AS(both.claim(), copyspec::Error);
    Alone(draft).claim();
  }
  Alone again = original;
  again.claim();
}

TEST_CASE("two composers of copies are refused while both live") {
  CountingUp model, draft;
  Alone const original(draft);
  {
    Counting<Alone> composer(model, original);
    composer.generate(Tokens{1}, {.max_new_tokens = 5});
    CHECK_THROWS_AS(Counting<Alone>(model, original), copyspec::Error);
    CHECK_THROWS_AS(Counting<Alone>(model, composer.proposer(SequenceId{0})), copyspec::Error);
  }
  Counting<Alone> after(model, original);
  after.generate(Tokens{1}, {.max_new_tokens = 5});
}

TEST_CASE("nothing is allocated once the beginning is over") {
  CountingUp model, draft;
  auto const cost = PassCost::marginal(0.02);
  using Proposer = ModelProposer<CountingUp, MixingProposer>;
  Counting<Proposer> composer(model, Proposer(draft, MixingProposer({.pass_cost = cost}), costs(0.02, 0.05)));
  for (std::int32_t i = 0; i < 3; ++i)
    composer.begin(SequenceId{i}, Tokens{1}, {.max_new_tokens = 500, .max_draft_length = 6});
  auto const step = [&] { return composer.step([](auto const&) {}); };
  for (int i = 0; i < 20; ++i) step();
  std::size_t const before = allocations();
  std::size_t steps = 0;
  while (step()) ++steps;
  CHECK(steps > 5);
  CHECK(draft.passes > 10);
  CHECK(allocations() == before);
}

TEST_CASE("a draft model that knows no placeholders is not asked where a context has one") {
  ToyModelOptions const options{.vocabulary = 16, .order = 2, .placeholders = true};
  ToyModel<float> target(options);
  ToyModel<float> draft({.vocabulary = 16, .order = 2});
  Composer composer(target, ModelProposer(draft, NoProposer(), {.fixed_length = 3}), GreedyVerifier());
  SequenceId const image{0}, copy{1}, text{2};
  composer.begin(image, Tokens{1, 2, 3}, {.max_new_tokens = 5});
  composer.run();
  std::size_t const before = composer.sequence(image).counters().drafted;
  CHECK(before > 0);
  composer.begin(image, Tokens{4, -2, 5}, {.max_new_tokens = 40});
  composer.fork(image, copy);
  composer.begin(text, Tokens{1, 2, 3}, {.max_new_tokens = 40});
  composer.run();
  CHECK(composer.sequence(image).counters().drafted == before);
  CHECK(composer.sequence(copy).counters().drafted == 0);
  CHECK(composer.sequence(text).counters().drafted > 0);
  CHECK(composer.sequence(image).generated().size() == 40);
  // Without the placeholder it can be read again.
  composer.truncate(image, 3);
  composer.begin(image, Tokens{4, 5}, {.max_new_tokens = 40});
  composer.run();
  CHECK(composer.sequence(image).counters().drafted > before);
}
