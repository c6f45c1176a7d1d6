// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "../../core/version.hpp"
#include "../../detail/simd4.hpp"
#include "prediction.hpp"
#include "weight_selection.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The weights and biases of a mixer. They turn a candidate's features x into its score
///
///     s = sum over sets k of W[k] . x + B[token] + B[newest, token]
///
/// and learn from the errors of the probabilities, one step of gradient descent on the log-loss at a time.
///
/// Cost: O(1), some hundred multiplications. Memory: some 160 KiB, allocated by the constructor. Threads: one call at a
/// time; `const` calls may run together.
class MixerWeights {
 public:
  MixerWeights()
      : sets_(set_count), token_bias_(WeightSelection::token_biases), pair_bias_(WeightSelection::pair_biases) {
    // The first group of sets holds what all have in common: each input counts for about a third. The other sets start
    // at zero.
    for (std::size_t set = 0; set < WeightSelection::first_sets[1]; ++set)
      for (std::size_t input = 0; input < Prediction::inputs; ++input) sets_[set][Prediction::feature_of(input)] = 0.3F;
  }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sets_.capacity() * sizeof(Weights) + (token_bias_.capacity() + pair_bias_.capacity()) * sizeof(float);
  }

  /// The scores of the candidates. Other lanes are meaningless.
  [[nodiscard]] Prediction::Lanes scores(Prediction const& prediction) const noexcept {
    Prediction::Lanes scores = weighted(prediction);
    for (std::size_t c = 0; c < prediction.size; ++c)
      scores[c] += token_bias_[prediction.candidates[c].token_bias] + pair_bias_[prediction.candidates[c].pair_bias];
    return scores;
  }

  /// One step of gradient descent on the log-loss. The error of a candidate is 1 if it was the next token, otherwise 0,
  /// minus its probability. Other lanes of `errors` must be 0.
  void learn(Prediction const& prediction, Prediction::Lanes const& errors) noexcept {
    for (std::size_t c = 0; c < prediction.size; ++c) {
      token_bias_[prediction.candidates[c].token_bias] += bias_rate * errors[c];
      pair_bias_[prediction.candidates[c].pair_bias] += bias_rate * errors[c];
    }
    Weights gradient{};
    for (std::size_t f = 0; f < prediction.feature_count(); ++f) {
      Four const sums = load_four(&errors[0]) * load_four(&prediction.x[f][0]) +
                        load_four(&errors[4]) * load_four(&prediction.x[f][4]);
      gradient[f] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
    for (std::size_t k = 0; k < prediction.set_count(); ++k)
      for (std::size_t f = 0; f < gradient.size(); ++f) sets_[prediction.sets[k]][f] += set_rates[k] * gradient[f];
  }

  /// Number of values that `append_to` appends.
  [[nodiscard]] static constexpr std::size_t number_count() noexcept {
    return set_count * Prediction::features + WeightSelection::token_biases + WeightSelection::pair_biases;
  }

  /// Appends all that was learnt: the sets, the biases of tokens, the biases of pairs.
  void append_to(std::vector<float>& numbers) const {
    for (Weights const& weights : sets_) numbers.insert(numbers.end(), weights.begin(), weights.end());
    numbers.insert(numbers.end(), token_bias_.begin(), token_bias_.end());
    numbers.insert(numbers.end(), pair_bias_.begin(), pair_bias_.end());
  }

  /// Whether `append_to` can write `number`.
  [[nodiscard]] static bool is_possible(float number) noexcept { return std::abs(number) <= max_weight; }

  /// Continues from `number_count()` values that `append_to` wrote, all of which are possible.
  void assign(std::span<float const> numbers) noexcept {
    auto const take = [&numbers](std::span<float> into) {
      std::ranges::copy(numbers.first(into.size()), into.begin());
      numbers = numbers.subspan(into.size());
    };
    for (Weights& weights : sets_) take(weights);
    take(token_bias_);
    take(pair_bias_);
  }

 private:
  struct alignas(64) Weights : std::array<float, Prediction::features> {};

  static constexpr std::size_t set_count = WeightSelection::first_sets.back();
  // Larger than any weight can become, and small enough that no sum of products overflows.
  static constexpr float max_weight = 1e6F;
  // Learning rates, chosen on recorded answers (docs/notebook.md). Halving or doubling them changes little.
  static constexpr std::array<float, Prediction::weight_sets> set_rates{0.0025F, 0.004F, 0.015F, 0.004F, 0.0025F};
  static constexpr float bias_rate = 0.2F;

  // The sum of the sets' weights times the features, for all lanes at once, including unused ones.
  [[nodiscard]] Prediction::Lanes weighted(Prediction const& prediction) const noexcept {
    Weights weights = sets_[prediction.sets[0]];
    for (std::size_t k = 1; k < prediction.set_count(); ++k)
      for (std::size_t f = 0; f < weights.size(); ++f) weights[f] += sets_[prediction.sets[k]][f];
    Four first{};
    Four second{};
    for (std::size_t f = 0; f < prediction.feature_count(); ++f) {
      first += weights[f] * load_four(&prediction.x[f][0]);
      second += weights[f] * load_four(&prediction.x[f][4]);
    }
    Prediction::Lanes scores;
    store_four(&scores[0], first);
    store_four(&scores[4], second);
    return scores;
  }

  std::vector<Weights> sets_;
  std::vector<float> token_bias_;
  std::vector<float> pair_bias_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
