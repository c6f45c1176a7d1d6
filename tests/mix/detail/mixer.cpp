// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/mixer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::Token;
using copyspec::detail::Mixer;
using copyspec::detail::MixerInput;
using copyspec::detail::Prediction;
using copyspec::detail::SuccessorCounts;

namespace {

using Tokens = std::vector<Token>;
using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

double uniform(Random& random) {
  return std::uniform_real_distribution<double>(0, 1)(random);
}

SuccessorCounts successors_of(Tokens const& tokens) {
  SuccessorCounts successors;
  for (Token const token : tokens) successors.observe(token);
  return successors;
}

Prediction predict(Mixer const& mixer, MixerInput const& evidence) {
  Prediction prediction;
  mixer.predict(evidence, prediction);
  return prediction;
}

float chance(Prediction const& prediction, Token token) {
  for (std::size_t i = 0; i < prediction.size; ++i)
    if (prediction.candidates[i].token == token) return prediction.candidates[i].chance;
  return 0;
}

float chance(Mixer const& mixer, MixerInput const& evidence, Token token) {
  return chance(predict(mixer, evidence), token);
}

// What `token` cost in nats; what is no candidate shares what is left.
double loss(Prediction const& prediction, Token token) {
  double left = 1;
  for (std::size_t i = 0; i < prediction.size; ++i) left -= static_cast<double>(prediction.candidates[i].chance);
  double const given = static_cast<double>(chance(prediction, token));
  return -std::log(given > 0 ? given : left);
}

Tokens tokens_of(Prediction const& prediction) {
  Tokens tokens;
  for (std::size_t i = 0; i < prediction.size; ++i) tokens.push_back(prediction.candidates[i].token);
  return tokens;
}

void check_valid(Prediction const& prediction) {
  float total = 0;
  REQUIRE(prediction.size <= Prediction::max_candidates);
  for (std::size_t i = 0; i < prediction.size; ++i) {
    float const chance = prediction.candidates[i].chance;
    REQUIRE(std::isfinite(chance));
    REQUIRE(chance > 0);
    REQUIRE(chance <= prediction.candidates[prediction.best].chance);
    for (std::size_t f = 0; f < prediction.feature_count(); ++f) REQUIRE(std::abs(prediction.x[f][i]) < 6.3F);
    total += chance;
  }
  REQUIRE(total < 1);
}

bool is_of_history(std::size_t input) {
  return input >= Prediction::own_inputs;
}

// The successors of a context, and the vote of a pointer, by input: those of the own text first. Null if the input is
// of the other kind.
SuccessorCounts* context_of(MixerInput& evidence, std::size_t input) {
  if (input < 4) return &evidence.successors[input];
  return input >= 6 && input < 9 ? &evidence.successors[input - 2] : nullptr;
}
MixerInput::Vote* vote_of(MixerInput& evidence, std::size_t input) {
  if (input == 4 || input == 5) return &evidence.votes[input - 4];
  return input >= 9 ? &evidence.votes[input - 7] : nullptr;
}

// The tokens named, in the order of their rank: pointers, the latest of each context, the second latest, the third.
Tokens named(MixerInput const& evidence) {
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

Token any_token(Random& random, std::size_t vocabulary) {
  if (below(random, 20) == 0) return SuccessorCounts::max_token;
  return static_cast<Token>(below(random, vocabulary));
}

// What an input may say, or nothing.
void set_input(MixerInput& evidence, std::size_t input, Random& random, std::size_t vocabulary = 12) {
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
MixerInput any_evidence(Random& random, std::size_t vocabulary = 12) {
  MixerInput evidence;
  for (std::size_t input = 0; input < Prediction::inputs; ++input) set_input(evidence, input, random, vocabulary);
  evidence.history = below(random, 2) == 0;
  evidence.hits = static_cast<std::uint8_t>(random());
  evidence.newest = below(random, 20) == 0 ? std::numeric_limits<Token>::max() : any_token(random, vocabulary);
  return evidence;
}

std::span<std::uint32_t const> sets_of(Prediction const& prediction) {
  return std::span(prediction.sets).first(prediction.set_count());
}
std::vector<std::uint32_t> states_of(Prediction const& prediction, std::size_t candidate) {
  std::vector<std::uint32_t> states;
  for (std::size_t input = 0; input < prediction.input_count(); ++input)
    states.push_back(prediction.states[input][candidate]);
  return states;
}
std::vector<float> features_of(Prediction const& prediction, std::size_t candidate) {
  std::vector<float> features;
  for (std::size_t f = 0; f < prediction.feature_count(); ++f) features.push_back(prediction.x[f][candidate]);
  return features;
}

void check_same(Prediction const& a, Prediction const& b) {
  REQUIRE(tokens_of(a) == tokens_of(b));
  if (a.size == 0) return;
  REQUIRE(a.best == b.best);
  REQUIRE(std::ranges::equal(sets_of(a), sets_of(b)));
  for (std::size_t c = 0; c < a.size; ++c) {
    REQUIRE(a.candidates[c].chance == b.candidates[c].chance);
    REQUIRE(std::ranges::equal(states_of(a, c), states_of(b, c)));
    REQUIRE(std::ranges::equal(features_of(a, c), features_of(b, c)));
  }
}

// Whether one asks what learning from the other moves: a set of weights, a state, or a bias.
bool have_in_common(Prediction const& a, Prediction const& b) {
  auto const sets = sets_of(b);
  if (std::ranges::any_of(sets_of(a), [&](auto set) { return std::ranges::find(sets, set) != sets.end(); }))
    return true;
  for (std::size_t i = 0; i < a.size; ++i) {
    for (std::size_t j = 0; j < b.size; ++j) {
      Prediction::Candidate const& one = a.candidates[i];
      Prediction::Candidate const& other = b.candidates[j];
      if (one.token_bias == other.token_bias || one.pair_bias == other.pair_bias) return true;
      auto const states = states_of(b, j);
      for (std::uint32_t const state : states_of(a, i))
        if (state != Prediction::no_state && std::ranges::find(states, state) != states.end()) return true;
    }
  }
  return false;
}

// Two pointers to tokens that are never the same, each with a record.
MixerInput two_votes(Random& random, std::uint32_t first_length = 12, std::uint32_t second_length = 12) {
  auto const token = static_cast<Token>(2 * below(random, 5000));
  return {.votes = {MixerInput::Vote{.token = token, .length = first_length, .history = 7},
                    MixerInput::Vote{.token = token + 1, .length = second_length, .history = 7}},
          .newest = static_cast<Token>(below(random, 5000))};
}

// A text in which the first pointer is right in so many cases, and the second in others.
struct Source {
  double first;
  double second;

  Token operator()(Random& random, MixerInput const& evidence) const {
    double const drawn = uniform(random);
    if (drawn < first) return evidence.votes[0].token;
    return drawn < first + second ? evidence.votes[1].token : 100000;
  }
};

struct Measured {
  double first = 0;   // mean chance of what the first pointer points to
  double second = 0;  // and the second
  double loss = 0;
};

Measured run(Mixer& mixer, Random& random, Source const& source, int steps) {
  Measured sum;
  for (int i = 0; i < steps; ++i) {
    MixerInput const evidence = two_votes(random);
    Prediction const prediction = predict(mixer, evidence);
    Token const token = source(random, evidence);
    sum.first += static_cast<double>(chance(prediction, evidence.votes[0].token)) / steps;
    sum.second += static_cast<double>(chance(prediction, evidence.votes[1].token)) / steps;
    sum.loss += loss(prediction, token) / steps;
    mixer.learn(prediction, token);
  }
  return sum;
}

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
      REQUIRE(std::abs(static_cast<double>(prediction.candidates[c].chance) - expected[c]) < 5e-4);
    // What the own text's first pointer says, or anything.
    auto const token = below(random, 2) == 0 ? evidence.votes[0].token : static_cast<Token>(below(random, 5));
    mixer.learn(prediction, token);
    plain.learn(token);
  }
}

TEST_CASE("each set of weights is selected by one thing, of which the match's record counts four outcomes") {
  Random random(15);
  Mixer const mixer;
  std::array<std::uint32_t, Prediction::weight_sets> least{};
  std::array<std::uint32_t, Prediction::weight_sets> most{};
  least.fill(std::numeric_limits<std::uint32_t>::max());
  for (int i = 0; i < 5000; ++i) {
    MixerInput evidence = any_evidence(random);
    Prediction const prediction = predict(mixer, evidence);
    if (prediction.size == 0) continue;
    for (std::size_t k = 0; k < prediction.set_count(); ++k) {
      least[k] = std::min(least[k], prediction.sets[k]);
      most[k] = std::max(most[k], prediction.sets[k]);
    }
    MixerInput other = evidence;
    other.hits ^= 0xf0;
    REQUIRE(std::ranges::equal(sets_of(predict(mixer, other)), sets_of(prediction)));
    other.hits = static_cast<std::uint8_t>(evidence.hits ^ (1U << below(random, 4)));
    REQUIRE(predict(mixer, other).sets[1] != prediction.sets[1]);
    // Whatever else is known at the position, the other sets stay.
    other = evidence;
    std::size_t const input = below(random, Prediction::inputs);
    set_input(other, input, random);
    Prediction const changed = predict(mixer, other);
    if (changed.size == 0) continue;
    std::size_t const may_change = vote_of(other, input) == nullptr ? 3 : is_of_history(input) ? 4 : 0;
    for (std::size_t k = 0; k < prediction.set_count(); ++k)
      if (k != may_change) REQUIRE(changed.sets[k] == prediction.sets[k]);
  }
  for (std::size_t k = 1; k < most.size(); ++k) CHECK(most[k - 1] < least[k]);
}

TEST_CASE("a set of weights belongs to each pair of match lengths, and to each pair of orders") {
  Mixer const mixer;
  for (bool const history : {false, true}) {
    std::size_t const first = history ? 2 : 0;
    std::set<std::uint32_t> of_lengths;
    for (std::uint32_t const longest : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 11U, 13U, 17U, 25U, 33U, 64U}) {
      for (std::uint32_t const recovered : {0U, 3U, 4U, 8U}) {
        // Of no length is no match. Another input names a token, so that there is a prediction.
        MixerInput evidence{.history = true};
        evidence.successors[2] = successors_of({5});
        if (longest > 0) evidence.votes[first] = {.token = 5, .length = longest};
        if (recovered > 0) evidence.votes[first + 1] = {.token = 5, .length = recovered};
        of_lengths.insert(predict(mixer, evidence).sets[history ? 4 : 0]);
        if (recovered != 8) continue;
        std::uint32_t const set = predict(mixer, evidence).sets[history ? 4 : 0];
        evidence.votes[first + 1].length = 1000;
        CHECK(predict(mixer, evidence).sets[history ? 4 : 0] == set);
      }
    }
    CHECK(of_lengths.size() == 16 * 4);
  }
  std::set<std::uint32_t> of_orders;
  for (std::size_t own = 0; own < 3; ++own) {
    for (std::size_t of_history = 0; of_history < 3; ++of_history) {
      MixerInput evidence{.history = true};
      evidence.votes[0] = {.token = 5, .length = 3};
      if (own > 0) evidence.successors[own - 1] = successors_of({5});
      if (of_history > 0) evidence.successors[4 + of_history - 1] = successors_of({5});
      of_orders.insert(predict(mixer, evidence).sets[3]);
    }
  }
  CHECK(of_orders.size() == 9);
}

