// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/mix/history.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "../stream.hpp"

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

struct Generation {
  double seconds = 0;
  std::size_t steps = 0;
  std::size_t guesses = 0;
};

// Generates behind a prompt, the model saying what stands there. A step takes in what the last one made known, learns
// from it, predicts and cuts. A guess is a token said or drafted, each of which was predicted at least once.
Generation generate(copyspec::MixingProposer& proposer, std::span<Token const> tokens, std::span<Token> space) {
  Generation done;
  std::size_t length = tokens.size() - generated;
  benchmark::DoNotOptimize(proposer.propose(tokens.first(length), space).length);
  auto const begin = std::chrono::steady_clock::now();
  while (length < tokens.size()) {
    std::size_t const drafted = proposer.propose(tokens.first(length), space).length;
    std::size_t accepted = 0;
    while (accepted < drafted && length + accepted + 1 < tokens.size() && space[accepted] == tokens[length + accepted])
      ++accepted;
    length += accepted + 1;
    done.guesses += accepted + 1 + drafted;
    ++done.steps;
  }
  done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return done;
}

// An iteration is all of it.
void mixing_step(benchmark::State& state) {
  std::vector<Token> const tokens = made_up(state);
  std::vector<Token> space(64);
  Generation done;
  for (auto _ : state) {
    copyspec::MixingProposer proposer = fresh();
    proposer.reserve(tokens.size());
    done = generate(proposer, tokens, space);
    state.SetIterationTime(done.seconds);
  }
  auto const each = benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert;
  state.counters["per_step"] = benchmark::Counter(static_cast<double>(done.steps), each);
  state.counters["per_guess"] = benchmark::Counter(static_cast<double>(done.guesses), each);
}

// Answers that copy from themselves and from those before, 512 tokens each, as many as make ten million tokens; and
// behind them the text of `made_up`, so that some of what it says was said there.
std::shared_ptr<copyspec::History> ten_million_tokens(std::vector<Token> const& text) {
  constexpr std::size_t tokens = 10'000'000;
  constexpr std::size_t answer = 512;
  std::mt19937_64 random(11);
  std::vector<Token> said;
  grow(said, copy_heavy, tokens, random);
  auto history = std::make_shared<copyspec::History>(std::size_t{600} << 20);
  for (std::size_t begin = 0; begin < tokens; begin += answer)
    history->append(std::span(said).subspan(begin, std::min(answer, tokens - begin)));
  // Every other part of the text to come.
  for (std::size_t begin = text.size() - generated; begin < text.size(); begin += 128)
    history->append(std::span(text).subspan(begin, 64));
  return history;
}

// As `mixing_step`, of a sequence without a history and one with ten million tokens in turn, so that both meet the
// same machine: `step_ratio` is what a step takes with, over what it takes without, `guess_ratio` the same of a guess.
void mixing_step_with_history(benchmark::State& state) {
  std::vector<Token> const tokens = made_up(state);
  std::vector<Token> space(64);
  auto const history = ten_million_tokens(tokens);
  struct Taken {
    double seconds = 0;
    std::size_t steps = 0;
    std::size_t guesses = 0;
  };
  std::array<Taken, 2> taken{};
  for (auto _ : state) {
    for (std::size_t with = 0; with < taken.size(); ++with) {
      copyspec::MixingProposer proposer(
          {.pass_cost = copyspec::PassCost::marginal(0.02), .history = with != 0 ? history : nullptr});
      proposer.reserve(tokens.size());
      Generation const done = generate(proposer, tokens, space);
      taken[with].seconds += done.seconds;
      taken[with].steps += done.steps;
      taken[with].guesses += done.guesses;
    }
    state.SetIterationTime(taken[1].seconds);
  }
  auto const step = [](Taken const& of) { return of.seconds / static_cast<double>(of.steps); };
  auto const guess = [](Taken const& of) { return of.seconds / static_cast<double>(of.guesses); };
  state.counters["without"] = step(taken[0]);
  state.counters["with"] = step(taken[1]);
  state.counters["step_ratio"] = step(taken[1]) / step(taken[0]);
  state.counters["guess_ratio"] = guess(taken[1]) / guess(taken[0]);
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

// At the end of a copy of a thousand tokens, where a row costs nothing: a chain of as many tokens as there is room for.
// The first 48 are predicted one by one, and the rest is copied.
void mixing_long_copy(benchmark::State& state) {
  std::mt19937_64 random(7);
  std::vector<Token> tokens;
  grow(tokens, random_tokens, 10'000, random);
  std::vector<Token> space(static_cast<std::size_t>(state.range(0)));
  copyspec::MixingProposer proposer({.pass_cost = copyspec::PassCost::marginal(0)});
  proposer.reserve(tokens.size() + 1000);
  std::size_t drafted = 0;
  for (std::size_t i = 0; i < 1000; ++i) {
    tokens.push_back(tokens[i]);
    drafted = proposer.propose(tokens, space).length;
  }
  for (auto _ : state) benchmark::DoNotOptimize(drafted = proposer.propose(tokens, space).length);
  state.counters["drafted"] = static_cast<double>(drafted);
}

BENCHMARK(mixing_read)->Apply(streams_and_contexts);
BENCHMARK(mixing_step)->Apply(streams_and_contexts);
BENCHMARK(mixing_step_with_history)
    ->ArgNames({"stream", "context"})
    ->Args({copy_heavy, 10'000})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(mixing_long_copy)->ArgName("space")->Arg(48)->Arg(512)->Unit(benchmark::kMicrosecond);
BENCHMARK(mixing_guess<false>)->Apply(streams_and_contexts);
BENCHMARK(mixing_guess<true>)->Apply(streams_and_contexts);

}  // namespace
