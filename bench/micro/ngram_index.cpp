// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <chrono>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/lookup/ngram_index.hpp>
#include <cstddef>
#include <random>
#include <span>
#include <vector>

#include "../stream.hpp"

namespace {

using copyspec::Token;
using namespace copyspec::bench;

constexpr std::size_t batch = 4096;

// Times `step(context)` for each of `batch` tokens behind a context. Every iteration appends other tokens, or the
// places that they go to in a table would be in cache; making them and cutting back are not timed.
template <class Object, class Step>
void time_steps(benchmark::State& state, Object& object, Step step) {
  auto const stream = static_cast<Stream>(state.range(0));
  auto const length = static_cast<std::size_t>(state.range(1));
  std::mt19937_64 random(7);
  std::vector<Token> tokens;
  tokens.reserve(length + batch + 400);
  grow(tokens, stream, length, random);
  object.reserve(length + batch);
  step(std::span<Token const>(tokens));
  for (auto _ : state) {
    grow(tokens, stream, length + batch, random);
    auto const begin = std::chrono::steady_clock::now();
    for (std::size_t size = length + 1; size <= tokens.size(); ++size) step(std::span<Token const>(tokens).first(size));
    auto const end = std::chrono::steady_clock::now();
    state.SetIterationTime(std::chrono::duration<double>(end - begin).count());
    object.truncate(length);
    tokens.resize(length);
  }
  state.counters["per_token"] = benchmark::Counter(
      static_cast<double>(batch), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["bytes_per_token"] = static_cast<double>(object.memory_bytes()) / static_cast<double>(length + batch);
}

void append_and_find(benchmark::State& state) {
  copyspec::NgramIndex<> index(3);
  time_steps(state, index, [&](std::span<Token const> context) {
    index.extend(context);
    benchmark::DoNotOptimize(index.find());
  });
}

void append_and_find_in_window(benchmark::State& state) {
  copyspec::NgramIndex<> index(3, 10'000);
  time_steps(state, index, [&](std::span<Token const> context) {
    index.extend(context);
    benchmark::DoNotOptimize(index.find());
  });
}

void propose(benchmark::State& state) {
  copyspec::CopyProposer proposer;
  std::vector<Token> space(16);
  time_steps(state, proposer, [&](std::span<Token const> context) {
    benchmark::DoNotOptimize(proposer.propose(context, space).length);
  });
}

BENCHMARK(append_and_find)->Apply(streams_and_contexts);
BENCHMARK(append_and_find_in_window)->Apply(streams_and_contexts);
BENCHMARK(propose)->Apply(streams_and_contexts);

}  // namespace
