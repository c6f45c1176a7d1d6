// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/mix/detail/context_map.hpp>
#include <copyspec/mix/detail/mixer_input.hpp>
#include <copyspec/mix/detail/prediction.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>

#include "tokens.hpp"
#include "uniform.hpp"

namespace copyspec_test {

using copyspec::Token;
using copyspec::detail::MixerInput;
using copyspec::detail::Prediction;
using copyspec::detail::SuccessorCounts;

inline SuccessorCounts successors_of(Tokens const& tokens) {
  SuccessorCounts successors;
  for (Token const token : tokens) successors.observe(token);
  return successors;
}

inline bool is_of_history(std::size_t input) {
  return input >= Prediction::own_inputs;
}

// The successors of a context, and the vote of a pointer, by input: those of the own text first. Null if the input is
// of the other kind.
inline SuccessorCounts* context_of(MixerInput& evidence, std::size_t input) {
  if (input < 4) return &evidence.successors[input];
  return input >= 6 && input < 9 ? &evidence.successors[input - 2] : nullptr;
}

inline MixerInput::Vote* vote_of(MixerInput& evidence, std::size_t input) {
  if (input == 4 || input == 5) return &evidence.votes[input - 4];
  return input >= 9 ? &evidence.votes[input - 7] : nullptr;
}

// The tokens named, in the order of their rank: pointers, the latest of each context, the second latest, the third.
inline Tokens named(MixerInput const& evidence) {
  Tokens tokens;
  auto const add = [&](Token token) {
    if (std::ranges::find(tokens, token) == tokens.end()) tokens.push_back(token);
  };
  std::size_t const pointers = evidence.history ? 4 : 2;
  std::size_t const contexts = evidence.history ? 7 : 4;
  for (MixerInput::Vote const& vote : std::span(evidence.votes).first(pointers))
    if (vote.token >= 0) add(vote.token);
  for (std::size_t rank = 0; rank < 3; ++rank)
    for (SuccessorCounts const& successors : std::span(evidence.successors).first(contexts))
      if (rank < successors.size()) add(successors.token(rank));
  return tokens;
}

inline Token any_token(std::mt19937_64& random, std::size_t vocabulary) {
  if (below(random, 20) == 0) return SuccessorCounts::max_token;
  return static_cast<Token>(below(random, vocabulary));
}

// What an input may say, or nothing.
inline void set_input(MixerInput& evidence, std::size_t input, std::mt19937_64& random, std::size_t vocabulary = 12) {
  bool const known = below(random, 3) > 0;
  if (SuccessorCounts* const successors = context_of(evidence, input)) {
    *successors = {};
    for (std::size_t left = known ? 1 + below(random, 40) : 0; left > 0; --left)
      successors->observe(any_token(random, vocabulary));
    return;
  }
  MixerInput::Vote& vote = *vote_of(evidence, input);
  vote.token = !known ? -1 : below(random, 20) == 0 ? std::numeric_limits<Token>::max() : any_token(random, vocabulary);
  vote.length = static_cast<std::uint32_t>(random() >> below(random, 64));
  vote.misses = static_cast<std::uint8_t>(random() >> below(random, 64));
  vote.history = static_cast<std::uint8_t>(random());
}

// Of any kind. Without a history, what is in its place is left over from anything.
inline MixerInput any_evidence(std::mt19937_64& random, std::size_t vocabulary = 12) {
  MixerInput evidence;
  for (std::size_t input = 0; input < Prediction::inputs; ++input) set_input(evidence, input, random, vocabulary);
  evidence.history = below(random, 2) == 0;
  evidence.hits = static_cast<std::uint8_t>(random());
  evidence.newest = below(random, 20) == 0 ? std::numeric_limits<Token>::max() : any_token(random, vocabulary);
  return evidence;
}

// Two pointers to tokens that are never the same, each with a record.
inline MixerInput two_votes(std::mt19937_64& random, std::uint32_t first_length = 12,
                            std::uint32_t second_length = 12) {
  auto const token = static_cast<Token>(2 * below(random, 5000));
  return {.votes = {MixerInput::Vote{.token = token, .length = first_length, .history = 7},
                    MixerInput::Vote{.token = token + 1, .length = second_length, .history = 7}},
          .newest = static_cast<Token>(below(random, 5000))};
}

}  // namespace copyspec_test
