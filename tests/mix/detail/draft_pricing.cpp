// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/draft_pricing.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

using copyspec::PassCost;
using copyspec::detail::DraftPricing;

TEST_CASE("as much of a prediction is drafted as pays, and less with checkpoints") {
  std::vector<float> const sure(20, 0.99F);
  std::vector<float> const unsure(20, 0.3F);
  DraftPricing const cheap(PassCost::marginal(0.001), false);
  DraftPricing const expensive(PassCost::marginal(0.5), false);
  DraftPricing const checkpoints(PassCost::marginal(0.02), true);
  DraftPricing const exact(PassCost::marginal(0.02), false);
  CHECK(cheap.length_of_chain(sure) == 20);
  CHECK(expensive.length_of_chain(unsure) == 0);
  std::vector<float> const half(20, 0.6F);
  CHECK(checkpoints.length_of_chain(half) < exact.length_of_chain(half));
  std::vector<std::int32_t> const parents{-1, 0, -1};
  std::vector<float> const reaches{0.6F, 0.5F, 0.3F};
  CHECK(cheap.length_of_tree(parents, reaches) == 3);
  CHECK(expensive.length_of_tree(parents, reaches) == 0);
  CHECK(cheap.least_reach() < expensive.least_reach());
}

TEST_CASE("what a pass costs is learnt from reports") {
  DraftPricing pricing(PassCost(), false);
  for (int i = 0; i < 100; ++i) {
    pricing.observe({.rows = 1, .sequences = 1, .seconds = 1});
    pricing.observe({.rows = 9, .sequences = 1, .seconds = 9});
  }
  CHECK(pricing.pass_cost()(9) > 4 * pricing.pass_cost()(1));
  CHECK(pricing.length_of_chain(std::vector<float>(8, 0.5F)) == 0);
}
