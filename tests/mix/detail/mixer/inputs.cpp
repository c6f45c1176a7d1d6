// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/mixer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/mix/detail/context_map.hpp>
#include <copyspec/mix/detail/mixer_input.hpp>
#include <copyspec/mix/detail/prediction.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "support/mixer_evidence.hpp"
#include "support/mixer_probe.hpp"
#include "support/uniform.hpp"

using copyspec::Token;
using copyspec::detail::Mixer;
using copyspec::detail::MixerInput;
using copyspec::detail::Prediction;
using copyspec::detail::SuccessorCounts;
using copyspec_test::any_evidence;
using copyspec_test::below;
using copyspec_test::chance;
using copyspec_test::check_same;
using copyspec_test::context_of;
using copyspec_test::features_of;
using copyspec_test::is_of_history;
using copyspec_test::predict;
using copyspec_test::set_input;
using copyspec_test::sets_of;
using copyspec_test::successors_of;
using copyspec_test::vote_of;

namespace {

using Random = std::mt19937_64;

}  // namespace

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
