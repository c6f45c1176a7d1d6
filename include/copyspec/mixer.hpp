// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "context_statistics.hpp"
#include "evidence.hpp"
#include "token.hpp"

namespace copyspec::inline v0 {

/// What a `Mixer` makes of the evidence, and what it needs to learn from the outcome.
struct Prediction {
  static constexpr std::size_t max_candidates = 4;
  static constexpr std::size_t inputs = Evidence::inputs;
  static constexpr std::size_t features = inputs + 2;  ///< And a constant, and whether the candidate is the first.
  static constexpr std::size_t weight_sets = 4;
  static constexpr std::uint32_t no_state = ~std::uint32_t{0};

  struct Candidate {
    Token token = 0;
    float chance = 0;  ///< That this is the token to come.
    std::array<float, features> x;
    std::array<std::uint32_t, inputs> states;
    std::uint32_t token_bias = 0;
    std::uint32_t pair_bias = 0;
  };

  std::size_t size = 0;  ///< Candidates; none if nothing is known.
  std::size_t best = 0;  ///< The candidate with the greatest chance.
  std::array<Candidate, max_candidates> candidates;
  std::array<std::uint32_t, weight_sets> sets;
};

/// Turns evidence into chances, and learns from what came: online logistic mixing as in the PAQ compressors (Mahoney
/// 2005; Knoll and de Freitas, "A machine learning perspective on predictive coding with PAQ8", 2012), over at most
/// four candidate tokens and an escape.
///
/// What each input says of a candidate is a small state: for a context, the candidate's count, the count of its rivals
/// and whether it is the latest; for a match pointer, the length of the match and its record. An adaptive table gives
/// the share of such states that came true; the log-odds of that share is the feature x. The score of a candidate is
///
///     s      = sum over sets k of W[k] . x + B[token] + B[newest, token]
///     chance = exp(s) / (1 + sum over candidates of exp(s))
///
/// where the weight sets are selected by the match lengths, by the recent hits, by the newest token and by the order
/// of the known contexts. Learning descends the log-loss of the chances, in the weights and biases.
///
/// It holds numbers only: weights by hashed token, no tokens, so it can be carried from one text to the next without
/// carrying text.
///
/// Cost: O(1), some 64 multiplications and ten exponentials and logarithms a call. Memory: some 200 KiB, allocated by
/// the constructor. Threads: one call at a time; `predict` calls may run together.
class Mixer {
 public:
  Mixer()
      : weights_(first_set(Prediction::weight_sets)),
        token_bias_(token_biases),
        pair_bias_(pair_biases),
        shares_(first_state(Evidence::inputs)) {
    // What the sets have in common: all inputs count for a third. The other sets start at zero.
    for (std::size_t set = 0; set < first_set(1); ++set) std::fill_n(weights_[set].begin(), Prediction::inputs, 0.3F);
    for (std::size_t i = 0; i < Evidence::contexts; ++i)
      for (std::uint32_t state = 0; state < ContextState::count; ++state)
        shares_[first_state(i) + state].set(ContextState::prior(state, trust[i]));
    for (std::size_t i = Evidence::contexts; i < Evidence::inputs; ++i)
      for (std::uint32_t state = 0; state < PointerState::count; ++state)
        shares_[first_state(i) + state].set(PointerState::prior(state));
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return weights_.capacity() * sizeof(Weights) + (token_bias_.capacity() + pair_bias_.capacity()) * sizeof(float) +
           shares_.capacity() * sizeof(Share);
  }

  /// The candidates and their chances.
  void predict(Evidence const& evidence, Prediction& prediction) const noexcept {
    collect(evidence, prediction);
    if (prediction.size == 0) return;
    select(evidence, prediction);
    Weights weights{};
    for (std::uint32_t const set : prediction.sets)
      for (std::size_t i = 0; i < Prediction::features; ++i) weights[i] += weights_[set][i];

    float total = 1;
    prediction.best = 0;
    for (std::size_t c = 0; c < prediction.size; ++c) {
      Prediction::Candidate& candidate = prediction.candidates[c];
      describe(evidence, candidate);
      candidate.x[Prediction::inputs] = 2;
      candidate.x[Prediction::inputs + 1] = c == 0 ? 1 : 0;
      float score = token_bias_[candidate.token_bias] + pair_bias_[candidate.pair_bias];
      for (std::size_t i = 0; i < Prediction::features; ++i) score += weights[i] * candidate.x[i];
      candidate.chance = std::exp(std::clamp(score, -max_score, max_score));
      total += candidate.chance;
      if (candidate.chance > prediction.candidates[prediction.best].chance) prediction.best = c;
    }
    for (std::size_t c = 0; c < prediction.size; ++c) prediction.candidates[c].chance /= total;
  }

  /// `token` came where `prediction` was made.
  void learn(Prediction const& prediction, Token token) noexcept {
    if (prediction.size == 0) return;
    Weights gradient{};
    for (std::size_t c = 0; c < prediction.size; ++c) {
      Prediction::Candidate const& candidate = prediction.candidates[c];
      float const outcome = candidate.token == token ? 1 : 0;
      float const error = outcome - candidate.chance;
      for (std::size_t i = 0; i < Prediction::features; ++i) gradient[i] += error * candidate.x[i];
      token_bias_[candidate.token_bias] += bias_rate * error;
      pair_bias_[candidate.pair_bias] += bias_rate * error;
      for (std::uint32_t const state : candidate.states)
        if (state != Prediction::no_state) shares_[state].learn(outcome);
    }
    for (std::size_t k = 0; k < Prediction::weight_sets; ++k)
      for (std::size_t i = 0; i < Prediction::features; ++i)
        weights_[prediction.sets[k]][i] += set_rates[k] * gradient[i];
  }