TEST_CASE("without a history, nothing in its place has any influence") {
  Random random(16);
  Mixer one;
  Mixer other;
  std::size_t predicted = 0;
  for (int i = 0; i < 10000; ++i) {
    MixerInput evidence = any_evidence(random);
    MixerInput otherwise = evidence;
    if (!evidence.history)
      for (std::size_t input = Prediction::own_inputs; input < Prediction::inputs; ++input)
        set_input(otherwise, input, random);
    Prediction const a = predict(one, evidence);
    Prediction const b = predict(other, otherwise);
    check_same(a, b);
    // Nor on what is learnt, also of texts with a history.
    auto const token = static_cast<Token>(below(random, 12));
    one.learn(a, token);
    other.learn(b, token);
    predicted += !evidence.history && a.size > 0 ? 1U : 0U;
  }
  CHECK(predicted > 4000);
}

TEST_CASE("every input says something, and those of a history only where there is one") {
  Mixer const mixer;
  for (std::size_t input = 0; input < Prediction::inputs; ++input) {
    CAPTURE(input);
    for (bool const history : {false, true}) {
      MixerInput evidence{.history = history};
      evidence.successors[2] = successors_of({5, 6});
      evidence.votes[1] = {.token = 6, .length = 4, .history = 7};
      float const before = chance(mixer, evidence, 5);
      if (SuccessorCounts* const successors = context_of(evidence, input)) *successors = successors_of({6, 5, 5, 5});
      if (MixerInput::Vote* const vote = vote_of(evidence, input)) *vote = {.token = 5, .length = 9, .history = 7};
      if (history || !is_of_history(input))
        CHECK(chance(mixer, evidence, 5) > before);
      else
        CHECK(chance(mixer, evidence, 5) == before);
      // And names what no other names.
      MixerInput alone{.history = history};
      if (SuccessorCounts* const successors = context_of(alone, input)) *successors = successors_of({7});
      if (MixerInput::Vote* const vote = vote_of(alone, input)) *vote = {.token = 7};
      CHECK(predict(mixer, alone).size == (history || !is_of_history(input) ? 1 : 0));
    }
  }
}

