// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "context_hashes.hpp"
#include "copy_sources.hpp"
#include "mixer.hpp"
#include "mixer_input.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Predicts a chain: appends to the first `given` tokens of `space` the likeliest next token, then the likeliest after
/// that, and so on. The chain continues `context`, all of which `copy_sources` has read.
///
/// `probabilities[i]` receives the probability that token `i` is right if those before it are. `sources[i]` receives
/// what it is copied from (`MixerInput::source_of`). Both are as long as `space`; the entries of the given tokens are
/// not changed. Returns the number of tokens, including the given ones. The chain ends where nothing is known, or where
/// the probability that all written tokens are right falls below 2 %.
///
/// O(1) per token: lookups in an index and some tables. No allocation. Threads: as `Mixer::predict`.
inline std::size_t predict_chain(CopySources const& copy_sources, Mixer const& mixer, std::span<Token const> context,
                                 std::span<Token> space, std::size_t given, std::span<float> probabilities,
                                 std::span<Source> sources) noexcept {
  constexpr float min_survival = 0.02F;
  auto const token_at = [&](std::size_t position) {
    return position < context.size() ? context[position] : space[position - context.size()];
  };
  CopyPointers pointers = copy_sources.pointers();
  for (std::size_t i = 0; i < given; ++i) copy_sources.advance(pointers, space[i], token_at);
  Prediction prediction;
  float survival = 1;
  std::size_t length = given;
  while (length < space.size()) {
    std::size_t const position = context.size() + length;
    MixerInput const input = copy_sources.input(ContextHashes(position, token_at), pointers, position, token_at);
    mixer.predict(input, prediction);
    if (prediction.size == 0) break;
    Prediction::Candidate const& best = prediction.candidates[prediction.best];
    survival *= best.probability;
    if (survival < min_survival) break;
    probabilities[length] = best.probability;
    sources[length] = input.source_of(best.token);
    space[length++] = best.token;
    copy_sources.advance(pointers, best.token, token_at);
  }
  return length;
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