 private:
  using Weights = std::array<float, Prediction::features>;

  // The share of a state's candidates that came: a mean that becomes a moving one.
  struct Share {
    float value = 0;
    float log_odds = 0;
    float seen = 1;

    void set(float share) noexcept {
      value = std::clamp(share, 0.002F, 0.998F);
      log_odds = std::log(value / (1 - value));
    }
    void learn(float outcome) noexcept {
      seen = std::min(seen + 1, 255.0F);
      set(value + (outcome - value) / (seen + 0.5F));
    }
  };

  // Learning rates, chosen on recorded answers (docs/drafting.md); half or twice as much changes little.
  static constexpr std::array<float, Prediction::weight_sets> set_rates{0.005F, 0.004F, 0.015F, 0.004F};
  static constexpr float bias_rate = 0.25F;
  static constexpr float max_score = 12;

  static constexpr std::array<std::size_t, Prediction::weight_sets> set_counts{PointerState::lengths * 4, 16, 1024, 3};
  static constexpr std::size_t token_biases = 4096;
  static constexpr std::size_t pair_biases = 16384;

  static constexpr std::size_t first_set(std::size_t k) noexcept {
    std::size_t first = 0;
    for (std::size_t i = 0; i < k; ++i) first += set_counts[i];
    return first;
  }

  // How much each context says, before anything was learnt.
  static constexpr std::array<float, Evidence::contexts> trust{0.64F, 0.73F, 0.55F, 0.55F};

  static constexpr std::uint32_t hash(std::uint64_t value) noexcept {
    return static_cast<std::uint32_t>((value * 0x9e3779b97f4a7c15) >> 40);
  }

  // What the pointers point to, then the latest successor of each context, then the others.
  static void collect(Evidence const& evidence, Prediction& prediction) noexcept {
    prediction.size = 0;
    auto const add = [&](Token token) {
      for (std::size_t c = 0; c < prediction.size; ++c)
        if (prediction.candidates[c].token == token) return;
      if (prediction.size < Prediction::max_candidates) prediction.candidates[prediction.size++].token = token;
    };
    for (Evidence::Vote const& vote : evidence.votes)
      if (vote.token >= 0) add(vote.token);
    for (Successors const* const successors : evidence.successors)
      if (successors != nullptr) add(successors->token(0));
    for (Successors const* const successors : evidence.successors) {
      if (successors == nullptr) continue;
      for (std::size_t i = 1; i < successors->size(); ++i) add(successors->token(i));
    }
  }

  static void select(Evidence const& evidence, Prediction& prediction) noexcept {
    Evidence::Vote const& longest = evidence.votes[0];
    Evidence::Vote const& survivor = evidence.votes[1];
    std::uint32_t const longest_class = longest.token < 0 ? 0 : PointerState::length_class(longest.length);
    std::uint32_t const survivor_class = survivor.token < 0 ? 0 : 1 + std::min(survivor.length, 8U) / 4;
    auto const newest = static_cast<std::uint64_t>(evidence.newest) + 1;
    prediction.sets = {
        longest_class * 4 + survivor_class, static_cast<std::uint32_t>(first_set(1)) + (evidence.hits & 15U),
        static_cast<std::uint32_t>(first_set(2)) + hash(newest) % static_cast<std::uint32_t>(set_counts[2]),
        static_cast<std::uint32_t>(first_set(3) + evidence.order)};
    for (std::size_t c = 0; c < prediction.size; ++c) {
      auto const token = static_cast<std::uint64_t>(prediction.candidates[c].token) + 1;
      prediction.candidates[c].token_bias = hash(token * 3) % token_biases;
      prediction.candidates[c].pair_bias = hash(token << 32 ^ newest) % pair_biases;
    }
  }

  // The state that each input is in about the candidate, and what such states were worth.
  void describe(Evidence const& evidence, Prediction::Candidate& candidate) const noexcept {
    auto const enter = [&](std::size_t input, std::uint32_t state) {
      candidate.states[input] = state;
      candidate.x[input] = state == Prediction::no_state ? 0 : shares_[state].log_odds;
    };
    for (std::size_t i = 0; i < Evidence::contexts; ++i) {
      Successors const* const successors = evidence.successors[i];
      enter(i, successors == nullptr ? Prediction::no_state
                                     : first_state(i) + ContextState::of(*successors, candidate.token));
    }
    for (std::size_t i = 0; i < Evidence::pointers; ++i) {
      Evidence::Vote const& vote = evidence.votes[i];
      std::size_t const input = Evidence::contexts + i;
      enter(input,
            vote.token < 0 ? Prediction::no_state : first_state(input) + PointerState::of(vote, candidate.token));
    }
  }

  // Where the states of an input begin.
  static constexpr std::uint32_t first_state(std::size_t input) noexcept {
    auto const contexts = static_cast<std::uint32_t>(std::min(input, Evidence::contexts));
    auto const pointers = static_cast<std::uint32_t>(input) - contexts;
    return contexts * ContextState::count + pointers * PointerState::count;
  }

  std::vector<Weights> weights_;
  std::vector<float> token_bias_;
  std::vector<float> pair_bias_;
  std::vector<Share> shares_;  // by state, input after input
};

}  // namespace copyspec::inline v0
