// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "context_hashes.hpp"
#include "evidence.hpp"
#include "mixer.hpp"
#include "recollection.hpp"
#include "token.hpp"

namespace copyspec::inline v0 {

/// Writes the likeliest continuation of `context`, all of which `recollection` has read, and of the first `given`
/// tokens of `space`, behind these: the likeliest token, then the likeliest behind it as if it had been said, and so
/// on. `chances[i]`, as long as `space`, receives the chance that token `i` is right if those before it are, and
/// `sources[i]` what it is copied from (`Evidence::source_of`); those of the given tokens stay. Returns how many tokens
/// there are, the given ones among them: it ends where nothing is known, or where all that were written are right with
/// a chance below 2 %.
///
/// O(1) a token, of which an index and some tables are asked. No allocation. Threads: as `Mixer::predict`.
inline std::size_t predict_chain(Recollection const& recollection, Mixer const& mixer, std::span<Token const> context,
                                 std::span<Token> space, std::size_t given, std::span<float> chances,
                                 std::span<Source> sources) noexcept {
  constexpr float min_survival = 0.02F;
  auto const token_at = [&](std::size_t position) {
    return position < context.size() ? context[position] : space[position - context.size()];
  };
  Place place = recollection.place();
  for (std::size_t i = 0; i < given; ++i) recollection.advance(place, space[i], token_at);
  Prediction prediction;
  float survival = 1;
  std::size_t length = given;
  while (length < space.size()) {
    std::size_t const position = context.size() + length;
    Evidence const evidence = recollection.evidence(ContextHashes(position, token_at), place, position, token_at);
    mixer.predict(evidence, prediction);
    if (prediction.size == 0) break;
    Prediction::Candidate const& best = prediction.candidates[prediction.best];
    survival *= best.chance;
    if (survival < min_survival) break;
    chances[length] = best.chance;
    sources[length] = evidence.source_of(best.token);
    space[length++] = best.token;
    recollection.advance(place, best.token, token_at);
  }
  return length;
}

}  // namespace copyspec::inline v0
