// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/mixer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/mix/detail/context_map.hpp>
#include <copyspec/mix/detail/mixer_input.hpp>
#include <copyspec/mix/detail/prediction.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/mixer_evidence.hpp"
#include "support/mixer_probe.hpp"
#include "support/tokens.hpp"
#include "support/uniform.hpp"

using copyspec::Token;
using copyspec::detail::Mixer;
using copyspec::detail::MixerInput;
using copyspec::detail::Prediction;
using copyspec::detail::SuccessorCounts;
using copyspec_test::any_evidence;
using copyspec_test::below;
using copyspec_test::chance;
using copyspec_test::check_valid;
using copyspec_test::context_of;
using copyspec_test::named;
using copyspec_test::predict;
using copyspec_test::successors_of;
using copyspec_test::Tokens;
using copyspec_test::tokens_of;
using copyspec_test::vote_of;

namespace {

using Random = std::mt19937_64;

// The mixer at its plainest: sums of products in double precision, everything learnt by name.
class PlainMixer {
 public:
  std::vector<double> predict(MixerInput evidence) {
    tokens_ = named(evidence);
    tokens_.resize(std::min<std::size_t>(tokens_.size(), 8));
    newest_ = evidence.newest;
    select(evidence);
    inputs_ = evidence.history ? 11 : 6;
    features_.assign(tokens_.size(), {});
    states_.assign(tokens_.size(), {});
    chances_.clear();
    double total = 1;
    for (std::size_t c = 0; c < tokens_.size(); ++c) {
      for (std::size_t input = 0; input < inputs_; ++input) describe(evidence, input, c);
      features_[c][constant] = 2;
      features_[c][is_first] = c == 0 ? 1 : 0;
      double score = token_bias_[tokens_[c]] + pair_bias_[{newest_, tokens_[c]}];
      for (auto const& [set, rate] : sets_)
        for (auto const& [feature, x] : features_[c]) score += weight(set, feature) * x;
      chances_.push_back(std::exp(std::clamp(score, -12.0, 12.0)));
      total += chances_.back();
    }
    for (double& chance : chances_) chance /= total;
    return chances_;
  }

  // Of what was predicted last.
  void learn(Token token) {
    std::map<int, double> gradient;
    std::map<std::pair<std::size_t, std::uint32_t>, std::pair<double, double>> outcomes;
    for (std::size_t c = 0; c < tokens_.size(); ++c) {
      double const outcome = tokens_[c] == token ? 1 : 0;
      double const error = outcome - chances_[c];
      for (auto const& [feature, x] : features_[c]) gradient[feature] += error * x;
      token_bias_[tokens_[c]] += 0.2 * error;
      pair_bias_[{newest_, tokens_[c]}] += 0.2 * error;
      for (auto const& state : states_[c]) {
        auto& [candidates, came] = outcomes[state];
        candidates += 1;
        came += outcome;
      }
    }
    for (auto const& [state, outcome] : outcomes) {
      auto const& [candidates, came] = outcome;
      auto& [share, seen] = shares_.at(state);
      seen = std::min(seen + candidates, 255.0);
      share = std::clamp(share + (came - candidates * share) / (seen + 0.5), 0.002, 0.998);
    }
    for (auto const& [set, rate] : sets_)
      for (auto const& [feature, sum] : gradient) weight(set, feature) += rate * sum;
  }

 private:
  using Set = std::tuple<int, std::uint32_t, std::uint32_t>;  // which, and what selects it
  static constexpr int constant = 100;
  static constexpr int is_first = 101;

  double& weight(Set const& set, int feature) {
    double const at_first = std::get<0>(set) == 0 && feature < constant ? 0.3 : 0;
    return weights_.try_emplace({set, feature}, at_first).first->second;
  }

