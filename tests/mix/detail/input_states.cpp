// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/input_states.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/random_input.hpp"

using copyspec::Token;
using copyspec::detail::CandidateSet;
using copyspec::detail::ContextState;
using copyspec::detail::InputStates;
using copyspec::detail::MixerInput;
using copyspec::detail::PointerState;
using copyspec::detail::Prediction;
using copyspec::detail::StateMap;
using copyspec::detail::SuccessorCounts;

namespace {

Prediction described(InputStates const& states, MixerInput const& input) {
  Prediction prediction;
  CandidateSet named(input);
  prediction.history = input.history;
  prediction.size = named.candidates(prediction.candidates);
  if (prediction.size > 0) states.describe(input, named, prediction);
  return prediction;
}

// The state of an input about a token, worked out from the tokens alone, if the input says anything: the own contexts
// and pointers, then those of the history.
struct About {
  std::uint32_t state = 0;
  bool named = false;
};
std::optional<About> about(MixerInput const& input, std::size_t at, Token token) {
  std::size_t const own = MixerInput::own_contexts + MixerInput::own_pointers;
  bool const of_history = at >= own;
  std::size_t const place = of_history ? at - own : at;
  std::size_t const contexts = of_history ? MixerInput::history_contexts : MixerInput::own_contexts;
  if (place < contexts) {
    SuccessorCounts const& successors = input.successors[place + (of_history ? MixerInput::own_contexts : 0)];
    if (successors.size() == 0) return std::nullopt;
    std::uint32_t count = 0;
    for (std::size_t i = 0; i < successors.size(); ++i)
      if (successors.token(i) == token) count = successors.count(i);
    return About{ContextState::of(count, successors.total() - count, successors.token(0) == token), count > 0};
  }
  MixerInput::Vote const& vote = input.votes[place - contexts + (of_history ? MixerInput::own_pointers : 0)];
  if (vote.token < 0) return std::nullopt;
  return About{PointerState::of(vote, vote.token == token), vote.token == token};
}

std::vector<float> numbers_of(InputStates const& states) {
  std::vector<float> numbers;
  states.states().append_to(numbers);
  return numbers;
}

}  // namespace

TEST_CASE("every input has as many states as its kind, and none in common with another") {
  std::uint32_t next = 0;
  for (std::size_t at = 0; at < Prediction::inputs; ++at) {
    CHECK(InputStates::first_state(at) == next);
    bool const pointer = at == 4 || at == 5 || at == 9 || at == 10;
    next += pointer ? PointerState::count : ContextState::count;
  }
  CHECK(InputStates::first_state(Prediction::inputs) == next);
  CHECK(InputStates::count == next);
  CHECK(InputStates::count < Prediction::no_state);
  CHECK(InputStates().states().size() == InputStates::count);
}

TEST_CASE("before anything was learnt a feature is the log-odds of the state's prior") {
  InputStates const states;
  // How much each context is trusted; the pointers know themselves.
  constexpr std::array<float, 11> trust{0.64F, 0.73F, 0.55F, 0.55F, 0, 0, 0.64F, 0.73F, 0.8F, 0, 0};
  std::vector<float> const numbers = numbers_of(states);
  for (std::size_t at = 0; at < Prediction::inputs; ++at)
    for (std::uint32_t state = InputStates::first_state(at); state < InputStates::first_state(at + 1); ++state) {
      std::uint32_t const own = state - InputStates::first_state(at);
      REQUIRE(numbers[2 * state] == (trust[at] > 0 ? ContextState::prior(own, trust[at]) : PointerState::prior(own)));
      REQUIRE(numbers[2 * state + 1] == 1);
    }
}

TEST_CASE("the state of each input about each candidate is that of its tokens, and the feature its log-odds") {
  Random random(1);
  InputStates states;
  std::set<std::uint32_t> met;
  for (int round = 0; round < 20000; ++round) {
    MixerInput const input = random_input(random);
    Prediction const prediction = described(states, input);
    for (std::size_t c = 0; c < prediction.size; ++c) {
      for (std::size_t at = 0; at < prediction.input_count(); ++at) {
        auto const expected = about(input, at, prediction.candidates[c].token);
        float const feature = prediction.x[Prediction::feature_of(at)][c];
        std::uint32_t const state = prediction.states[at][c];
        if (!expected) {
          REQUIRE(state == Prediction::no_state);
          REQUIRE(prediction.unnamed[at] == Prediction::no_state);
          REQUIRE(feature == 0);
          continue;
        }
        REQUIRE(state == InputStates::first_state(at) + expected->state);
        REQUIRE((state == prediction.unnamed[at]) == !expected->named);
        REQUIRE(feature == states.states().log_odds(state));
        met.insert(state);
      }
      REQUIRE(prediction.x[Prediction::own_inputs][c] == 2);
      REQUIRE(prediction.x[Prediction::own_inputs + 1][c] == (c == 0 ? 1 : 0));
    }
    states.learn(prediction, below(random, Prediction::max_candidates + 1));
  }
  CHECK(met.size() > 1000);
}

TEST_CASE("each state learns what came of its candidates, those that an input does not name together, in order") {
  Random random(2);
  InputStates states;
  StateMap expected = states.states();
  for (int round = 0; round < 5000; ++round) {
    MixerInput const input = random_input(random);
    Prediction const prediction = described(states, input);
    std::size_t const right = below(random, Prediction::max_candidates + 1);
    states.learn(prediction, right);
    for (std::size_t at = 0; prediction.size > 0 && at < prediction.input_count(); ++at) {
      if (!about(input, at, 0)) continue;
      StateMap::Outcome others;
      // What no candidate is, an input about which it is not named is in this state.
      others.state = static_cast<std::uint16_t>(InputStates::first_state(at) + about(input, at, -1)->state);
      for (std::size_t c = 0; c < prediction.size; ++c) {
        About const known = *about(input, at, prediction.candidates[c].token);
        float const came = c == right ? 1 : 0;
        if (known.named) {
          auto const state = static_cast<std::uint16_t>(InputStates::first_state(at) + known.state);
          expected.learn(std::array{StateMap::Outcome{.state = state, .candidates = 1, .came = came}});
        } else {
          others.candidates += 1;
          others.came += came;
        }
      }
      expected.learn(std::array{others});
    }
    std::vector<float> numbers;
    expected.append_to(numbers);
    if (round % 50 == 0) REQUIRE(numbers_of(states) == numbers);
  }
}

TEST_CASE("describing and learning allocate nothing") {
  Random random(3);
  InputStates states;
  CHECK(states.states().memory_bytes() < 64 * 1024);
  std::vector<MixerInput> inputs;
  for (int i = 0; i < 100; ++i) inputs.push_back(random_input(random));
  std::size_t const before = allocations();
  for (MixerInput const& input : inputs) states.learn(described(states, input), 0);
  CHECK(allocations() == before);
}
