// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_options.hpp>

#include <doctest/doctest.h>

#include <copyspec/cost/draft_length.hpp>
#include <copyspec/cost/pass_cost.hpp>

using copyspec::MixingOptions;
using copyspec::PassCost;
using copyspec::Rollback;

TEST_CASE("what is not set learns the cost of passes, copies as long as pays, and shares nothing") {
  MixingOptions options;
  CHECK(options.draft_length == copyspec::max_draft_tokens);
  CHECK(options.window == 0);
  CHECK(options.history == nullptr);
  CHECK(options.rollback == Rollback::exact);
  CHECK(options.turn_credit == 4);
  CHECK(options.pass_cost(11) == doctest::Approx(1 + 10 * PassCost::prior));
  options.pass_cost.observe(1, 0.5);
  CHECK(options.pass_cost.seconds(1) == 0.5);
}

TEST_CASE("each setting can be given alone, in the order of the members") {
  MixingOptions const options{
      .pass_cost = PassCost::marginal(0.5), .draft_length = 7, .rollback = Rollback::checkpoint};
  CHECK(options.pass_cost(3) == 2);
  CHECK(options.draft_length == 7);
  CHECK(options.window == 0);
  CHECK(options.rollback == Rollback::checkpoint);
  CHECK(options.turn_credit == 4);
}
