// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <copyspec/verify/sampling_verifier.hpp>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "../rows.hpp"

namespace {

using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::Token;
using copyspec_bench::rows;
using copyspec_bench::vocabulary;

// Row after row without drafts, so that all are read.
void sampling_verifier(benchmark::State& state, SamplingOptions options) {
  std::vector<float> const logits = copyspec_bench::make_logits(16.0F);
  std::vector<Token> const context{1};
  SamplingVerifier verifier;
  std::uint64_t seed = 0;
  for (auto _ : state) {
    options.seed = ++seed;
    verifier.begin_turn({.options = &options, .vocabulary = vocabulary, .budget = 1, .answer = 1});
    for (std::size_t row = 0; row < rows; ++row) {
      copyspec::LogitsView<float> const view(logits.data() + row * vocabulary, 1, vocabulary);
      benchmark::DoNotOptimize(verifier.verify(view, context, 1).next);
    }
  }
  state.SetBytesProcessed(
      static_cast<std::int64_t>(static_cast<std::size_t>(state.iterations()) * rows * vocabulary * sizeof(float)));
}

BENCHMARK_CAPTURE(sampling_verifier, unfiltered, SamplingOptions{});
BENCHMARK_CAPTURE(sampling_verifier, top_k_top_p_min_p,
                  SamplingOptions{.temperature = 0.8F, .top_k = 50, .top_p = 0.9F, .min_p = 0.05F});
BENCHMARK_CAPTURE(sampling_verifier, min_p, SamplingOptions{.temperature = 0.8F, .min_p = 0.05F});
BENCHMARK_CAPTURE(sampling_verifier, top_p, SamplingOptions{.temperature = 0.8F, .top_p = 0.9F});
BENCHMARK_CAPTURE(sampling_verifier, typical_p, SamplingOptions{.typical_p = 0.9F});
BENCHMARK_CAPTURE(sampling_verifier, top_k_repetition_penalty,
                  SamplingOptions{.top_k = 50, .penalties = {.repetition = 1.1F}});
BENCHMARK_CAPTURE(sampling_verifier, top_k_logprobs, SamplingOptions{.top_k = 50, .logprobs = 5});

}  // namespace
