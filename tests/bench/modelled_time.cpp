// SPDX-License-Identifier: MIT
#include "bench/modelled_time.hpp"

#include <doctest/doctest.h>

#include <copyspec/testing/model_laws.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "bench/policy.hpp"
#include "bench/replay_trace.hpp"
#include "bench/trace.hpp"

using copyspec::MixingProposer;
using copyspec::PassCost;
using copyspec::bench::modelled_cost;
using copyspec::bench::ModelledClock;
using copyspec::bench::PassTime;
using copyspec::bench::PassTimeSettings;
using copyspec::bench::TimedModel;
using copyspec::testing::ToyModel;

static_assert(copyspec::TreeModel<TimedModel<ToyModel<>>>);

TEST_CASE("a pass takes what the settings say, and more only by noise and outliers") {
  PassTime exact({.marginal_cost = 0.25, .second_row = 0.5});
  CHECK(exact(1) == std::chrono::microseconds(1000));
  CHECK(exact(2) == std::chrono::microseconds(1750));
  CHECK(exact(9) == std::chrono::microseconds(3500));
  PassTime noisy({.marginal_cost = 0.25, .noise = 0.2, .outliers = 0.1, .seed = 5});
  PassTime same({.marginal_cost = 0.25, .noise = 0.2, .outliers = 0.1, .seed = 5});
  double sum = 0;
  std::size_t outliers = 0;
  std::size_t usual = 0;
  for (int i = 0; i < 20000; ++i) {
    auto const time = noisy(1);
    CHECK(time == same(1));
    REQUIRE(time >= std::chrono::microseconds(1000));
    if (time >= std::chrono::milliseconds(30)) {
      ++outliers;
    } else {
      sum += std::chrono::duration<double, std::milli>(time).count();
      ++usual;
    }
  }
  CHECK(outliers > 1900);
  CHECK(outliers < 2100);
  CHECK(sum / static_cast<double>(usual) == doctest::Approx(1.2).epsilon(0.01));
}

TEST_CASE("a timed model keeps the laws of the model, and only its passes move the clock") {
  PassTime time({.marginal_cost = 0.1});
  TimedModel model(ToyModel<>({.vocabulary = 8, .max_branches = 4}), time);
  CHECK(copyspec::testing::check_model_laws(model, {.seed = 3}).ok());
  auto const before = ModelledClock::now();
  copyspec::Token const token = 1;
  copyspec::Segment const segment{.sequence = copyspec::SequenceId{0}, .tokens = {&token, 1}, .rows = 1};
  model.forward(std::span(&segment, 1));
  model.truncate(copyspec::SequenceId{0}, 0);
  CHECK(ModelledClock::now() - before == std::chrono::microseconds(1000));
}

TEST_CASE("the cost that a proposer is told is that of the modelled passes") {
  for (double const jump : {0.0, 0.6}) {
    PassCost const cost = modelled_cost(0.25, jump);
    PassTime time({.marginal_cost = 0.25, .second_row = jump});
    for (std::size_t rows = 1; rows < 100; ++rows)
      CHECK(cost(rows) * 1e6 == doctest::Approx(static_cast<double>(time(rows).count())));
  }
}

TEST_CASE("a replay on modelled times teaches what passes cost, the same each time") {
  auto const path = std::filesystem::path(__FILE__).parent_path() / "../../bench/traces/smollm2-135m.demo.jsonl";
  copyspec::bench::Trace const trace = copyspec::bench::read_trace(path.string());
  std::vector<std::size_t> passes;
  for (int i = 0; i < 2; ++i) {
    MixingProposer const proposer;
    std::size_t sum = 0;
    copyspec::bench::ReplayOptions const options{
        .pass_time = PassTimeSettings{.marginal_cost = 0.1, .noise = 0.05, .outliers = 0.02}};
    for (auto const& turn : replay(trace, proposer, options)) sum += turn.tally.passes;
    passes.push_back(sum);
    CHECK(proposer.pass_cost()(9) == doctest::Approx(1.8).epsilon(0.1));
  }
  CHECK(passes[0] == passes[1]);
}
