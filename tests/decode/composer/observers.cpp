// SPDX-License-Identifier: MIT
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/pass_report.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/decode/stop.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/verifier.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/composer_fixture.hpp"
#include "support/copy_settings.hpp"
#include "support/hostile_proposer.hpp"
#include "support/random.hpp"
#include "support/thrown.hpp"
#include "support/tokens.hpp"
#include "support/watched_model.hpp"

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::Draft;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::OutputDelta;
using copyspec::PassReport;
using copyspec::Segment;
using copyspec::SequenceCounters;
using copyspec::SequenceId;
using copyspec::Source;
using copyspec::StopDecision;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::testing::ToyModelOptions;
using copyspec_test::always_right;
using copyspec_test::any_copy_options;
using copyspec_test::any_tokens;
using copyspec_test::copy;
using copyspec_test::HostileProposer;
using copyspec_test::id;
using copyspec_test::Interrupted;
using copyspec_test::Random;
using copyspec_test::Refused;
using copyspec_test::show_nothing;
using copyspec_test::some_prompt;
using copyspec_test::Tokens;
using copyspec_test::WatchedModel;

TEST_CASE("the counters add up") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ToyModelOptions const options{
        .vocabulary = 16, .order = 2, .seed = seed, .max_tokens = random.any_of<std::size_t>({1, 4, 7, 100})};
    WatchedModel model(options);
    Composer composer(model, CopyProposer(any_copy_options(random)), GreedyVerifier());
    std::size_t const budget = random.between(1, 60);
    composer.generate(some_prompt, {.max_new_tokens = budget});
    SequenceCounters const& counters = composer.sequence(id(0)).counters();
    CHECK(counters.generated == budget);
    CHECK(counters.tokens_fed == model.fed);
    CHECK(counters.drafted == model.drafted);
    CHECK(counters.decode_passes + counters.prefill_passes == model.passes);
    // Every pass with rows adds one token of the model's own.
    CHECK(counters.generated == counters.decode_passes + counters.accepted);
    CHECK(counters.tokens_fed == some_prompt.size() + budget - 1 + counters.drafted - counters.accepted);
    CHECK(counters.accepted <= counters.drafted);
    CHECK(counters.draft_passes <= counters.decode_passes);
    CHECK(counters.draft_passes <= counters.drafted);
    CHECK((counters.draft_passes == 0) == (counters.drafted == 0));
    CHECK(counters.prefill_passes == (some_prompt.size() - 1) / options.max_tokens);
    auto const sources = composer.sequence(id(0)).sources();
    CHECK(sources.size() - static_cast<std::size_t>(std::ranges::count(sources, Source::model)) == counters.accepted);
    std::size_t drafted = 0;
    for (Source const source : copyspec::draft_sources) {
      drafted += counters.by_source[source].drafted;
      CHECK(counters.by_source[source].accepted == static_cast<std::size_t>(std::ranges::count(sources, source)));
    }
    CHECK(drafted == counters.drafted);
  }
}

namespace {

// Every look at it is one tick later.
struct TickingClock {
  using duration = std::chrono::duration<std::int64_t>;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<TickingClock>;
  static inline std::int64_t ticks = 0;
  static time_point now() { return time_point(duration(++ticks)); }
};

}  // namespace

TEST_CASE("times are read from the clock that was given, once before and once after each piece of work") {
  ToyModelOptions const options{.max_tokens = 4};
  WatchedModel model(options);
  TickingClock::ticks = 0;
  Composer<WatchedModel, HostileProposer, GreedyVerifier, TickingClock> composer(model, always_right(options));
  composer.begin(id(0), some_prompt, {.max_new_tokens = 12});
  composer.run();
  auto const& times = composer.times();
  SequenceCounters const& counters = composer.sequence(id(0)).counters();
  CHECK(times.forward.count() == static_cast<std::int64_t>(model.passes));
  CHECK(times.verify.count() == static_cast<std::int64_t>(counters.decode_passes));
  CHECK(times.propose.count() == static_cast<std::int64_t>(counters.draft_passes));
  CHECK(times.truncate.count() == 0);
  composer.truncate(id(0), 3);
  CHECK(times.truncate.count() == 1);
  CHECK(TickingClock::ticks == 2 * (times.forward + times.verify + times.propose + times.truncate).count());
}

