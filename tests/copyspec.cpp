// SPDX-License-Identifier: MIT
#include <copyspec/copyspec.hpp>

#include <doctest/doctest.h>
#include <copyspec/testing/toy_model.hpp>

#include <array>
#include <stdexcept>
#include <type_traits>
#include <vector>

namespace {

using copyspec::testing::ToyModel;

static_assert(copyspec::Model<ToyModel<float>>);
static_assert(copyspec::Model<ToyModel<double>>);
static_assert(copyspec::DraftProposer<copyspec::NoProposer>);
static_assert(copyspec::DraftProposer<copyspec::CopyProposer>);
static_assert(copyspec::AcceptanceVerifier<copyspec::GreedyVerifier, float>);
static_assert(copyspec::StopPredicate<copyspec::detail::NeverStop>);
static_assert(std::is_base_of_v<std::runtime_error, copyspec::Error>);
static_assert(std::is_nothrow_move_constructible_v<copyspec::Sequence>);

}  // namespace

TEST_CASE("one include is enough to generate a turn") {
  ToyModel<float> model({.vocabulary = 12, .order = 1});
  copyspec::Composer composer(model, copyspec::CopyProposer(), copyspec::GreedyVerifier());
  std::array<copyspec::Token, 3> const prompt{1, 2, 3};
  auto const answer = composer.generate(prompt, {.max_new_tokens = 60});
  CHECK(answer.size() == 60);
  // Of twelve tokens, each of which decides the next, the answer repeats itself soon, and is copied.
  CHECK(composer.sequence(copyspec::SequenceId{0}).counters().accepted > 20);
}

TEST_CASE("a composer's types are deduced from its arguments, or written out") {
  ToyModel<double> model;
  copyspec::Composer<ToyModel<double>, copyspec::CopyProposer, copyspec::GreedyVerifier> composer(model);
  CHECK(composer.generate(std::vector<copyspec::Token>{1}, {.max_new_tokens = 3}).size() == 3);
}
