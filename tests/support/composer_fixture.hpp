// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/decode/composer.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include "hostile_proposer.hpp"
#include "tokens.hpp"
#include "watched_model.hpp"

namespace copyspec_test {

using copyspec::Composer;
using copyspec::GreedyVerifier;
using copyspec::OutputDelta;
using copyspec::testing::ToyModelOptions;

// A callback that takes what is said and does nothing with it.
inline constexpr auto show_nothing = [](OutputDelta const&) {};

// What most tests ask.
inline Tokens const some_prompt{3, 1, 4, 1, 5, 9, 2, 6, 5, 3};

// Greedy, and every draft is right.
Composer<WatchedModel, HostileProposer, GreedyVerifier> drafting_right(WatchedModel& model,
                                                                       ToyModelOptions const& options);

}  // namespace copyspec_test