TEST_CASE("no two inputs have a feature or a state in common, whatever they say") {
  Random random(17);
  Mixer const mixer;
  std::map<std::uint32_t, std::size_t> owner;
  std::set<std::size_t> features;
  for (std::size_t input = 0; input < Prediction::inputs; ++input) {
    CAPTURE(input);
    std::set<std::size_t> own;
    std::set<std::uint32_t> states;
    for (int i = 0; i < 3000; ++i) {
      MixerInput evidence{.history = is_of_history(input) || i % 2 == 0};
      set_input(evidence, input, random, 1 + below(random, 12));
      Prediction const prediction = predict(mixer, evidence);
      for (std::size_t c = 0; c < prediction.size; ++c) {
        // A constant, and whether the candidate is the first, are there besides.
        auto const x = features_of(prediction, c);
        for (std::size_t feature = 0; feature < x.size(); ++feature) {
          if (feature == Prediction::own_inputs)
            REQUIRE(x[feature] == 2);
          else if (feature == Prediction::own_inputs + 1)
            REQUIRE(x[feature] == (c == 0 ? 1 : 0));
          else if (x[feature] != 0)
            own.insert(feature);
        }
        for (std::size_t of = 0; of < prediction.input_count(); ++of) {
          std::uint32_t const state = prediction.states[of][c];
          REQUIRE((state == Prediction::no_state) == (of != input));
          if (state == Prediction::no_state) continue;
          REQUIRE(owner.try_emplace(state, input).first->second == input);
          states.insert(state);
        }
      }
    }
    CHECK(own.size() == 1);
    CHECK(features.insert(*own.begin()).second);
    CHECK(states.size() > 40);
  }
}

