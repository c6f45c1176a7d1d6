// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>
#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "../rows.hpp"

namespace {

using copyspec_bench::rows;
using copyspec_bench::vocabulary;

// llama.cpp's sampler chain as its own programs use it: all logits into an array of candidates, then filter after
// filter.
void llama_cpp_samplers(benchmark::State& state, int top_k, float top_p, float min_p, float temperature) {
  std::vector<float> const logits = copyspec_bench::make_logits(16.0F);
  std::unique_ptr<llama_sampler, void (*)(llama_sampler*)> const chain(
      llama_sampler_chain_init(llama_sampler_chain_default_params()), llama_sampler_free);
  if (top_k > 0) llama_sampler_chain_add(chain.get(), llama_sampler_init_top_k(top_k));
  if (top_p < 1) llama_sampler_chain_add(chain.get(), llama_sampler_init_top_p(top_p, 1));
  if (min_p > 0) llama_sampler_chain_add(chain.get(), llama_sampler_init_min_p(min_p, 1));
  llama_sampler_chain_add(chain.get(), llama_sampler_init_temp(temperature));
  llama_sampler_chain_add(chain.get(), llama_sampler_init_dist(1));
  std::vector<llama_token_data> candidates(vocabulary);
  for (auto _ : state) {
    for (std::size_t row = 0; row < rows; ++row) {
      float const* const row_logits = logits.data() + row * vocabulary;
      for (std::size_t i = 0; i < vocabulary; ++i)
        candidates[i] = {.id = static_cast<llama_token>(i), .logit = row_logits[i], .p = 0};
      llama_token_data_array all{.data = candidates.data(), .size = vocabulary, .selected = -1, .sorted = false};
      llama_sampler_apply(chain.get(), &all);
      benchmark::DoNotOptimize(all.data[all.selected].id);
    }
  }
  state.SetBytesProcessed(
      static_cast<std::int64_t>(static_cast<std::size_t>(state.iterations()) * rows * vocabulary * sizeof(float)));
}

BENCHMARK_CAPTURE(llama_cpp_samplers, unfiltered, 0, 1.0F, 0.0F, 1.0F);
BENCHMARK_CAPTURE(llama_cpp_samplers, top_k_top_p_min_p, 50, 0.9F, 0.05F, 0.8F);
BENCHMARK_CAPTURE(llama_cpp_samplers, min_p, 0, 1.0F, 0.05F, 0.8F);
BENCHMARK_CAPTURE(llama_cpp_samplers, top_p, 0, 0.9F, 0.0F, 0.8F);

}  // namespace