  void select(MixerInput const& evidence) {
    auto const lengths = [&](int which, std::size_t first) {
      auto const& [longest, recovered] = std::pair(evidence.votes[first], evidence.votes[first + 1]);
      std::uint32_t const lasting = recovered.length < 4 ? 1 : recovered.length < 8 ? 2 : 3;
      return Set{which, longest.token < 0 ? 0 : copyspec::detail::PointerState::length_class(longest.length),
                 recovered.token < 0 ? 0 : lasting};
    };
    auto const order = [&](std::size_t first) {
      return evidence.successors[first + 1].size() > 0 ? 2U : evidence.successors[first].size() > 0 ? 1U : 0U;
    };
    sets_ = {{lengths(0, 0), 0.0025},
             {Set{1, evidence.hits % 16, 0}, 0.004},
             {Set{2, static_cast<std::uint32_t>(evidence.newest), 0}, 0.015},
             {Set{3, order(0), evidence.history ? order(4) : 0}, 0.004}};
    if (evidence.history) sets_.emplace_back(lengths(4, 2), 0.0025);
  }

  void describe(MixerInput& evidence, std::size_t input, std::size_t candidate) {
    constexpr std::array<float, 11> trust{0.64F, 0.73F, 0.55F, 0.55F, 0, 0, 0.64F, 0.73F, 0.8F, 0, 0};
    std::uint32_t state = 0;
    double prior = 0;
    if (SuccessorCounts const* const successors = context_of(evidence, input)) {
      if (successors->size() == 0) return;
      std::uint32_t own = 0;
      for (std::size_t i = 0; i < successors->size(); ++i)
        if (successors->token(i) == tokens_[candidate]) own = successors->count(i);
      state = copyspec::detail::ContextState::of(own, successors->total() - own,
                                                 successors->token(0) == tokens_[candidate]);
      prior = static_cast<double>(copyspec::detail::ContextState::prior(state, trust[input]));
    } else {
      MixerInput::Vote const& vote = *vote_of(evidence, input);
      if (vote.token < 0) return;
      state = copyspec::detail::PointerState::of(vote, vote.token == tokens_[candidate]);
      prior = static_cast<double>(copyspec::detail::PointerState::prior(state));
    }
    states_[candidate].emplace_back(input, state);
    double const share = shares_.try_emplace({input, state}, std::clamp(prior, 0.002, 0.998), 1.0).first->second.first;
    features_[candidate][static_cast<int>(input)] = std::log(share / (1 - share));
  }

  std::map<std::pair<Set, int>, double> weights_;
  std::map<std::pair<std::size_t, std::uint32_t>, std::pair<double, double>> shares_;
  std::map<Token, double> token_bias_;
  std::map<std::pair<Token, Token>, double> pair_bias_;
  // Of the last prediction.
  Tokens tokens_;
  Token newest_ = 0;
  std::size_t inputs_ = 0;
  std::vector<std::pair<Set, double>> sets_;  // and the rate at which it learns
  std::vector<std::map<int, double>> features_;
  std::vector<std::vector<std::pair<std::size_t, std::uint32_t>>> states_;
  std::vector<double> chances_;
};

}  // namespace

TEST_CASE("without evidence there are no candidates, and nothing is learnt") {
  Mixer mixer;
  Mixer const fresh = mixer;
  Prediction const prediction = predict(mixer, MixerInput{});
  CHECK(prediction.size == 0);
  for (Token const token : {0, 5, 100}) mixer.learn(prediction, token);
  Random random(1);
  for (int i = 0; i < 100; ++i) {
    MixerInput const evidence = any_evidence(random);
    for (Token const token : named(evidence)) REQUIRE(chance(mixer, evidence, token) == chance(fresh, evidence, token));
  }
}

TEST_CASE(
    "the candidates are the first eight tokens named: by pointers, as the latest of a context, and as one before") {
  Random random(2);
  Mixer const mixer;
  std::size_t full = 0;
  for (int i = 0; i < 5000; ++i) {
    MixerInput const evidence = any_evidence(random);
    Tokens expected = named(evidence);
    full += expected.size() > 8 ? 1U : 0U;
    expected.resize(std::min(expected.size(), Prediction::max_candidates));
    REQUIRE(tokens_of(predict(mixer, evidence)) == expected);
  }
  CHECK(full > 1000);
}

TEST_CASE("a pointer to a negative token names nothing") {
  MixerInput evidence;
  evidence.votes[0] = {.token = -1, .length = 30};
  evidence.votes[1] = {.token = std::numeric_limits<Token>::min(), .length = 30};
  CHECK(predict(Mixer(), evidence).size == 0);
}

