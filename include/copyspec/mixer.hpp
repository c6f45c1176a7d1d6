// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "context_statistics.hpp"
#include "error.hpp"
#include "evidence.hpp"
#include "token.hpp"

namespace copyspec::inline v0 {

/// What a `Mixer` makes of the evidence, and what it needs to learn from the outcome.
struct Prediction {
  static constexpr std::size_t max_candidates = 8;
  static constexpr std::size_t own_inputs = Evidence::own_contexts + Evidence::own_pointers;
  static constexpr std::size_t inputs = Evidence::contexts + Evidence::pointers;
  /// Of the own inputs, a constant, and whether the candidate is the first: eight, which is one vector register or two.
  static constexpr std::size_t own_features = own_inputs + 2;
  /// And of a history, filled up with zeros.
  static constexpr std::size_t features = 2 * own_features;
  static constexpr std::size_t own_sets = 4;
  static constexpr std::size_t weight_sets = own_sets + 1;
  static constexpr std::uint32_t no_state = ~std::uint32_t{0};

  struct Candidate {
    Token token = 0;
    float chance = 0;  ///< That this is the token to come.
    std::uint32_t token_bias = 0;
    std::uint32_t pair_bias = 0;
  };

  std::size_t size = 0;  ///< Candidates; none if nothing is known.
  std::size_t best = 0;  ///< The candidate with the greatest chance.
  bool history = false;  ///< Whether the inputs of a history, and their features and weights, count.
  std::array<Candidate, max_candidates> candidates;
  std::array<std::uint32_t, weight_sets> sets;
  /// By input and candidate: the state, or `no_state` for an input that says nothing.
  std::array<std::array<std::uint32_t, max_candidates>, inputs> states;
  std::array<std::array<float, max_candidates>, features> x;  ///< By feature and candidate.

  [[nodiscard]] std::size_t feature_count() const noexcept { return history ? features : own_features; }
  [[nodiscard]] std::size_t set_count() const noexcept { return history ? weight_sets : own_sets; }
  [[nodiscard]] std::size_t input_count() const noexcept { return history ? inputs : own_inputs; }
};

/// Turns evidence into chances, and learns from what came: online logistic mixing as in the PAQ compressors (Mahoney
/// 2005; Knoll and de Freitas, "A machine learning perspective on predictive coding with PAQ8", 2012), over at most
/// eight candidate tokens and an escape.
///
/// What each input says of a candidate is a small state: for a context, the candidate's count, the count of its rivals
/// and whether it is the latest; for a match pointer, the length of the match and its record. An adaptive table gives
/// the share of such states that came true; the log-odds of that share is the feature x. The score of a candidate is
///
///     s      = sum over sets k of W[k] . x + B[token] + B[newest, token]
///     chance = exp(s) / (1 + sum over candidates of exp(s))
///
/// where the weight sets are selected by the match lengths, by the recent hits, by the newest token, by the order of
/// the known contexts and, if there is a history, by the match lengths there. Learning descends the log-loss of the
/// chances, in the weights and biases.
///
/// It holds numbers only: weights by hashed token, no tokens, so it can be carried from one text to the next without
/// carrying text.
///
/// Cost: O(1), some hundred multiplications and ten exponentials and logarithms a call. Memory: some 200 KiB, allocated
/// by the constructor. Threads: one call at a time; `predict` calls may run together.
class Mixer {
 public:
  Mixer()
      : weights_(first_set(Prediction::weight_sets)),
        token_bias_(token_biases),
        pair_bias_(pair_biases),
        shares_(first_state(Prediction::inputs)) {
    // What the sets have in common: all inputs count for a third. The other sets start at zero.
    for (std::size_t set = 0; set < first_set(1); ++set)
      for (std::size_t input = 0; input < Prediction::inputs; ++input) weights_[set][feature_of(input)] = 0.3F;
    for (std::size_t input = 0; input < Prediction::inputs; ++input) {
      std::size_t const context = context_of(input);
      for (std::uint32_t state = 0; first_state(input) + state < first_state(input + 1); ++state)
        shares_[first_state(input) + state].set(
            context < Evidence::contexts ? ContextState::prior(state, trust[context]) : PointerState::prior(state));
    }
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return weights_.capacity() * sizeof(Weights) + (token_bias_.capacity() + pair_bias_.capacity()) * sizeof(float) +
           shares_.capacity() * sizeof(Share);
  }

  /// How many numbers `learnt` gives.
  [[nodiscard]] static constexpr std::size_t learnt_size() noexcept {
    return 1 + first_set(Prediction::weight_sets) * Prediction::features + token_biases + pair_biases +
           2 * first_state(Prediction::inputs);
  }