TEST_CASE("learning moves what was selected, and nothing else") {
  Random random(18);
  Mixer mixer;
  std::array<std::size_t, 2> apart{};
  std::array<std::size_t, 2> moved{};
  for (int i = 0; i < 60000; ++i) {
    MixerInput const learnt_from = any_evidence(random, 200);
    MixerInput probe = any_evidence(random, 200);
    Prediction const from = predict(mixer, learnt_from);
    Prediction const before = predict(mixer, probe);
    if (from.size == 0 || before.size == 0) continue;
    bool const shared = have_in_common(from, before);
    mixer.learn(from, from.candidates[below(random, from.size)].token);
    if (shared) {
      moved[probe.history] += chance(mixer, probe, tokens_of(before).front()) != before.candidates[0].chance ? 1U : 0U;
      continue;
    }
    check_same(predict(mixer, probe), before);
    ++apart[probe.history];
  }
  for (std::size_t const history : {0U, 1U}) {
    CHECK(apart[history] > 300);
    CHECK(moved[history] > 300);
  }
}

TEST_CASE("a state whose worth changes is followed within some hundreds of steps, however long it was the same") {
  Mixer mixer;
  MixerInput const evidence{.votes = {MixerInput::Vote{.token = 5, .length = 12, .history = 7}}};
  auto const log_odds = [&] { return predict(mixer, evidence).x[MixerInput::own_contexts][0]; };
  for (int i = 0; i < 50000; ++i) mixer.learn(predict(mixer, evidence), 5);
  CHECK(log_odds() > 4);
  for (int i = 0; i < 700; ++i) mixer.learn(predict(mixer, evidence), 77);
  CHECK(log_odds() < -1.5F);
}

