// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/simd4.hpp"
#include "candidate_set.hpp"
#include "copy_survival.hpp"
#include "input_states.hpp"
#include "learnt_numbers.hpp"
#include "mixer_input.hpp"
#include "mixer_weights.hpp"
#include "prediction.hpp"
#include "weight_selection.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Turns inputs into probabilities, and learns from the next token. It is online logistic mixing over at most eight
/// candidate tokens and an escape, as in the PAQ compressors (Mahoney 2005; Knoll and de Freitas, "A machine learning
/// perspective on predictive coding with PAQ8", 2012).
///
/// Each input describes a candidate as a small state. For a context, the state is the candidate's count, the count of
/// its rivals, and whether it is the latest. For a match pointer, it is the length of the match and its record. The
/// feature x is the log-odds of how often candidates in this state were the next token (`InputStates`). The score of a
/// candidate is a weighted sum of its features, with weights that the inputs select (`WeightSelection`,
/// `MixerWeights`), and
///
///     probability = exp(score) / (1 + sum over candidates of exp(score))
///
/// Learning is gradient descent on the log-loss of the probabilities, in the weights and biases.
///
/// A mixer holds only numbers, some of them indexed by hashed tokens; it stores no token. It can be carried from one
/// text to the next without carrying text.
///
/// Cost: O(1), some hundred multiplications and ten exponentials and logarithms a call. Memory: some 200 KiB, allocated
/// by the constructor. Threads: one call at a time; `predict` calls may run together.
class Mixer {
 public:
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return weights_.memory_bytes() + inputs_.states().memory_bytes();
  }

  /// Number of values that `learnt` returns.
  [[nodiscard]] static constexpr std::size_t learnt_size() noexcept { return LearntNumbers::size(); }

  /// All that was learnt, as plain numbers. Another mixer takes them with `set_learnt`, and then predicts and learns as
  /// this one. O(memory).
  [[nodiscard]] std::vector<float> learnt() const { return LearntNumbers::pack(weights_, inputs_.states(), survival_); }

  /// Forgets what was learnt and continues from `numbers`, which `learnt` returned. Throws as `LearntNumbers::unpack`
  /// does; nothing is changed then. O(memory).
  void set_learnt(std::span<float const> numbers, std::string const& where) {
    LearntNumbers::unpack(numbers, where, weights_, inputs_.states(), survival_);
  }

  /// Writes the candidates and their probabilities.
  void predict(MixerInput const& input, Prediction& prediction) const noexcept {
    CandidateSet named(input);
    prediction.history = input.history;
    MixerInput::Vote const& own = input.votes[0];
    prediction.copied = own.token >= 0 || !input.history ? own : input.votes[MixerInput::own_pointers];
    prediction.size = named.candidates(prediction.candidates);
    if (prediction.size == 0) return;
    WeightSelection::select(input, prediction);
    inputs_.describe(input, named, prediction);

    Prediction::Lanes scores = weights_.scores(prediction);
    for (std::size_t c = 0; c < scores.size(); c += 4) {
      Four four = load_four(&scores[c]);
      four = four < max_score ? four : Four{} + max_score;
      store_four(&scores[c], fast_exp(four > -max_score ? four : Four{} - max_score));
    }
    float total = 1;
    prediction.best = 0;
    for (std::size_t c = 0; c < prediction.size; ++c) {
      total += scores[c];
      if (scores[c] > scores[prediction.best]) prediction.best = c;
    }
    for (std::size_t c = 0; c < prediction.size; ++c) prediction.candidates[c].probability = scores[c] / total;
  }

  /// How long copies go on, as learnt so far.
  [[nodiscard]] CopySurvival const& survival() const noexcept { return survival_; }

  /// Learns that `token` was the next token at the position of `prediction`.
  void learn(Prediction const& prediction, Token token) noexcept {
    if (prediction.size == 0) return;
    if (prediction.copied.token >= 0) survival_.observe(prediction.copied.length, prediction.copied.token == token);
    Prediction::Lanes errors{};
    std::size_t right = Prediction::max_candidates;
    for (std::size_t c = 0; c < prediction.size; ++c) {
      Prediction::Candidate const& candidate = prediction.candidates[c];
      if (candidate.token == token) right = c;
      errors[c] = (candidate.token == token ? 1.0F : 0.0F) - candidate.probability;
    }
    weights_.learn(prediction, errors);
    inputs_.learn(prediction, right);
  }

 private:
  static constexpr float max_score = 12;

  MixerWeights weights_;
  InputStates inputs_;
  CopySurvival survival_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