  /// All that was learnt, as plain numbers: what `set_learnt` of another mixer takes, which then predicts and learns
  /// as this one. The first is the number of their layout. O(memory).
  [[nodiscard]] std::vector<float> learnt() const {
    std::vector<float> numbers;
    numbers.reserve(learnt_size());
    numbers.push_back(layout);
    for (Weights const& weights : weights_) numbers.insert(numbers.end(), weights.begin(), weights.end());
    numbers.insert(numbers.end(), token_bias_.begin(), token_bias_.end());
    numbers.insert(numbers.end(), pair_bias_.begin(), pair_bias_.end());
    for (Share const& share : shares_) numbers.insert(numbers.end(), {share.value, share.seen});
    return numbers;
  }

  /// Forgets what was learnt and goes on from `numbers`, given by `learnt`. Of another count or layout, or not what a
  /// mixer can learn (no numbers, shares that are none), they raise an `Error` that begins with `where`, the place that
  /// they are from, and nothing is changed. O(memory).
  void set_learnt(std::span<float const> numbers, std::string const& where) {
    if (numbers.size() != learnt_size())
      raise(where + ": has " + std::to_string(numbers.size()) + " learnt numbers, a mixer has " +
            std::to_string(learnt_size()));
    if (numbers[0] != layout)
      raise(where + ": its learnt numbers are of layout " + std::to_string(numbers[0]) + ", layout " +
            std::to_string(layout) + " is known");
    std::size_t const first_share = numbers.size() - 2 * shares_.size();
    for (std::size_t i = 1; i < numbers.size(); ++i) {
      bool const seen = (i - first_share) % 2 != 0;
      bool const possible = i < first_share ? std::abs(numbers[i]) <= max_weight
                            : seen          ? numbers[i] >= 1 && numbers[i] <= max_seen
                                            : numbers[i] >= least_share && numbers[i] <= 1 - least_share;
      if (!possible)
        raise(where + ": learnt number " + std::to_string(i) + " is " + std::to_string(numbers[i]) +
              ", which cannot have been learnt");
    }
    auto next = numbers.begin() + 1;
    auto const take = [&next](std::span<float> into) {
      for (float& number : into) number = *next++;
    };
    for (Weights& weights : weights_) take(weights);
    take(token_bias_);
    take(pair_bias_);
    for (Share& share : shares_) {
      share.set(*next++);
      share.seen = *next++;
    }
  }

  /// The candidates and their chances.
  void predict(Evidence const& evidence, Prediction& prediction) const noexcept {
    Named named;
    collect(evidence, prediction, named);
    if (prediction.size == 0) return;
    select(evidence, prediction);
    describe(evidence, named, prediction);

    // All candidates at once, those that are not there too: loops of known length, which vectorise.
    std::array<float, Prediction::max_candidates> scores{};
    for (std::size_t f = 0; f < prediction.feature_count(); ++f) {
      float weight = 0;
      for (std::size_t k = 0; k < prediction.set_count(); ++k) weight += weights_[prediction.sets[k]][f];
      for (std::size_t c = 0; c < scores.size(); ++c) scores[c] += weight * prediction.x[f][c];
    }
    float total = 1;
    prediction.best = 0;
    for (std::size_t c = 0; c < prediction.size; ++c) {
      Prediction::Candidate& candidate = prediction.candidates[c];
      float const score = scores[c] + token_bias_[candidate.token_bias] + pair_bias_[candidate.pair_bias];
      candidate.chance = std::exp(std::clamp(score, -max_score, max_score));
      total += candidate.chance;
      if (candidate.chance > prediction.candidates[prediction.best].chance) prediction.best = c;
    }
    for (std::size_t c = 0; c < prediction.size; ++c) prediction.candidates[c].chance /= total;
  }

  /// `token` came where `prediction` was made.
  void learn(Prediction const& prediction, Token token) noexcept {
    if (prediction.size == 0) return;
    std::array<float, Prediction::max_candidates> errors{};
    std::size_t right = Prediction::max_candidates;
    for (std::size_t c = 0; c < prediction.size; ++c) {
      Prediction::Candidate const& candidate = prediction.candidates[c];
      if (candidate.token == token) right = c;
      errors[c] = (candidate.token == token ? 1.0F : 0.0F) - candidate.chance;
      token_bias_[candidate.token_bias] += bias_rate * errors[c];
      pair_bias_[candidate.pair_bias] += bias_rate * errors[c];
    }
    for (std::size_t f = 0; f < prediction.feature_count(); ++f) {
      float gradient = 0;
      for (std::size_t c = 0; c < errors.size(); ++c) gradient += errors[c] * prediction.x[f][c];
      for (std::size_t k = 0; k < prediction.set_count(); ++k)
        weights_[prediction.sets[k]][f] += set_rates[k] * gradient;
    }
    for (std::size_t input = 0; input < prediction.input_count(); ++input) {
      auto const& states = prediction.states[input];
      if (states[0] == Prediction::no_state) continue;
      for (std::size_t c = 0; c < prediction.size; ++c) shares_[states[c]].learn(c == right ? 1.0F : 0.0F);
      for (std::size_t c = 0; c < prediction.size; ++c)
        if (c == 0 || states[c] != states[c - 1]) shares_[states[c]].settle();
    }
  }