TEST_CASE("probabilities become the frequencies: 90 in 100, and 10 in 100") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Mixer mixer;
    Source const source{.first = 0.9, .second = 0.1};
    double const early = run(mixer, random, source, 300).loss;
    run(mixer, random, source, 20000);
    Measured const late = run(mixer, random, source, 20000);
    CHECK(late.first == doctest::Approx(0.9).epsilon(0.03));
    CHECK(late.second == doctest::Approx(0.1).epsilon(0.2));
    CHECK(late.loss < early);
    // No probabilities do better than the entropy.
    CHECK(late.loss < 1.15 * -(0.9 * std::log(0.9) + 0.1 * std::log(0.1)));
  }
}

TEST_CASE("what no input names has its share, too") {
  Random random(4);
  Mixer mixer;
  Source const source{.first = 0.5, .second = 0.2};
  run(mixer, random, source, 20000);
  Measured const late = run(mixer, random, source, 20000);
  CHECK(late.first == doctest::Approx(0.5).epsilon(0.06));
  CHECK(late.second == doctest::Approx(0.2).epsilon(0.15));
}

TEST_CASE("of what is given a chance, so much comes true, whatever the chance") {
  // Four kinds of evidence that are worth differently, mixed.
  Random random(5);
  Mixer mixer;
  struct Kind {
    std::uint32_t first_length;
    std::uint32_t second_length;
    Source source;
  };
  std::array<Kind, 4> const kinds{{{3, 30, {.first = 0.1, .second = 0.8}},
                                   {30, 3, {.first = 0.95, .second = 0.02}},
                                   {8, 8, {.first = 0.5, .second = 0.3}},
                                   {20, 5, {.first = 0.05, .second = 0.05}}}};
  std::array<double, 4> promised{};
  std::array<double, 4> come{};
  std::array<double, 4> count{};
  std::array<double, 10> promised_in{};
  std::array<double, 10> come_in{};
  std::array<double, 10> count_in{};
  for (int i = 0; i < 60000; ++i) {
    std::size_t const k = below(random, kinds.size());
    MixerInput const evidence = two_votes(random, kinds[k].first_length, kinds[k].second_length);
    Prediction const prediction = predict(mixer, evidence);
    Token const token = kinds[k].source(random, evidence);
    mixer.learn(prediction, token);
    if (i < 30000) continue;
    for (std::size_t c = 0; c < prediction.size; ++c) {
      auto const given = static_cast<double>(prediction.candidates[c].chance);
      double const came = prediction.candidates[c].token == token ? 1 : 0;
      auto const bin = static_cast<std::size_t>(given * 10);
      promised_in[bin] += given;
      come_in[bin] += came;
      ++count_in[bin];
      if (c > 0) continue;
      promised[k] += given;
      come[k] += came;
      ++count[k];
    }
  }
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    CAPTURE(k);
    CHECK(std::abs(promised[k] - come[k]) / count[k] < 0.04);
  }
  for (std::size_t bin = 0; bin < 10; ++bin) {
    CAPTURE(bin);
    if (count_in[bin] > 500) CHECK(std::abs(promised_in[bin] - come_in[bin]) / count_in[bin] < 0.08);
  }
}