TEST_CASE("probabilities are positive, their sum is below one, and the best is the greatest, whatever the evidence") {
  Random random(3);
  Mixer mixer;
  for (int i = 0; i < 20000; ++i) {
    MixerInput const evidence = any_evidence(random);
    Prediction const prediction = predict(mixer, evidence);
    check_valid(prediction);
    mixer.learn(prediction, static_cast<Token>(below(random, 12)));
  }
}

TEST_CASE("before anything was learnt, probabilities are roughly what the evidence deserves") {
  Mixer const mixer;
  auto const vote = [](std::uint32_t length, std::uint8_t misses) {
    return MixerInput{.votes = {MixerInput::Vote{.token = 5, .length = length, .misses = misses, .history = 7}}};
  };
  auto const within = [](float value, float least, float most) { return value > least && value < most; };
  CHECK(within(chance(mixer, vote(3, 0), 5), 0.4F, 0.7F));
  CHECK(within(chance(mixer, vote(32, 0), 5), 0.6F, 0.95F));
  CHECK(within(chance(mixer, vote(32, 2), 5), 0.3F, chance(mixer, vote(32, 0), 5)));
  MixerInput evidence;
  evidence.successors[0] = successors_of({5});
  CHECK(within(chance(mixer, evidence, 5), 0.2F, 0.6F));
  evidence.successors[1] = successors_of({6, 5, 5, 5, 5, 5});
  CHECK(within(chance(mixer, evidence, 5), 0.3F, 0.8F));
  CHECK(within(chance(mixer, evidence, 6), 0.01F, 0.2F));
}

TEST_CASE("more evidence for a token makes it more likely, and for another less") {
  Mixer const mixer;
  MixerInput evidence{.history = true};
  evidence.successors[1] = successors_of({5, 5, 5});
  float before = chance(mixer, evidence, 5);
  for (MixerInput::Vote& vote : evidence.votes) {
    vote = {.token = 5, .length = 20, .history = 7};
    CHECK(chance(mixer, evidence, 5) > before);
    before = chance(mixer, evidence, 5);
  }
  evidence.votes[0].token = 8;
  CHECK(chance(mixer, evidence, 5) < before);
  CHECK(chance(mixer, evidence, 8) > 0);
}

TEST_CASE("probabilities are those of a plain mixer, before and after learning") {
  Random random(19);
  Mixer mixer;
  PlainMixer plain;
  for (int i = 0; i < 10000; ++i) {
    CAPTURE(i);
    // Few tokens and no great ones, so that no two share a bias.
    MixerInput const evidence = any_evidence(random, 5);
    if (std::ranges::any_of(named(evidence), [](Token token) { return token > 5; })) continue;
    Prediction const prediction = predict(mixer, evidence);
    std::vector<double> const expected = plain.predict(evidence);
    REQUIRE(prediction.size == expected.size());
    for (std::size_t c = 0; c < expected.size(); ++c)
      REQUIRE(std::abs(static_cast<double>(prediction.candidates[c].probability) - expected[c]) < 5e-4);
    // What the own text's first pointer says, or anything.
    auto const token = below(random, 2) == 0 ? evidence.votes[0].token : static_cast<Token>(below(random, 5));
    mixer.learn(prediction, token);
    plain.learn(token);
  }
}

TEST_CASE("memory is some 200 KiB, allocated when it is made") {
  Mixer mixer;
  CHECK(mixer.memory_bytes() > 100 * 1024);
  CHECK(mixer.memory_bytes() < 256 * 1024);
  std::size_t const memory = mixer.memory_bytes();
  Random random(13);
  MixerInput const evidence = any_evidence(random);
  std::size_t const before = allocations();
  Prediction prediction;
  for (int i = 0; i < 1000; ++i) {
    mixer.predict(evidence, prediction);
    mixer.learn(prediction, static_cast<Token>(i % 12));
  }
  CHECK(allocations() == before);
  CHECK(mixer.memory_bytes() == memory);
}
