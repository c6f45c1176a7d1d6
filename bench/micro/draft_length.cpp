// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <algorithm>
#include <copyspec/cost/draft_length.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace {

// As many chains as the branch predictor does not learn by heart.
constexpr std::size_t chains = 1024;

void draft_length(benchmark::State& state) {
  auto const length = static_cast<std::size_t>(state.range(0));
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(0.5F, 1.0F);
  std::vector<float> probabilities(chains * length);
  std::ranges::generate(probabilities, [&] { return uniform(random); });
  copyspec::PassCost const cost;
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(copyspec::draft_length({probabilities.data() + next * length, length}, cost));
    next = (next + 1) % chains;
  }
}

// Of a copy that is expected to go on, so that all of it is looked at.
void draft_length_of_copy(benchmark::State& state) {
  auto const length = static_cast<std::size_t>(state.range(0));
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(0.998F, 1.0F);
  std::vector<float> probabilities(chains * length);
  std::ranges::generate(probabilities, [&] { return uniform(random); });
  copyspec::PassCost cost;
  for (int i = 0; i < 20; ++i) {
    cost.observe(1, 0.01);
    cost.observe(512, 0.02);
  }
  std::size_t next = 0;
  std::size_t drafted = 0;
  for (auto _ : state) {
    drafted = copyspec::draft_length({probabilities.data() + next * length, length}, cost);
    benchmark::DoNotOptimize(drafted);
    next = (next + 1) % chains;
  }
  state.counters["drafted"] = static_cast<double>(drafted);
}

void observe_pass_cost(benchmark::State& state) {
  auto const row_counts = static_cast<std::size_t>(state.range(0));
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform(0.9, 1.1);
  std::vector<double> noise(chains);
  std::ranges::generate(noise, [&] { return uniform(random); });
  copyspec::PassCost cost;
  std::size_t next = 0;
  for (auto _ : state) {
    std::size_t const rows = 1 + next % row_counts;
    cost.observe(rows, 0.01 * noise[next] * (1.0 + 0.1 * static_cast<double>(rows)));
    next = (next + 1) % chains;
  }
  benchmark::DoNotOptimize(cost(2));
}

BENCHMARK(draft_length)->Arg(1)->Arg(5)->Arg(10)->Arg(20)->Arg(48)->Arg(64);
BENCHMARK(draft_length_of_copy)->Arg(64)->Arg(128)->Arg(512);
BENCHMARK(observe_pass_cost)->Arg(2)->Arg(16)->Arg(64)->Arg(512);

}  // namespace