TEST_CASE("what comes becomes more likely, and what does not, less") {
  Random random(6);
  for (int i = 0; i < 300; ++i) {
    CAPTURE(i);
    MixerInput const evidence = any_evidence(random);
    Mixer mixer;
    Prediction const before = predict(mixer, evidence);
    if (before.size == 0) continue;
    std::size_t const which = below(random, before.size + 1);
    Token const token = which < before.size ? before.candidates[which].token : 77;
    mixer.learn(before, token);
    Prediction const after = predict(mixer, evidence);
    REQUIRE(loss(after, token) < loss(before, token));
  }
}

TEST_CASE("inputs that change roles are followed") {
  Random random(7);
  Mixer mixer;
  run(mixer, random, {.first = 0.9, .second = 0.1}, 20000);
  run(mixer, random, {.first = 0.1, .second = 0.9}, 2000);
  Measured const late = run(mixer, random, {.first = 0.1, .second = 0.9}, 2000);
  CHECK(late.first < 0.2);
  CHECK(late.second > 0.8);
}

TEST_CASE("a token that never comes is told from the others, though all evidence is the same") {
  Random random(8);
  Mixer mixer;
  auto const evidence_for = [](Token token, Token newest) {
    return MixerInput{.votes = {MixerInput::Vote{.token = token, .length = 12, .history = 7}}, .newest = newest};
  };
  for (int i = 0; i < 3000; ++i) {
    auto const token = static_cast<Token>(below(random, 10));
    auto const newest = static_cast<Token>(below(random, 10));
    Prediction const prediction = predict(mixer, evidence_for(token, newest));
    // Token 3 never, token 4 not behind 5.
    bool const wrong = token == 3 || (token == 4 && newest == 5);
    mixer.learn(prediction, wrong ? 50 : token);
  }
  for (Token newest = 0; newest < 10; ++newest) {
    CAPTURE(newest);
    CHECK(chance(mixer, evidence_for(3, newest), 3) < 0.3F);
    if (newest == 5) CHECK(chance(mixer, evidence_for(4, newest), 4) < 0.5F);
    if (newest != 5) CHECK(chance(mixer, evidence_for(4, newest), 4) > 0.7F);
    CHECK(chance(mixer, evidence_for(6, newest), 6) > 0.8F);
  }
}

TEST_CASE("learning stays bounded, and is undone, whatever contradictions it was told") {
  Random random(5);
  std::array<MixerInput, 4> any;
  std::ranges::generate(any, [&] { return any_evidence(random); });
  enum Text { never, always, alternating, least_likely, most_likely };
  for (Text const text : {never, always, alternating, least_likely, most_likely}) {
    CAPTURE(text);
    Mixer mixer;
    Prediction prediction;
    for (int i = 0; i < 200000; ++i) {
      MixerInput const& evidence = any[static_cast<std::size_t>(i) % any.size()];
      mixer.predict(evidence, prediction);
      if (i % 1000 < 4) check_valid(prediction);
      if (prediction.size == 0) continue;
      auto const ranked = [](auto const& a, auto const& b) { return a.chance < b.chance; };
      auto const candidates = std::span(prediction.candidates).first(prediction.size);
      Token token = candidates.front().token;
      if (text == never || (text == alternating && i / 4 % 2 == 0)) token = 77;
      if (text == least_likely) token = std::ranges::min_element(candidates, ranked)->token;
      if (text == most_likely) token = std::ranges::max_element(candidates, ranked)->token;
      mixer.learn(prediction, token);
    }
    // The last candidate from now on.
    for (int i = 0; i < 400; ++i) {
      MixerInput const& evidence = any[static_cast<std::size_t>(i) % any.size()];
      mixer.predict(evidence, prediction);
      check_valid(prediction);
      if (prediction.size == 0) continue;
      Token const last = prediction.candidates[prediction.size - 1].token;
      if (i >= 200) REQUIRE(chance(prediction, last) > 0.25F);
      mixer.learn(prediction, last);
    }
  }
}

