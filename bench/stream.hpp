// SPDX-License-Identifier: MIT
#pragma once

#include <benchmark/benchmark.h>

#include <copyspec/core/token.hpp>
#include <cstddef>
#include <random>
#include <vector>

namespace copyspec::bench {

/// What made-up contexts are like.
enum Stream : int { random_tokens, copy_heavy, constant };

inline constexpr Token vocabulary = 151936;

/// Lengthens `tokens`. Copy-heavy: two thirds of the tokens lie in copies, 20 to 200 tokens long, of what was said
/// anywhere before.
inline void grow(std::vector<Token>& tokens, Stream stream, std::size_t length, std::mt19937_64& random) {
  while (tokens.size() < length) {
    std::size_t const fresh = 10 + random() % 90;
    for (std::size_t i = 0; i < fresh; ++i)
      tokens.push_back(stream == constant ? 7 : static_cast<Token>(random() % vocabulary));
    if (stream != copy_heavy) continue;
    std::size_t const source = random() % tokens.size();
    std::size_t const copied = 20 + random() % 181;
    for (std::size_t i = 0; i < copied; ++i) tokens.push_back(tokens[source + i]);
  }
  tokens.resize(length);
}

/// The arguments of a benchmark on each kind of context, in four lengths; it takes its own time.
inline void streams_and_contexts(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"stream", "context"});
  for (int const stream : {random_tokens, copy_heavy, constant})
    for (int const context : {1'000, 10'000, 100'000, 1'000'000}) benchmark->Args({stream, context});
  benchmark->UseManualTime()->Unit(benchmark::kMicrosecond);
}

}  // namespace copyspec::bench
