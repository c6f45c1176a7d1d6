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

#include "../../core/error.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/simd4.hpp"
#include "candidate_set.hpp"
#include "context_map.hpp"
#include "mixer_input.hpp"
#include "prediction.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Turns evidence into probabilities, and learns from what came: online logistic mixing as in the PAQ compressors
/// (Mahoney 2005; Knoll and de Freitas, "A machine learning perspective on predictive coding with PAQ8", 2012), over at
/// most eight candidate tokens and an escape.
///
/// What each input says of a candidate is a small state: for a context, the candidate's count, the count of its rivals
/// and whether it is the latest; for a match pointer, the length of the match and its record. An adaptive table gives
/// the share of such states that came true; the log-odds of that share is the feature x. The score of a candidate is
///
///     s      = sum over sets k of W[k] . x + B[token] + B[newest, token]
///     chance = exp(s) / (1 + sum over candidates of exp(s))
///
/// where the weight sets are selected by the match lengths, by the recent hits, by the newest token, by the order of
/// the known contexts and, if a history was asked, by the match lengths there. Learning descends the log-loss of the
/// probabilities, in the weights and biases.
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
        shares_(first_states.back()),
        log_odds_(first_states.back()) {
    // What the sets have in common: all inputs count for a third. The other sets start at zero.
    for (std::size_t set = 0; set < first_set(1); ++set)
      for (std::size_t input = 0; input < Prediction::inputs; ++input)
        weights_[set][Prediction::feature_of(input)] = 0.3F;
    for (std::size_t i = 0; i < MixerInput::contexts; ++i)
      for (std::uint32_t state = 0; state < ContextState::count; ++state)
        shares_[first_states[Prediction::input_of_context(i)] + state].value = ContextState::prior(state, trust[i]);
    for (std::size_t i = 0; i < MixerInput::pointers; ++i)
      for (std::uint32_t state = 0; state < PointerState::count; ++state)
        shares_[first_states[Prediction::input_of_pointer(i)] + state].value = PointerState::prior(state);
    settle();
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return weights_.capacity() * sizeof(Weights) + (token_bias_.capacity() + pair_bias_.capacity()) * sizeof(float) +
           shares_.capacity() * sizeof(Share) + log_odds_.capacity() * sizeof(float);
  }

  /// How many numbers `learnt` gives.
  [[nodiscard]] static constexpr std::size_t learnt_size() noexcept {
    return 1 + first_set(Prediction::weight_sets) * Prediction::features + token_biases + pair_biases +
           2 * first_states.back();
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
      raise_error(ErrorCode::file, where + ": has " + std::to_string(numbers.size()) + " learnt numbers, a mixer has " +
                                       std::to_string(learnt_size()));
    if (numbers[0] != layout)
      raise_error(ErrorCode::file, where + ": its learnt numbers are of layout " + std::to_string(numbers[0]) +
                                       ", layout " + std::to_string(layout) + " is known");
    std::size_t const first_share = numbers.size() - 2 * shares_.size();
    for (std::size_t i = 1; i < numbers.size(); ++i) {
      bool const seen = (i - first_share) % 2 != 0;
      bool const possible = i < first_share ? std::abs(numbers[i]) <= max_weight
                            : seen          ? numbers[i] >= 1 && numbers[i] <= max_seen
                                            : numbers[i] >= least_share && numbers[i] <= 1 - least_share;
      if (!possible)
        raise_error(ErrorCode::file, where + ": learnt number " + std::to_string(i) + " is " +
                                         std::to_string(numbers[i]) + ", which cannot have been learnt");
    }
    auto next = numbers.begin() + 1;
    auto const take = [&next](std::span<float> into) {
      for (float& number : into) number = *next++;
    };
    for (Weights& weights : weights_) take(weights);
    take(token_bias_);
    take(pair_bias_);
    for (Share& share : shares_) {
      share.value = *next++;
      share.seen = *next++;
    }
    settle();
  }

  /// The candidates and their probabilities.
  void predict(MixerInput const& evidence, Prediction& prediction) const noexcept {
    CandidateSet named(evidence);
    prediction.history = evidence.history;
    prediction.size = named.candidates(prediction.candidates);
    if (prediction.size == 0) return;
    select(evidence, prediction);
    describe(evidence, named, prediction);

    Lanes scores = weighted(prediction);
    for (std::size_t c = 0; c < prediction.size; ++c)
      scores[c] += token_bias_[prediction.candidates[c].token_bias] + pair_bias_[prediction.candidates[c].pair_bias];
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
    for (std::size_t c = 0; c < prediction.size; ++c) prediction.candidates[c].chance = scores[c] / total;
  }

  /// `token` came where `prediction` was made.
  void learn(Prediction const& prediction, Token token) noexcept {
    if (prediction.size == 0) return;
    Lanes errors{};
    std::size_t right = Prediction::max_candidates;
    for (std::size_t c = 0; c < prediction.size; ++c) {
      Prediction::Candidate const& candidate = prediction.candidates[c];
      if (candidate.token == token) right = c;
      errors[c] = (candidate.token == token ? 1.0F : 0.0F) - candidate.chance;
      token_bias_[candidate.token_bias] += bias_rate * errors[c];
      pair_bias_[candidate.pair_bias] += bias_rate * errors[c];
    }
    descend(prediction, errors);
    learn_states(prediction, right);
  }

 private:
  using Lanes = std::array<float, Prediction::max_candidates>;
  struct alignas(64) Weights : std::array<float, Prediction::features> {};

  static constexpr float least_share = 0.002F;
  static constexpr float max_seen = 255;
  // More than any can become, and little enough that no sum of products overflows.
  static constexpr float max_weight = 1e6F;
  // Of `learnt`: raised when the numbers, or the states and hashes that select them, come to mean something else.
  static constexpr float layout = 1;

  // The share of a state's candidates that came: a mean that becomes a moving one.
  struct Share {
    float value = 0;
    float seen = 1;

    // Of so many more candidates, so many came.
    void learn(float candidates, float came) noexcept {
      seen = std::min(seen + candidates, max_seen);
      value = std::min(std::max(value + (came - candidates * value) / (seen + 0.5F), least_share), 1 - least_share);
    }
  };

  static Four log_odds(Four shares) noexcept { return fast_log(shares / (1 - shares)); }

  // The log-odds of all shares, to the bit as they are when they are learnt.
  void settle() noexcept {
    for (std::size_t state = 0; state < shares_.size(); ++state)
      log_odds_[state] = log_odds(Four{} + shares_[state].value)[0];
  }

  // The sum of the sets' weights times the features. All candidates at once, those that are not there too.
  [[nodiscard]] Lanes weighted(Prediction const& prediction) const noexcept {
    Weights weights = weights_[prediction.sets[0]];
    for (std::size_t k = 1; k < prediction.set_count(); ++k)
      for (std::size_t f = 0; f < weights.size(); ++f) weights[f] += weights_[prediction.sets[k]][f];
    Four first{};
    Four second{};
    for (std::size_t f = 0; f < prediction.feature_count(); ++f) {
      first += weights[f] * load_four(&prediction.x[f][0]);
      second += weights[f] * load_four(&prediction.x[f][4]);
    }
    Lanes scores;
    store_four(&scores[0], first);
    store_four(&scores[4], second);
    return scores;
  }

  static void fill(Lanes& lanes, float value) noexcept {
    store_four(&lanes[0], Four{} + value);
    store_four(&lanes[4], Four{} + value);
  }

  // One step down the log-loss.
  void descend(Prediction const& prediction, Lanes const& errors) noexcept {
    Weights gradient{};
    for (std::size_t f = 0; f < prediction.feature_count(); ++f) {
      Four const sums = load_four(&errors[0]) * load_four(&prediction.x[f][0]) +
                        load_four(&errors[4]) * load_four(&prediction.x[f][4]);
      gradient[f] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
    for (std::size_t k = 0; k < prediction.set_count(); ++k)
      for (std::size_t f = 0; f < gradient.size(); ++f) weights_[prediction.sets[k]][f] += set_rates[k] * gradient[f];
  }

  // The candidate `right` came, or none. Those that an input does not name count together.
  void learn_states(Prediction const& prediction, std::size_t right) noexcept {
    // Room for all, for one that does not count, and to a multiple of four. Few branches, as above.
    constexpr std::size_t most = Prediction::inputs * (SuccessorCounts::capacity + 1) + 4;
    std::array<std::uint16_t, most> states;
    std::array<float, most> candidates;
    std::array<float, most> came;
    std::array<float, most> values;
    std::size_t count = 0;
    for (std::size_t input = 0; input < prediction.input_count(); ++input) {
      std::uint16_t const unnamed = prediction.unnamed[input];
      if (unnamed == Prediction::no_state) continue;
      std::size_t const begin = count;
      bool named_came = false;
      for (std::size_t c = 0; c < prediction.size; ++c) {
        bool const named = prediction.states[input][c] != unnamed;
        states[count] = prediction.states[input][c];
        candidates[count] = 1;
        came[count] = c == right ? 1 : 0;
        named_came |= named && c == right;
        count += named ? 1 : 0;
      }
      states[count] = unnamed;
      candidates[count] = static_cast<float>(prediction.size - (count - begin));
      came[count] = right < prediction.size && !named_came ? 1 : 0;
      ++count;
    }
    for (std::size_t i = 0; i < count; ++i) {
      Share& share = shares_[states[i]];
      share.learn(candidates[i], came[i]);
      values[i] = share.value;
    }
    for (std::size_t i = count; i % 4 != 0; ++i) values[i] = 0.5F;
    for (std::size_t i = 0; i < count; i += 4) store_four(&values[i], log_odds(load_four(&values[i])));
    for (std::size_t i = 0; i < count; ++i) log_odds_[states[i]] = values[i];
  }

  // Learning rates, chosen on recorded answers (docs/notebook.md); half or twice as much changes little.
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
  static constexpr std::array<float, MixerInput::contexts> trust{0.64F, 0.73F, 0.55F, 0.55F, 0.64F, 0.73F, 0.8F};

  static constexpr std::uint32_t hash(std::uint64_t value) noexcept {
    return static_cast<std::uint32_t>((value * 0x9e3779b97f4a7c15) >> 40);
  }

  // Where the states of an input begin, and where all end.
  static constexpr std::array<std::uint32_t, Prediction::inputs + 1> first_states = [] {
    std::array<std::uint32_t, Prediction::inputs + 1> first{};
    for (std::size_t i = 0; i < MixerInput::contexts; ++i)
      first[Prediction::input_of_context(i) + 1] = ContextState::count;
    for (std::size_t i = 0; i < MixerInput::pointers; ++i)
      first[Prediction::input_of_pointer(i) + 1] = PointerState::count;
    for (std::size_t input = 0; input < Prediction::inputs; ++input) first[input + 1] += first[input];
    return first;
  }();

  static void select(MixerInput const& evidence, Prediction& prediction) noexcept {
    auto const order = [&](std::size_t first) -> std::uint32_t {
      return evidence.successors[first + 1].count(0) > 0 ? 2 : evidence.successors[first].count(0) > 0 ? 1 : 0;
    };
    auto const lengths = [&](std::size_t first) {
      MixerInput::Vote const& longest = evidence.votes[first];
      MixerInput::Vote const& recovered = evidence.votes[first + 1];
      std::uint32_t const longest_class = longest.token < 0 ? 0 : PointerState::length_class(longest.length);
      return longest_class * 4 + (recovered.token < 0 ? 0 : 1 + std::min(recovered.length, 8U) / 4);
    };
    auto const newest = static_cast<std::uint64_t>(evidence.newest) + 1;
    prediction.sets = {lengths(0), evidence.hits & 15U, hash(newest) % static_cast<std::uint32_t>(set_counts[2]),
                       order(0) + (evidence.history ? 3 * order(MixerInput::own_contexts) : 0),
                       lengths(MixerInput::own_pointers)};
    for (std::size_t k = 0; k < Prediction::weight_sets; ++k)
      prediction.sets[k] += static_cast<std::uint32_t>(first_set(k));
    for (std::size_t c = 0; c < prediction.size; ++c) {
      auto const token = static_cast<std::uint64_t>(prediction.candidates[c].token) + 1;
      prediction.candidates[c].token_bias = hash(token * 3) % token_biases;
      prediction.candidates[c].pair_bias = hash(token << 32 ^ newest) % pair_biases;
    }
  }

  // The state that each input is in about each candidate, and what such states were worth.
  void describe(MixerInput const& evidence, CandidateSet const& named, Prediction& prediction) const noexcept {
    auto const enter_all = [&](std::size_t input, std::uint32_t state) {
      prediction.unnamed[input] = static_cast<std::uint16_t>(state);
      prediction.states[input].fill(static_cast<std::uint16_t>(state));
      fill(prediction.x[Prediction::feature_of(input)], state == Prediction::no_state ? 0 : log_odds_[state]);
    };
    auto const enter = [&](std::size_t input, std::size_t candidate, std::uint32_t state) {
      if (candidate == CandidateSet::none) return;
      prediction.states[input][candidate] = static_cast<std::uint16_t>(state);
      prediction.x[Prediction::feature_of(input)][candidate] = log_odds_[state];
    };
    for (std::size_t context = 0; context < (evidence.history ? MixerInput::contexts : MixerInput::own_contexts);
         ++context) {
      std::size_t const input = Prediction::input_of_context(context);
      SuccessorCounts const& successors = evidence.successors[context];
      std::uint32_t const total = successors.total();
      std::uint32_t const first = first_states[input];
      enter_all(input, total > 0 ? first + ContextState::of(0, total, false) : Prediction::no_state);
      for (std::size_t i = 0; i < SuccessorCounts::capacity && successors.count(i) > 0; ++i)
        enter(input, named.of_successor(context, i),
              first + ContextState::of(successors.count(i), total - successors.count(i), i == 0));
    }
    for (std::size_t i = 0; i < (evidence.history ? MixerInput::pointers : MixerInput::own_pointers); ++i) {
      std::size_t const input = Prediction::input_of_pointer(i);
      MixerInput::Vote const& vote = evidence.votes[i];
      bool const votes = vote.token >= 0;
      std::uint32_t const first = first_states[input];
      enter_all(input, votes ? first + PointerState::of(vote, false) : Prediction::no_state);
      if (votes) enter(input, named.of_vote(i), first + PointerState::of(vote, true));
    }
    prediction.x[Prediction::own_inputs].fill(2);
    prediction.x[Prediction::own_inputs + 1].fill(0);
    prediction.x[Prediction::own_inputs + 1][0] = 1;
  }

  std::vector<Weights> weights_;
  std::vector<float> token_bias_;
  std::vector<float> pair_bias_;
  std::vector<Share> shares_;    // by state, input after input
  std::vector<float> log_odds_;  // of the shares
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
