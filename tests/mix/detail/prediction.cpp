// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/prediction.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <set>

using copyspec::detail::MixerInput;
using copyspec::detail::Prediction;

TEST_CASE("every input has a place and a feature of its own, the own ones first") {
  std::set<std::size_t> inputs;
  std::set<std::size_t> features;
  std::size_t own = 0;
  auto const add = [&](std::size_t input, bool is_own) {
    inputs.insert(input);
    features.insert(Prediction::feature_of(input));
    CHECK((input < Prediction::own_inputs) == is_own);
    CHECK((Prediction::feature_of(input) < Prediction::own_features) == is_own);
    own += is_own ? 1U : 0U;
  };
  for (std::size_t i = 0; i < MixerInput::contexts; ++i)
    add(Prediction::input_of_context(i), i < MixerInput::own_contexts);
  for (std::size_t i = 0; i < MixerInput::pointers; ++i)
    add(Prediction::input_of_pointer(i), i < MixerInput::own_pointers);
  CHECK(own == Prediction::own_inputs);
  CHECK(inputs.size() == Prediction::inputs);
  CHECK(*inputs.rbegin() == Prediction::inputs - 1);
  // The constant and the place of the candidate are the other two.
  CHECK(features.size() + 2 == Prediction::features);
  CHECK_FALSE(features.contains(Prediction::own_inputs));
  CHECK_FALSE(features.contains(Prediction::own_inputs + 1));
}

TEST_CASE("without a history, what is its own does not count") {
  Prediction prediction;
  CHECK(prediction.input_count() == Prediction::own_inputs);
  CHECK(prediction.feature_count() == Prediction::own_features);
  CHECK(prediction.set_count() == Prediction::own_sets);
  prediction.history = true;
  CHECK(prediction.input_count() == Prediction::inputs);
  CHECK(prediction.feature_count() == Prediction::features);
  CHECK(prediction.set_count() == Prediction::weight_sets);
}
