// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/context_hashes.hpp>
#include <copyspec/evidence.hpp>
#include <copyspec/mixer.hpp>
#include <copyspec/recollection.hpp>
#include <copyspec/token.hpp>

#include <cstddef>
#include <span>

#include "copying_text.hpp"

inline copyspec::ContextHashes contexts_of(std::span<copyspec::Token const> context) {
  return {context.size(), [&](std::size_t position) { return context[position]; }};
}

// Has `recollection` read all of `context` that it did not.
inline void read(copyspec::Recollection& recollection, std::span<copyspec::Token const> context, bool follow = true) {
  while (recollection.size() < context.size()) {
    std::size_t const length = recollection.size();
    recollection.append(context.first(length + 1), contexts_of(context.first(length)), follow);
  }
}

// What is known behind `context`, which was read, and a chain of guesses: worked out anew from its beginning.
inline copyspec::Evidence evidence_behind(copyspec::Recollection const& recollection, Tokens const& context,
                                          Tokens const& chain) {
  Tokens const said = context + chain;
  auto const token_at = [&](std::size_t position) { return said.at(position); };
  copyspec::Place place = recollection.place();
  for (copyspec::Token const token : chain) recollection.advance(place, token, token_at);
  return recollection.evidence(contexts_of(said), place, said.size(), token_at);
}

// What is expected there.
inline copyspec::Prediction predict_behind(copyspec::Recollection const& recollection, copyspec::Mixer const& mixer,
                                           Tokens const& context, Tokens const& chain) {
  copyspec::Prediction prediction;
  mixer.predict(evidence_behind(recollection, context, chain), prediction);
  return prediction;
}

// As `read`, and `mixer` learns from each token.
inline void read_and_learn(copyspec::Recollection& recollection, copyspec::Mixer& mixer, Tokens const& context) {
  while (recollection.size() < context.size()) {
    std::size_t const length = recollection.size();
    Tokens const before(context.begin(), context.begin() + static_cast<std::ptrdiff_t>(length));
    mixer.learn(predict_behind(recollection, mixer, before, {}), context[length]);
    read(recollection, std::span(context).first(length + 1));
  }
}