 private:
  using Weights = std::array<float, Prediction::features>;

  static constexpr float least_share = 0.002F;
  static constexpr float max_seen = 255;
  // More than any can become, and little enough that no sum of products overflows.
  static constexpr float max_weight = 1e6F;
  // Of `learnt`: raised when the numbers, or the states and hashes that select them, come to mean something else.
  static constexpr float layout = 1;

  // The share of a state's candidates that came: a mean that becomes a moving one.
  struct Share {
    float value = 0;
    float log_odds = 0;
    float seen = 1;

    void set(float share) noexcept {
      value = share;
      settle();
    }
    // To be settled before it is used.
    void learn(float outcome) noexcept {
      seen = std::min(seen + 1, max_seen);
      value = std::clamp(value + (outcome - value) / (seen + 0.5F), least_share, 1 - least_share);
    }
    void settle() noexcept { log_odds = std::log(value / (1 - value)); }
  };

  // Learning rates, chosen on recorded answers (docs/drafting.md); half or twice as much changes little.
  static constexpr std::array<float, Prediction::weight_sets> set_rates{0.0025F, 0.004F, 0.015F, 0.004F, 0.0025F};
  static constexpr float bias_rate = 0.2F;
  static constexpr float max_score = 12;

  static constexpr std::array<std::size_t, Prediction::weight_sets> set_counts{PointerState::lengths * 4, 16, 1024, 9,
                                                                               PointerState::lengths * 4};
  static constexpr std::size_t token_biases = 4096;
  static constexpr std::size_t pair_biases = 16384;

  static constexpr std::size_t first_set(std::size_t k) noexcept {
    std::size_t first = 0;
    for (std::size_t i = 0; i < k; ++i) first += set_counts[i];
    return first;
  }

  // How much each context says, before anything was learnt.
  static constexpr std::array<float, Evidence::contexts> trust{0.64F, 0.73F, 0.55F, 0.55F, 0.64F, 0.73F, 0.8F};

  static constexpr std::uint32_t hash(std::uint64_t value) noexcept {
    return static_cast<std::uint32_t>((value * 0x9e3779b97f4a7c15) >> 40);
  }

  // Inputs are the own contexts, the own pointers, the contexts of the history, its pointers. The context that one is,
  // or, beyond `Evidence::contexts`, the pointer.
  static constexpr std::size_t context_of(std::size_t input) noexcept {
    if (input < Evidence::own_contexts) return input;
    if (input < Prediction::own_inputs) return Evidence::contexts + input - Evidence::own_contexts;
    std::size_t const of_history = input - Prediction::own_inputs;
    if (of_history < Evidence::history_contexts) return Evidence::own_contexts + of_history;
    return Evidence::contexts + Evidence::own_pointers + of_history - Evidence::history_contexts;
  }

  // Where the feature of an input stands: behind the own ones are the constant and the place of the candidate.
  static constexpr std::size_t feature_of(std::size_t input) noexcept {
    return input < Prediction::own_inputs ? input : input + Prediction::own_features - Prediction::own_inputs;
  }

  // Where the states of an input begin.
  static constexpr std::uint32_t first_state(std::size_t input) noexcept {
    std::size_t const of_history = std::max(input, Prediction::own_inputs) - Prediction::own_inputs;
    std::size_t const contexts =
        std::min(input, Evidence::own_contexts) + std::min(of_history, Evidence::history_contexts);
    return static_cast<std::uint32_t>(contexts * ContextState::count + (input - contexts) * PointerState::count);
  }

  // Which candidate each successor of each context and each vote is; none beyond the last that there is room for.
  struct Named {
    static constexpr std::uint8_t none = Prediction::max_candidates;
    std::array<std::array<std::uint8_t, Successors::capacity>, Evidence::contexts> successors;
    std::array<std::uint8_t, Evidence::pointers> votes;
  };

