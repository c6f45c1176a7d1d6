// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
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
/// that, and so on. The chain continues `context`, all of which `copy_sources` has read. After `most_mixed` tokens, if
/// all of them are of one match, the chain goes on as a copy of what follows there: a token of it is right with the
/// probability that the match goes on.
///
/// `probabilities[i]` receives the probability that token `i` is right if those before it are. `sources[i]` receives
/// what it is copied from (`MixerInput::source_of`). Both are as long as `space`; the entries of the given tokens are
/// not changed. Returns the number of tokens, including the given ones. The chain ends where nothing is known, or where
/// the probability that all written tokens are right falls below 2 %.
///
/// O(1) per token: lookups in an index and some tables, half a microsecond; some nanoseconds for a token of a copy. No
/// allocation. Threads: as `Mixer::predict`.
inline std::size_t predict_chain(CopySources const& copy_sources, Mixer const& mixer, std::span<Token const> context,
                                 std::span<Token> space, std::size_t given, std::size_t most_mixed,
                                 std::span<float> probabilities, std::span<Source> sources) noexcept {
  constexpr float min_survival = 0.02F;
  auto const token_at = [&](std::size_t position) {
    return position < context.size() ? context[position] : space[position - context.size()];
  };
  CopyPointers pointers = copy_sources.pointers();
  for (std::size_t i = 0; i < given; ++i) copy_sources.advance(pointers, space[i], token_at);
  float survival = 1;
  std::size_t length = given;
  // Returns whether the chain goes on.
  auto const append = [&](Token token, float probability, Source source) {
    survival *= probability;
    if (survival < min_survival) return false;
    probabilities[length] = probability;
    sources[length] = source;
    space[length++] = token;
    return true;
  };
  Prediction prediction;
  std::size_t const mixed = std::min(space.size(), given + most_mixed);
  while (length < mixed) {
    std::size_t const position = context.size() + length;
    MixerInput const input = copy_sources.input(ContextHashes(position, token_at), pointers, position, token_at);
    mixer.predict(input, prediction);
    if (prediction.size == 0) return length;
    Prediction::Candidate const& best = prediction.candidates[prediction.best];
    if (!append(best.token, best.probability, input.source_of(best.token))) return length;
    copy_sources.advance(pointers, best.token, token_at);
  }
  if (!CopySources::copies(pointers)) return length;
  while (length < space.size()) {
    MixerInput::Vote const vote = copy_sources.copy_on(pointers, context.size() + length, token_at);
    if (vote.token < 0 || !append(vote.token, mixer.survival()(vote.length), vote.source)) break;
  }
  return length;
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
