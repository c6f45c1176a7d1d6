// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "mixer_input.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What a `Mixer` predicts from a `MixerInput`, and what it needs to learn from the outcome.
struct Prediction {
  static constexpr std::size_t max_candidates = 8;
  static constexpr std::size_t own_inputs = MixerInput::own_contexts + MixerInput::own_pointers;
  static constexpr std::size_t inputs = MixerInput::contexts + MixerInput::pointers;
  /// The own inputs, a constant, and whether the candidate is the first: eight, i.e. one or two vector registers.
  static constexpr std::size_t own_features = own_inputs + 2;
  /// With the inputs of a history, four more.
  static constexpr std::size_t features = inputs + own_features - own_inputs;
  static constexpr std::size_t own_sets = 4;
  static constexpr std::size_t weight_sets = own_sets + 1;
  static constexpr std::uint16_t no_state = 0xffff;

  /// A number for each candidate, those that are not there too.
  using Lanes = std::array<float, max_candidates>;

  struct Candidate {
    Token token = 0;
    float probability = 0;  ///< Probability that this is the next token.
    std::uint32_t token_bias = 0;
    std::uint32_t pair_bias = 0;
  };

  std::size_t size = 0;     ///< Number of candidates; zero if nothing is known.
  std::size_t best = 0;     ///< The candidate with the greatest probability.
  MixerInput::Vote copied;  ///< Of the longest match in the own text or, if there is none, in the history.
  bool history = false;     ///< Whether the inputs of a history, with their features and weights, are used.
  std::array<Candidate, max_candidates> candidates;
  std::array<std::uint32_t, weight_sets> sets;
  /// By input and candidate: the state, or `no_state` for an input without a vote.
  std::array<std::array<std::uint16_t, max_candidates>, inputs> states;
  /// By input: the state for candidates that it does not name.
  std::array<std::uint16_t, inputs> unnamed;
  std::array<Lanes, features> x;  ///< By feature and candidate.

  /// Inputs are ordered: own contexts, own pointers, contexts of the history, pointers of the history.
  static constexpr std::size_t input_of_context(std::size_t context) noexcept {
    return context < MixerInput::own_contexts ? context : context + MixerInput::own_pointers;
  }
  static constexpr std::size_t input_of_pointer(std::size_t pointer) noexcept {
    return pointer + (pointer < MixerInput::own_pointers ? MixerInput::own_contexts : MixerInput::contexts);
  }
  /// The feature of an input: the constant and the candidate's place come after the own inputs.
  static constexpr std::size_t feature_of(std::size_t input) noexcept {
    return input < own_inputs ? input : input + own_features - own_inputs;
  }

  [[nodiscard]] std::size_t feature_count() const noexcept { return history ? features : own_features; }
  [[nodiscard]] std::size_t set_count() const noexcept { return history ? weight_sets : own_sets; }
  [[nodiscard]] std::size_t input_count() const noexcept { return history ? inputs : own_inputs; }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