TEST_CASE("the time of a pass that fails is counted as well") {
  ToyModelOptions const options;
  WatchedModel model(options);
  model.fails = [](std::size_t) { return true; };
  TickingClock::ticks = 0;
  Composer<WatchedModel, HostileProposer, GreedyVerifier, TickingClock> composer(model, always_right(options));
  composer.begin(id(0), some_prompt);
  CHECK_THROWS_AS(composer.run(), Refused);
  CHECK(composer.times().forward.count() == 2);
}

namespace {

// Stands still unless something works.
struct WorkClock {
  using duration = std::chrono::duration<std::int64_t, std::milli>;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<WorkClock>;
  static inline std::int64_t worked = 0;
  static inline std::size_t reads = 0;
  static time_point now() {
    ++reads;
    return time_point(duration(worked));
  }
};

struct WorkingModel : WatchedModel {
  using WatchedModel::WatchedModel;
  LogitsView<float> forward(std::span<Segment const> batch) {
    WorkClock::worked += 1000;
    return WatchedModel::forward(batch);
  }
  std::size_t truncate(SequenceId sequence, std::size_t length) {
    WorkClock::worked += 100;
    return WatchedModel::truncate(sequence, length);
  }
};

struct WorkingVerifier {
  static Verdict verify(LogitsView<float> rows, std::span<Token const> tokens, std::size_t length) {
    WorkClock::worked += 10;
    return GreedyVerifier().verify(rows, tokens, length);
  }
};

// What a composer told its proposer, and whether a copy was told.
struct Told {
  std::vector<PassReport> reports;
  bool copy = false;
};

class ObservingProposer {
 public:
  ObservingProposer(HostileProposer proposer, Told& told) : proposer_(std::move(proposer)), told_(&told) {}
  ObservingProposer(ObservingProposer const& other) : proposer_(other.proposer_), told_(other.told_), is_copy_(true) {}
  ObservingProposer(ObservingProposer&&) = default;
  ObservingProposer& operator=(ObservingProposer const&) = delete;
  ObservingProposer& operator=(ObservingProposer&&) = default;
  ~ObservingProposer() = default;

  Draft propose(std::span<Token const> context, std::span<Token> space) {
    WorkClock::worked += 1;
    return proposer_.propose(context, space);
  }
  void truncate(std::size_t length) { proposer_.truncate(length); }
  void on_pass(PassReport const& report) {
    told_->reports.push_back(report);
    told_->copy = told_->copy || is_copy_;
  }

 private:
  HostileProposer proposer_;
  Told* told_;
  bool is_copy_ = false;
};

using ObservedComposer = Composer<WorkingModel, ObservingProposer, WorkingVerifier, WorkClock>;

// What is to be told of the newest pass, apart from the time.
std::optional<PassReport> expected_report(WatchedModel const& model) {
  PassReport report{.rows = 0, .sequences = model.newest.size(), .seconds = 0.0};
  for (auto const& share : model.newest) {
    if (share.rows != share.tokens.size()) return std::nullopt;
    report.rows += share.rows;
  }
  return report;
}

}  // namespace