  // What the pointers point to, then the latest successor of each context, then the others.
  static void collect(Evidence const& evidence, Prediction& prediction, Named& named) noexcept {
    prediction.history = evidence.history;
    std::size_t const pointers = evidence.history ? Evidence::pointers : Evidence::own_pointers;
    std::size_t const contexts = evidence.history ? Evidence::contexts : Evidence::own_contexts;
    std::array<Token, Prediction::max_candidates> tokens;
    std::size_t size = 0;
    auto const add = [&](Token token) {
      std::size_t at = 0;
      while (at < size && tokens[at] != token) ++at;
      if (at == tokens.size()) return Named::none;
      if (at == size) tokens[size++] = token;
      return static_cast<std::uint8_t>(at);
    };
    for (std::size_t i = 0; i < pointers; ++i)
      if (evidence.votes[i].token >= 0) named.votes[i] = add(evidence.votes[i].token);
    for (std::size_t i = 0; i < Successors::capacity; ++i)
      for (std::size_t context = 0; context < contexts; ++context)
        if (evidence.successors[context].count(i) > 0)
          named.successors[context][i] = add(evidence.successors[context].token(i));
    prediction.size = size;
    for (std::size_t c = 0; c < size; ++c) prediction.candidates[c].token = tokens[c];
  }

  static void select(Evidence const& evidence, Prediction& prediction) noexcept {
    auto const order = [&](std::size_t first) {
      return evidence.successors[first + 1].count(0) > 0 ? 2U : evidence.successors[first].count(0) > 0 ? 1U : 0U;
    };
    auto const lengths = [&](std::size_t first) {
      Evidence::Vote const& longest = evidence.votes[first];
      Evidence::Vote const& survivor = evidence.votes[first + 1];
      std::uint32_t const longest_class = longest.token < 0 ? 0 : PointerState::length_class(longest.length);
      return longest_class * 4 + (survivor.token < 0 ? 0 : 1 + std::min(survivor.length, 8U) / 4);
    };
    auto const newest = static_cast<std::uint64_t>(evidence.newest) + 1;
    prediction.sets = {lengths(0), evidence.hits & 15U, hash(newest) % static_cast<std::uint32_t>(set_counts[2]),
                       order(0) + (evidence.history ? 3 * order(Evidence::own_contexts) : 0),
                       lengths(Evidence::own_pointers)};
    for (std::size_t k = 0; k < Prediction::weight_sets; ++k)
      prediction.sets[k] += static_cast<std::uint32_t>(first_set(k));
    for (std::size_t c = 0; c < prediction.size; ++c) {
      auto const token = static_cast<std::uint64_t>(prediction.candidates[c].token) + 1;
      prediction.candidates[c].token_bias = hash(token * 3) % token_biases;
      prediction.candidates[c].pair_bias = hash(token << 32 ^ newest) % pair_biases;
    }
  }

  // The state that each input is in about each candidate, and what such states were worth.
  void describe(Evidence const& evidence, Named const& named, Prediction& prediction) const noexcept {
    auto const enter_all = [&](std::size_t input, std::uint32_t state) {
      prediction.states[input].fill(state);
      prediction.x[feature_of(input)].fill(state == Prediction::no_state ? 0 : shares_[state].log_odds);
    };
    auto const enter = [&](std::size_t input, std::size_t candidate, std::uint32_t state) {
      if (candidate == Named::none) return;
      prediction.states[input][candidate] = state;
      prediction.x[feature_of(input)][candidate] = shares_[state].log_odds;
    };
    std::size_t const inputs = prediction.input_count();
    for (std::size_t input = 0; input < inputs; ++input) {
      std::size_t const context = context_of(input);
      std::uint32_t const first = first_state(input);
      if (context >= Evidence::contexts) {
        Evidence::Vote const& vote = evidence.votes[context - Evidence::contexts];
        bool const votes = vote.token >= 0;
        enter_all(input, votes ? first + PointerState::of(vote, false) : Prediction::no_state);
        if (votes) enter(input, named.votes[context - Evidence::contexts], first + PointerState::of(vote, true));
        continue;
      }
      Successors const& successors = evidence.successors[context];
      std::uint32_t const total = successors.total();
      enter_all(input, total > 0 ? first + ContextState::of(0, total, false) : Prediction::no_state);
      for (std::size_t i = 0; i < Successors::capacity && successors.count(i) > 0; ++i)
        enter(input, named.successors[context][i],
              first + ContextState::of(successors.count(i), total - successors.count(i), i == 0));
    }
    prediction.x[Prediction::own_inputs].fill(2);
    prediction.x[Prediction::own_inputs + 1].fill(0);
    prediction.x[Prediction::own_inputs + 1][0] = 1;
    for (std::size_t f = feature_of(inputs); f < prediction.feature_count(); ++f) prediction.x[f].fill(0);
  }

  std::vector<Weights> weights_;
  std::vector<float> token_bias_;
  std::vector<float> pair_bias_;
  std::vector<Share> shares_;  // by state, input after input
};

}  // namespace copyspec::inline v0
