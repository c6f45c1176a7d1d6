// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <chrono>
#include <copyspec/mixing_proposer.hpp>
#include <copyspec/pass_cost.hpp>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "stream.hpp"

namespace {

using copyspec::Token;
using namespace copyspec::bench;

constexpr std::size_t generated = 4096;

copyspec::MixingProposer fresh() {
  return copyspec::MixingProposer({.pass_cost = copyspec::PassCost::marginal(0.02)});
}

std::vector<Token> made_up(benchmark::State const& state) {
  std::mt19937_64 random(7);
  std::vector<Token> tokens;
  grow(tokens, static_cast<Stream>(state.range(0)), static_cast<std::size_t>(state.range(1)) + generated, random);
  return tokens;
}

// Takes in a prompt.
void mixing_read(benchmark::State& state) {
  std::vector<Token> const tokens = made_up(state);
  std::vector<Token> space(64);
  auto const prompt = std::span(tokens).first(tokens.size() - generated);
  for (auto _ : state) {
    copyspec::MixingProposer proposer = fresh();
    proposer.reserve(tokens.size());
    auto const begin = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(proposer.propose(prompt, space).length);
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    state.counters["bytes_per_token"] =
        static_cast<double>(proposer.memory_bytes()) / static_cast<double>(tokens.size());
  }
  state.counters["per_token"] = benchmark::Counter(
      static_cast<double>(prompt.size()), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

// Generates behind a prompt, the model saying what stands there: an iteration is all of it. A step takes in what the
// last one made known, learns from it, predicts and cuts. `per_guess` divides the time by the tokens said and drafted,
// each of which was predicted at least once.
void mixing_step(benchmark::State& state) {
  std::vector<Token> const tokens = made_up(state);
  std::vector<Token> space(64);
  std::size_t steps = 0;
  std::size_t guesses = 0;
  for (auto _ : state) {
    copyspec::MixingProposer proposer = fresh();
    proposer.reserve(tokens.size());
    std::size_t length = tokens.size() - generated;
    benchmark::DoNotOptimize(proposer.propose(std::span(tokens).first(length), space).length);
    steps = guesses = 0;
    auto const begin = std::chrono::steady_clock::now();
    while (length < tokens.size()) {
      std::size_t const drafted = proposer.propose(std::span(tokens).first(length), space).length;
      std::size_t accepted = 0;
      while (accepted < drafted && length + accepted + 1 < tokens.size() &&
             space[accepted] == tokens[length + accepted])
        ++accepted;
      length += accepted + 1;
      guesses += accepted + 1 + drafted;
      ++steps;
    }
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  auto const each = benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert;
  state.counters["per_step"] = benchmark::Counter(static_cast<double>(steps), each);
  state.counters["per_guess"] = benchmark::Counter(static_cast<double>(guesses), each);
}

// Behind a prompt, again and again: a chain, or a tree with up to fifteen branches.
template <bool tree>
void mixing_guess(benchmark::State& state) {
  std::vector<Token> const tokens = made_up(state);
  std::vector<Token> space(64);
  std::vector<std::int32_t> parents(64);
  copyspec::MixingProposer proposer = fresh();
  proposer.reserve(tokens.size());
  std::size_t drafted = proposer.propose(tokens, space).length;
  for (auto _ : state) {
    auto const begin = std::chrono::steady_clock::now();
    if constexpr (tree)
      drafted = proposer.propose_tree(tokens, {.tokens = space, .parents = parents, .max_branches = 15}).length;
    else
      drafted = proposer.propose(tokens, space).length;
    benchmark::DoNotOptimize(drafted);
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  state.counters["drafted"] = static_cast<double>(drafted);
}

BENCHMARK(mixing_read)->Apply(streams_and_contexts);
BENCHMARK(mixing_step)->Apply(streams_and_contexts);
BENCHMARK(mixing_guess<false>)->Apply(streams_and_contexts);
BENCHMARK(mixing_guess<true>)->Apply(streams_and_contexts);

}  // namespace