TEST_CASE("a proposer that asks for it hears once of every pass that fed no part of a prompt, without callbacks") {
  std::size_t drafted = 0;
  std::size_t together = 0;
  std::size_t untold = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ToyModelOptions const options{.vocabulary = 12,
                                  .order = 2,
                                  .seed = seed,
                                  .max_tokens = random.any_of<std::size_t>({1, 4, 9, 100}),
                                  .checkpoint_interval = random.any_of<std::size_t>({1, 1, 4})};
    WorkingModel model(options);
    Told told;
    std::string wrong;
    ObservedComposer composer(
        model, ObservingProposer(HostileProposer(HostileProposer::right_then_wrong, options, wrong), told));
    for (std::size_t i = 0; i < 3; ++i)
      composer.begin(id(i), any_tokens(random, 12, random.any_of<std::size_t>({1, 2, 30})),
                     {.max_new_tokens = random.between(1, 40), .max_draft_length = random.below(7)});
    for (bool more = true; more;) {
      told.reports.clear();
      std::int64_t const before = WorkClock::worked;
      std::int64_t idle = 0;
      auto const waste = [&] {
        WorkClock::worked += 1'000'000;
        idle += 1'000'000;
      };
      more = composer.step([&](OutputDelta const&) { waste(); },
                           [&](SequenceId, std::span<Token const>) {
                             waste();
                             return StopDecision{};
                           });
      auto const expected = expected_report(model);
      REQUIRE(told.reports.size() == (expected ? 1 : 0));
      untold += expected ? 0U : 1U;
      if (!expected) continue;
      PassReport const& report = told.reports[0];
      CHECK(report.rows == expected->rows);
      CHECK(report.sequences == expected->sequences);
      CHECK(report.seconds == doctest::Approx(static_cast<double>(WorkClock::worked - before - idle) / 1000));
      drafted += report.rows > report.sequences ? 1 : 0;
      together += report.sequences > 1 ? 1 : 0;
    }
    CHECK_FALSE(told.copy);
  }
  CHECK(drafted > 100);
  CHECK(together > 100);
  CHECK(untold > 100);
}

TEST_CASE("a proposer does not hear of passes that fail, and not of the time that a refused draft took") {
  ToyModelOptions const options;
  WorkingModel model(options);
  Told told;
  ObservedComposer composer(model, ObservingProposer(always_right(options), told));
  composer.begin(id(0), Tokens{1}, {.max_new_tokens = 40, .max_draft_length = 3});
  model.fails = [](std::size_t call) { return call == 2 || call == 4 || call == 5; };
  composer.step(show_nothing);
  REQUIRE(told.reports.size() == 1);
  CHECK(told.reports[0].rows == 4);
  CHECK(told.reports[0].seconds == doctest::Approx(1.011));
  // Refused, and made again without a draft.
  composer.step(show_nothing);
  REQUIRE(told.reports.size() == 2);
  CHECK(told.reports[1].rows == 1);
  CHECK(told.reports[1].seconds == doctest::Approx(1.010));
  CHECK_THROWS_AS(composer.step(show_nothing), Refused);
  CHECK(told.reports.size() == 2);
  // What the callback throws comes after a pass that was made.
  CHECK_THROWS_AS(composer.step([](OutputDelta const&) { throw Interrupted{}; }), Interrupted);
  REQUIRE(told.reports.size() == 3);
  CHECK(told.reports[2].rows == 4);
  CHECK(told.reports[2].seconds == doctest::Approx(1.011));
}

TEST_CASE("a step in which nothing runs is no pass to hear of") {
  WorkingModel model{ToyModelOptions{}};
  Told told;
  ObservedComposer composer(model, ObservingProposer(always_right({}), told));
  CHECK_FALSE(composer.step(show_nothing));
  composer.begin(id(0), some_prompt, {.max_new_tokens = 1});
  composer.run();
  CHECK_FALSE(composer.step(show_nothing));
  CHECK(told.reports.empty());
}

TEST_CASE("hearing of passes reads the clock no more often") {
  ToyModelOptions const options;
  auto const reads = [&](auto proposer) {
    WorkingModel model(options);
    WorkClock::reads = 0;
    Composer<WorkingModel, decltype(proposer), WorkingVerifier, WorkClock> composer(model, std::move(proposer));
    composer.generate(some_prompt, {.max_new_tokens = 30, .max_draft_length = 4});
    return WorkClock::reads;
  };
  Told told;
  std::size_t const observed = reads(ObservingProposer(always_right(options), told));
  CHECK(told.reports.size() == 5);
  CHECK(observed == reads(always_right(options)));
}
