// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <copyspec/verify/greedy_verifier.hpp>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../rows.hpp"

namespace {

using copyspec::Token;

using copyspec_bench::rows;
using copyspec_bench::vocabulary;

// A draft of the greatest ones is accepted, and every row is read.
std::vector<float> make_logits() {
  return copyspec_bench::make_logits(40.0F);
}

void set_bytes(benchmark::State& state) {
  state.SetBytesProcessed(
      static_cast<std::int64_t>(static_cast<std::size_t>(state.iterations()) * rows * vocabulary * sizeof(float)));
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