TEST_CASE("a million contradictory updates leave probabilities that are probabilities") {
  Mixer mixer;
  Random random(10);
  Prediction prediction;
  MixerInput evidence = two_votes(random);
  for (int i = 0; i < 1000000; ++i) {
    evidence.votes[0].length = static_cast<std::uint32_t>(i % 3 * 20);
    mixer.predict(evidence, prediction);
    if (i % 1000 == 0) check_valid(prediction);
    // Always the one that was not expected.
    mixer.learn(prediction, prediction.candidates[1 - prediction.best].token);
  }
  check_valid(prediction);
}

TEST_CASE("the same texts give the same probabilities, bit for bit, and a copy goes its own way") {
  Mixer one;
  Mixer other;
  for (Mixer* const mixer : {&one, &other}) {
    Random random(11);
    run(*mixer, random, {.first = 0.6, .second = 0.3}, 3000);
  }
  Mixer const copy = one;
  Random random(12);
  for (int i = 0; i < 500; ++i) {
    MixerInput const evidence = any_evidence(random);
    Prediction const a = predict(one, evidence);
    Prediction const b = predict(other, evidence);
    check_same(a, b);
  }
  MixerInput const evidence = two_votes(random);
  float const before = chance(copy, evidence, evidence.votes[0].token);
  CHECK(before == chance(one, evidence, evidence.votes[0].token));
  for (int i = 0; i < 100; ++i) one.learn(predict(one, evidence), 77);
  CHECK(chance(one, evidence, evidence.votes[0].token) < before / 2);
  CHECK(chance(copy, evidence, evidence.votes[0].token) == before);
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

// What other implementations got wrong.

TEST_CASE("the draft is the most frequent continuation once that is what comes, not the latest") {
  // 4 came nine times, then 9 once. Which of them comes is a matter of the text, so it is learnt from the text.
  MixerInput evidence;
  evidence.successors.fill(successors_of({4, 4, 4, 4, 4, 4, 4, 4, 4, 9}));
  Mixer const untrained;
  CHECK(predict(untrained, evidence).candidates[predict(untrained, evidence).best].token == 4);
  Mixer mixer;
  for (int i = 0; i < 100; ++i) mixer.learn(predict(mixer, evidence), 9);
  CHECK(predict(mixer, evidence).candidates[predict(mixer, evidence).best].token == 9);
}

TEST_CASE("a bad step does not keep a state from being believed for ever") {
  Random random(14);
  Mixer mixer;
  run(mixer, random, {.first = 0.95, .second = 0.02}, 3000);
  run(mixer, random, {.first = 0, .second = 0}, 300);
  CHECK(run(mixer, random, {.first = 0.95, .second = 0.02}, 300).first > 0.5);
  CHECK(run(mixer, random, {.first = 0.95, .second = 0.02}, 300).first > 0.8);
}

namespace {

// A mixer that has learnt from whatever came.
Mixer experienced(std::uint64_t seed, std::size_t steps) {
  Random random(seed);
  Mixer mixer;
  for (std::size_t i = 0; i < steps; ++i) {
    MixerInput const evidence = any_evidence(random);
    Prediction const prediction = predict(mixer, evidence);
    bool const guessed = prediction.size > 0 && below(random, 3) > 0;
    mixer.learn(prediction,
                guessed ? prediction.candidates[below(random, prediction.size)].token : any_token(random, 12));
  }
  return mixer;
}

bool same_bits(std::span<float const> left, std::span<float const> right) {
  return std::ranges::equal(
      left, right, {}, [](float x) { return std::bit_cast<std::uint32_t>(x); },
      [](float x) { return std::bit_cast<std::uint32_t>(x); });
}

// What is said of numbers that are refused, by a mixer that stays as it is.
std::string refusal(std::vector<float> const& numbers) {
  Mixer mixer = experienced(5, 20);
  std::vector<float> const before = mixer.learnt();
  std::string message;
  try {
    mixer.set_learnt(numbers, "the/file");
  } catch (copyspec::Error const& error) {
    message = error.what();
    CHECK(message.starts_with("the/file: "));
  }
  REQUIRE(same_bits(mixer.learnt(), before));
  return message;
}

}  // namespace

TEST_CASE("a mixer that takes in what another has learnt predicts and learns as that one, bit for bit") {
  for (std::size_t const steps : {0U, 1U, 3000U}) {
    CAPTURE(steps);
    Mixer mixer = experienced(1, steps);
    std::vector<float> const learnt = mixer.learnt();
    CHECK(learnt.size() == Mixer::learnt_size());
    Mixer other = experienced(2, 500);
    other.set_learnt(learnt, "");
    CHECK(same_bits(other.learnt(), learnt));
    Random random(3);
    for (std::size_t i = 0; i < 1000; ++i) {
      MixerInput const evidence = any_evidence(random);
      Prediction const prediction = predict(mixer, evidence);
      Prediction const same = predict(other, evidence);
      REQUIRE(tokens_of(prediction) == tokens_of(same));
      for (std::size_t c = 0; c < prediction.size; ++c)
        REQUIRE(prediction.candidates[c].chance == same.candidates[c].chance);
      Token const token = any_token(random, 12);
      mixer.learn(prediction, token);
      other.learn(same, token);
    }
    CHECK(same_bits(other.learnt(), mixer.learnt()));
  }
}

TEST_CASE("numbers of another count or layout are refused, and nothing is changed") {
  std::vector<float> const numbers = Mixer().learnt();
  for (std::size_t const size : {std::size_t{0}, std::size_t{1}, numbers.size() - 1, numbers.size() + 1}) {
    std::vector<float> other = numbers;
    other.resize(size, 0.5F);
    CHECK(refusal(other).find("has " + std::to_string(size) + " learnt numbers, a mixer has " +
                              std::to_string(numbers.size())) != std::string::npos);
  }
  for (float const layout : {0.0F, 2.0F, -1.0F, std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> other = numbers;
    other[0] = layout;
    CHECK(refusal(other).find("of layout") != std::string::npos);
  }
}

TEST_CASE("numbers that cannot have been learnt are refused wherever they stand, and nothing is changed") {
  std::vector<float> const numbers = experienced(4, 100).learnt();
  std::size_t const states = 7 * copyspec::detail::ContextState::count + 4 * copyspec::detail::PointerState::count;
  std::size_t const first_share = numbers.size() - 2 * states;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  auto const refused = [&](std::size_t at, float number) {
    std::vector<float> other = numbers;
    other[at] = number;
    return refusal(other).find("learnt number " + std::to_string(at) + " is ") != std::string::npos;
  };
  for (float const number : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity, 3e38F, -2e6F})
    for (std::size_t const at : {std::size_t{1}, first_share / 2, first_share - 1, first_share, first_share + 1,
                                 numbers.size() - 2, numbers.size() - 1})
      CHECK(refused(at, number));
  for (float const share : {0.0F, -0.5F, 0.001F, 0.999F, 1.0F}) CHECK(refused(first_share, share));
  for (float const seen : {0.0F, 0.5F, 256.0F}) CHECK(refused(first_share + 1, seen));
  std::vector<float> extreme = numbers;
  for (std::size_t i = 1; i < first_share; ++i) extreme[i] = i % 2 == 0 ? 1e6F : -1e6F;
  Mixer mixer;
  mixer.set_learnt(extreme, "");
  Random random(6);
  for (std::size_t i = 0; i < 300; ++i) {
    Prediction const prediction = predict(mixer, any_evidence(random));
    for (std::size_t c = 0; c < prediction.size; ++c) {
      REQUIRE(prediction.candidates[c].chance >= 0);
      REQUIRE(prediction.candidates[c].chance <= 1);
    }
  }
}
