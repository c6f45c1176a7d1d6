// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../../core/version.hpp"
#include "../../detail/simd4.hpp"
#include "candidate_set.hpp"
#include "context_map.hpp"
#include "mixer_input.hpp"
#include "prediction.hpp"
#include "state_map.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The state of each input for each candidate (`ContextState`, `PointerState`), the feature that this state gives the
/// candidate, and how often candidates in this state were the next token. Every input has its own states, numbered one
/// input after another.
///
/// Cost: O(1) a call, with few branches. Memory: that of a `StateMap`, some 60 KiB. Threads: as a `StateMap`.
class InputStates {
 public:
  /// Number of states of all inputs.
  static constexpr std::size_t count = [] {
    return MixerInput::contexts * std::size_t{ContextState::count} +
           MixerInput::pointers * std::size_t{PointerState::count};
  }();

  /// The number of the first state of an input; `count` for the index one past the last input.
  [[nodiscard]] static constexpr std::uint32_t first_state(std::size_t input) noexcept { return first_states[input]; }

  InputStates() : states_(priors()) {}

  [[nodiscard]] StateMap const& states() const noexcept { return states_; }
  [[nodiscard]] StateMap& states() noexcept { return states_; }

  /// Writes the states of `input` for the candidates, including those that an input does not name, and their features.
  /// `named` must have produced the candidates of `prediction`.
  void describe(MixerInput const& input, CandidateSet const& named, Prediction& prediction) const noexcept {
    for (std::size_t context = 0; context < (input.history ? MixerInput::contexts : MixerInput::own_contexts);
         ++context)
      describe_context(input, named, context, prediction);
    for (std::size_t pointer = 0; pointer < (input.history ? MixerInput::pointers : MixerInput::own_pointers);
         ++pointer)
      describe_pointer(input, named, pointer, prediction);
    prediction.x[Prediction::own_inputs].fill(2);
    prediction.x[Prediction::own_inputs + 1].fill(0);
    prediction.x[Prediction::own_inputs + 1][0] = 1;
  }

  /// Learns that the candidate `right` of `prediction` was the next token, or that none was if there is no such
  /// candidate. Candidates that an input does not name count together.
  void learn(Prediction const& prediction, std::size_t right) noexcept {
    // One more place holds an outcome that does not count. It is overwritten by the next one, which avoids a branch.
    std::array<StateMap::Outcome, Prediction::inputs*(SuccessorCounts::capacity + 1) + 1> outcomes;
    std::size_t size = 0;
    for (std::size_t input = 0; input < prediction.input_count(); ++input) {
      std::uint16_t const unnamed = prediction.unnamed[input];
      if (unnamed == Prediction::no_state) continue;
      std::size_t const begin = size;
      bool named_came = false;
      for (std::size_t c = 0; c < prediction.size; ++c) {
        bool const named = prediction.states[input][c] != unnamed;
        outcomes[size] = {.state = prediction.states[input][c], .candidates = 1, .came = c == right ? 1.0F : 0.0F};
        named_came |= named && c == right;
        size += named ? 1 : 0;
      }
      outcomes[size] = {.state = unnamed,
                        .candidates = static_cast<float>(prediction.size - (size - begin)),
                        .came = right < prediction.size && !named_came ? 1.0F : 0.0F};
      ++size;
    }
    states_.learn(std::span(outcomes).first(size));
  }

 private:
  static constexpr std::array<std::uint32_t, Prediction::inputs + 1> first_states = [] {
    std::array<std::uint32_t, Prediction::inputs + 1> first{};
    for (std::size_t i = 0; i < MixerInput::contexts; ++i)
      first[Prediction::input_of_context(i) + 1] = ContextState::count;
    for (std::size_t i = 0; i < MixerInput::pointers; ++i)
      first[Prediction::input_of_pointer(i) + 1] = PointerState::count;
    for (std::size_t input = 0; input < Prediction::inputs; ++input) first[input + 1] += first[input];
    return first;
  }();
  static_assert(first_states.back() == count);

  // The prior trust in each context, before anything was learnt.
  static constexpr std::array<float, MixerInput::contexts> trust{0.64F, 0.73F, 0.55F, 0.55F, 0.64F, 0.73F, 0.8F};

  static std::array<float, count> priors() noexcept {
    std::array<float, count> priors;
    for (std::size_t i = 0; i < MixerInput::contexts; ++i)
      for (std::uint32_t state = 0; state < ContextState::count; ++state)
        priors[first_states[Prediction::input_of_context(i)] + state] = ContextState::prior(state, trust[i]);
    for (std::size_t i = 0; i < MixerInput::pointers; ++i)
      for (std::uint32_t state = 0; state < PointerState::count; ++state)
        priors[first_states[Prediction::input_of_pointer(i)] + state] = PointerState::prior(state);
    return priors;
  }

  void describe_context(MixerInput const& input, CandidateSet const& named, std::size_t context,
                        Prediction& prediction) const noexcept {
    std::size_t const at = Prediction::input_of_context(context);
    SuccessorCounts const& successors = input.successors[context];
    std::uint32_t const total = successors.total();
    std::uint32_t const first = first_states[at];
    enter_all(at, total > 0 ? first + ContextState::of(0, total, false) : Prediction::no_state, prediction);
    for (std::size_t i = 0; i < SuccessorCounts::capacity && successors.count(i) > 0; ++i)
      enter(at, named.of_successor(context, i),
            first + ContextState::of(successors.count(i), total - successors.count(i), i == 0), prediction);
  }

  void describe_pointer(MixerInput const& input, CandidateSet const& named, std::size_t pointer,
                        Prediction& prediction) const noexcept {
    std::size_t const at = Prediction::input_of_pointer(pointer);
    MixerInput::Vote const& vote = input.votes[pointer];
    bool const votes = vote.token >= 0;
    std::uint32_t const first = first_states[at];
    enter_all(at, votes ? first + PointerState::of(vote, false) : Prediction::no_state, prediction);
    if (votes) enter(at, named.of_vote(pointer), first + PointerState::of(vote, true), prediction);
  }

  // Sets the state of an input to `state` for all candidates.
  void enter_all(std::size_t at, std::uint32_t state, Prediction& prediction) const noexcept {
    prediction.unnamed[at] = static_cast<std::uint16_t>(state);
    prediction.states[at].fill(static_cast<std::uint16_t>(state));
    float const feature = state == Prediction::no_state ? 0 : states_.log_odds(state);
    Prediction::Lanes& lanes = prediction.x[Prediction::feature_of(at)];
    store_four(&lanes[0], Four{} + feature);
    store_four(&lanes[4], Four{} + feature);
  }

  // Sets the state of an input to `state` for one candidate, which may be none.
  void enter(std::size_t at, std::size_t candidate, std::uint32_t state, Prediction& prediction) const noexcept {
    if (candidate == CandidateSet::none) return;
    prediction.states[at][candidate] = static_cast<std::uint16_t>(state);
    prediction.x[Prediction::feature_of(at)][candidate] = states_.log_odds(state);
  }

  StateMap states_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
