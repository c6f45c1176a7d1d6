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

// Has `sources` read all of `context` that it did not.
inline void read(copyspec::detail::CopySources& sources, std::span<copyspec::Token const> context, bool follow = true) {
  while (!sources.has_read(context.size())) {
    std::size_t const end = sources.begin_reading(context);
    while (sources.size() < end) {
      std::size_t const length = sources.size();
      sources.append(context.first(length + 1), contexts_of(context.first(length)), follow);
    }
  }
}

// What is known after `context`, which was read, and a chain: worked out anew from its beginning.
inline copyspec::detail::MixerInput input_after(copyspec::detail::CopySources const& sources, Tokens const& context,
                                                Tokens const& chain) {
  Tokens const said = context + chain;
  auto const token_at = [&](std::size_t position) { return said.at(position); };
  copyspec::detail::CopyPointers pointers = sources.pointers();
  for (copyspec::Token const token : chain) sources.advance(pointers, token, token_at);
  return sources.input(contexts_of(said), pointers, said.size(), token_at);
}

// What is expected there.
inline copyspec::detail::Prediction predict_after(copyspec::detail::CopySources const& sources,
                                                  copyspec::detail::Mixer const& mixer, Tokens const& context,
                                                  Tokens const& chain) {
  copyspec::detail::Prediction prediction;
  mixer.predict(input_after(sources, context, chain), prediction);
  return prediction;
}

// As `read`, and `mixer` learns from each token.
inline void read_and_learn(copyspec::detail::CopySources& sources, copyspec::detail::Mixer& mixer,
                           Tokens const& context) {
  while (sources.size() < context.size()) {
    std::size_t const length = sources.size();
    Tokens const before(context.begin(), context.begin() + static_cast<std::ptrdiff_t>(length));
    mixer.learn(predict_after(sources, mixer, before, {}), context[length]);
    read(sources, std::span(context).first(length + 1));
  }
}
