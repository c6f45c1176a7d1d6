// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/mix/detail/context_hashes.hpp>
#include <copyspec/mix/detail/copy_sources.hpp>
#include <copyspec/mix/detail/mixer.hpp>
#include <copyspec/mix/detail/mixer_input.hpp>

#include <cstddef>
#include <span>

#include "copying_text.hpp"

inline copyspec::detail::ContextHashes contexts_of(std::span<copyspec::Token const> context) {
  return {context.size(), [&](std::size_t position) { return context[position]; }};
}

// Has `recollection` read all of `context` that it did not.
inline void read(copyspec::detail::CopySources& recollection, std::span<copyspec::Token const> context,
                 bool follow = true) {
  while (recollection.size() < context.size()) {
    std::size_t const length = recollection.size();
    recollection.append(context.first(length + 1), contexts_of(context.first(length)), follow);
  }
}

// What is known behind `context`, which was read, and a chain of guesses: worked out anew from its beginning.
inline copyspec::detail::MixerInput evidence_behind(copyspec::detail::CopySources const& recollection,
                                                    Tokens const& context, Tokens const& chain) {
  Tokens const said = context + chain;
  auto const token_at = [&](std::size_t position) { return said.at(position); };
  copyspec::detail::Place place = recollection.place();
  for (copyspec::Token const token : chain) recollection.advance(place, token, token_at);
  return recollection.evidence(contexts_of(said), place, said.size(), token_at);
}

// What is expected there.
inline copyspec::detail::Prediction predict_behind(copyspec::detail::CopySources const& recollection,
                                                   copyspec::detail::Mixer const& mixer, Tokens const& context,
                                                   Tokens const& chain) {
  copyspec::detail::Prediction prediction;
  mixer.predict(evidence_behind(recollection, context, chain), prediction);
  return prediction;
}

// As `read`, and `mixer` learns from each token.
inline void read_and_learn(copyspec::detail::CopySources& recollection, copyspec::detail::Mixer& mixer,
                           Tokens const& context) {
  while (recollection.size() < context.size()) {
    std::size_t const length = recollection.size();
    Tokens const before(context.begin(), context.begin() + static_cast<std::ptrdiff_t>(length));
    mixer.learn(predict_behind(recollection, mixer, before, {}), context[length]);
    read(recollection, std::span(context).first(length + 1));
  }
}
