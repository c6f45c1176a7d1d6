// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/mix/detail/context_map.hpp>
#include <copyspec/mix/detail/mixer_input.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

#include "copying_text.hpp"

inline copyspec::Token random_token(Random& random, std::size_t vocabulary) {
  if (below(random, 20) == 0) return copyspec::detail::SuccessorCounts::max_token;
  return static_cast<copyspec::Token>(below(random, vocabulary));
}

// Of any kind, each part known or not. Without a history, what is in its place is left over from anything.
inline copyspec::detail::MixerInput random_input(Random& random, std::size_t vocabulary = 12) {
  copyspec::detail::MixerInput input;
  for (auto& successors : input.successors)
    if (below(random, 3) > 0)
      for (std::size_t left = 1 + below(random, 40); left > 0; --left)
        successors.observe(random_token(random, vocabulary));
  for (auto& vote : input.votes) {
    if (below(random, 3) == 0) continue;
    vote.token = random_token(random, vocabulary);
    vote.length = static_cast<std::uint32_t>(random() >> below(random, 32));
    vote.misses = static_cast<std::uint8_t>(below(random, 6));
    vote.history = static_cast<std::uint8_t>(random());
  }
  input.history = below(random, 2) == 0;
  input.hits = static_cast<std::uint8_t>(random());
  input.newest =
      below(random, 20) == 0 ? std::numeric_limits<copyspec::Token>::max() : random_token(random, vocabulary);
  return input;
}
