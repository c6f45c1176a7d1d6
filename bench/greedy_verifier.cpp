// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <algorithm>
#include <copyspec/greedy_verifier.hpp>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace {

using copyspec::Token;

constexpr std::size_t vocabulary = 151936;
constexpr std::size_t rows = 11;

// Rows whose choices are the tokens 100, 101, ..., so that a draft of those is accepted and every row is read.
std::vector<float> make_logits() {
  std::vector<float> logits(rows * vocabulary);
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.0F, 3.0F);
  std::ranges::generate(logits, [&] { return normal(random); });
  for (std::size_t row = 0; row < rows; ++row) logits[row * vocabulary + 100 + row] = 40.0F;
  return logits;
}

void set_bytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<std::int64_t>(static_cast<std::size_t>(state.iterations()) * rows * vocabulary *
                                                    sizeof(float)));
}

// The limit: the same bytes, only read. An integer sum, because its additions take one cycle.
void read(benchmark::State& state) {
  std::vector<float> const logits = make_logits();
  using Words = Eigen::Array<std::int32_t, Eigen::Dynamic, 1>;
  Eigen::Map<Words const> const words(reinterpret_cast<std::int32_t const*>(logits.data()),
                                      static_cast<Eigen::Index>(logits.size()));
  for (auto _ : state) benchmark::DoNotOptimize(words.sum());
  set_bytes(state);
}

void greedy_verifier(benchmark::State& state) {
  std::vector<float> const logits = make_logits();
  std::vector<Token> tokens{1};
  for (std::size_t row = 0; row + 1 < rows; ++row) tokens.push_back(static_cast<Token>(100 + row));
  copyspec::GreedyVerifier verifier;
  for (auto _ : state) {
    copyspec::Verdict const verdict =
        verifier.verify(copyspec::LogitsView<float>(logits.data(), rows, vocabulary), tokens, 1);
    if (verdict.accepted != rows - 1) state.SkipWithError("the draft was not accepted");
    benchmark::DoNotOptimize(verdict.next);
  }
  set_bytes(state);
}

void eigen_max_coeff_with_index(benchmark::State& state) {
  std::vector<float> const logits = make_logits();
  for (auto _ : state) {
    for (std::size_t row = 0; row < rows; ++row) {
      Eigen::Index best = 0;
      Eigen::Map<Eigen::ArrayXf const>(logits.data() + row * vocabulary, static_cast<Eigen::Index>(vocabulary))
          .maxCoeff(&best);
      benchmark::DoNotOptimize(best);
    }
  }
  set_bytes(state);
}

BENCHMARK(read);
BENCHMARK(greedy_verifier);
BENCHMARK(eigen_max_coeff_with_index);

}  // namespace
