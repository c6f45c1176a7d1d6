// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/draft_pricing.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

using copyspec::DraftAccount;
using copyspec::PassCost;
using copyspec::detail::DraftPricing;

namespace {

DraftAccount const unbounded(std::numeric_limits<double>::infinity());

}  // namespace

TEST_CASE("as much of a prediction is drafted as pays, and less with checkpoints") {
  std::vector<float> const sure(20, 0.99F);
  std::vector<float> const unsure(20, 0.3F);
  DraftPricing const cheap(PassCost::marginal(0.001), false);
  DraftPricing const expensive(PassCost::marginal(0.5), false);
  DraftPricing const checkpoints(PassCost::marginal(0.02), true);
  DraftPricing const exact(PassCost::marginal(0.02), false);
  CHECK(cheap.length_of_chain(sure, unbounded) == 20);
  CHECK(expensive.length_of_chain(unsure, unbounded) == 0);
  std::vector<float> const half(20, 0.6F);
  CHECK(checkpoints.length_of_chain(half, unbounded) < exact.length_of_chain(half, unbounded));
  std::vector<std::int32_t> const parents{-1, 0, -1};
  std::vector<float> const reaches{0.6F, 0.5F, 0.3F};
  CHECK(cheap.length_of_tree(parents, reaches, unbounded) == 3);
  CHECK(expensive.length_of_tree(parents, reaches, unbounded) == 0);
  CHECK(cheap.least_reach() < expensive.least_reach());
}

TEST_CASE("what is offered may cost more than it gains alone, and is as much as the account can pay for") {
  // Four sequences fill the rows that cost one pass. The next six cost another, however many are taken.
  DraftPricing pricing(PassCost::table({1, 1, 1, 1, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 30, 60}), false);
  std::vector<float> const likely(3, 0.9F);
  CHECK(pricing.offer(likely, unbounded).probabilities.size() == pricing.length_of_chain(likely, unbounded));
  pricing.observe({.rows = 4, .sequences = 4, .seconds = 1});
  CHECK(pricing.length_of_chain(likely, unbounded) == 0);
  copyspec::DraftOffer const offer = pricing.offer(likely, unbounded);
  CHECK(offer.probabilities.size() == 3);
  CHECK(offer.weight == 1);
  CHECK(pricing.offer(std::vector<float>(3, 0.1F), unbounded).probabilities.empty());

  std::vector<copyspec::DraftOffer> offers(4, offer);
  pricing.share(std::span(offers).first(1), {.rows = 4, .tokens = 4, .room = 50});
  CHECK(offers[0].length == 0);
  pricing.share(offers, {.rows = 4, .tokens = 4, .room = 50});
  std::size_t rows = 0;
  for (copyspec::DraftOffer const& one : offers) rows += one.length;
  CHECK(rows == 6);

  DraftAccount account(8);
  account.enter(0, 4);
  CHECK(pricing.offer(likely, account).weight == doctest::Approx(0.8));
  account.enter(0, 3.5);
  CHECK(pricing.offer(likely, account).probabilities.empty());
  CHECK(pricing.affordable(3, account) == 0);
  CHECK(pricing.affordable(3, unbounded) == 3);
}

TEST_CASE("no more is drafted than the account can pay for, and only if that pays") {
  std::vector<float> const sure(40, 0.999F);
  DraftPricing const pricing(PassCost::marginal(0.25), false);
  DraftAccount account(4);
  CHECK(pricing.length_of_chain(sure, account) == 14);  // nine tenths of four passes
  account.enter(20, 0);
  CHECK(pricing.length_of_chain(sure, account) == 40);
  account.enter(0, 23.5);
  CHECK(pricing.length_of_chain(sure, account) == 2);  // half a pass, which is all that is left
  account.enter(0, 0.3);
  CHECK(pricing.length_of_chain(sure, account) == 0);

  // Two rows cost as much as ten, so no fewer than ten pay.
  DraftPricing const stepped(PassCost::table({1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9}), false);
  std::vector<float> const twelve(12, 0.999F);
  CHECK(stepped.length_of_chain(twelve, DraftAccount(4)) == 0);
  DraftAccount rich(4);
  rich.enter(100, 0);
  CHECK(stepped.length_of_chain(twelve, rich) == 12);

  std::vector<std::int32_t> const parents{-1, -1, -1, 0};
  std::vector<float> const reaches{0.6F, 0.3F, 0.25F, 0.24F};
  // With checkpoints, a draft that fails also costs the second row of the pass after it.
  DraftPricing const replaying(PassCost::marginal(0.25), true);
  CHECK(replaying.length_of_chain(sure, DraftAccount(4)) == 13);

  DraftPricing const half(PassCost::marginal(0.2), false);
  DraftAccount poor(4);
  poor.enter(0, 3.55);
  CHECK(half.length_of_tree(parents, reaches, DraftAccount(4)) > 2);
  CHECK(half.length_of_tree(parents, reaches, poor) == 1);  // the second would have to save more now
  std::vector<std::int32_t> const one_path{-1, 0, 1, 2};
  std::vector<float> const sure_path{0.99F, 0.98F, 0.97F, 0.96F};
  CHECK(half.length_of_tree(one_path, sure_path, DraftAccount(4)) == 4);
  CHECK(half.length_of_tree(one_path, sure_path, poor) == 2);
}

TEST_CASE("the more of the credit is lost, the more a draft has to save") {
  DraftPricing pricing(PassCost::marginal(0.5), false);
  std::vector<float> const likely(1, 0.7F);
  DraftAccount account(4);
  CHECK(pricing.length_of_chain(likely, account) == 1);
  account.enter(0, 1.5);
  CHECK(pricing.length_of_chain(likely, account) == 1);
  account.enter(0, 0.5);
  CHECK(pricing.length_of_chain(likely, account) == 1);  // half is lost: a quarter more
  account.enter(0, 0.7);
  CHECK(pricing.length_of_chain(likely, account) == 0);
  CHECK(pricing.length_of_chain(std::vector<float>(1, 0.9F), account) == 1);
  account.enter(2, 0);
  CHECK(pricing.length_of_chain(likely, account) == 1);
}

TEST_CASE("after passes of more rows only, nothing is drafted until plain passes show what those cost") {
  std::vector<float> const sure(20, 0.999F);
  std::vector<std::int32_t> const parents{-1, 0, 1};
  std::vector<float> const reaches{0.99F, 0.98F, 0.97F};
  DraftPricing pricing(PassCost(), false);
  CHECK(pricing.length_of_chain(sure, unbounded) == 20);  // by the prior: nothing is measured, perhaps never
  pricing.observe({.rows = 2, .sequences = 1, .seconds = 3});
  CHECK(pricing.length_of_chain(sure, unbounded) == 0);
  CHECK(pricing.length_of_tree(parents, reaches, unbounded) == 0);
  DraftAccount account(4);
  pricing.enter(account, 1, 0, 1.2);
  CHECK(account.balance() == doctest::Approx(-2.2));            // one more than expected
  pricing.observe({.rows = 1, .sequences = 1, .seconds = 30});  // one pass may have been delayed
  CHECK(pricing.length_of_chain(sure, unbounded) == 0);
  pricing.observe({.rows = 1, .sequences = 1, .seconds = 1});
  CHECK(pricing.extra_at_most(1) == doctest::Approx(2.1));
  CHECK(pricing.length_of_chain(sure, DraftAccount(4)) == 0);  // it does not pay
  for (int i = 0; i < 3; ++i) pricing.observe({.rows = 3, .sequences = 1, .seconds = 2});
  CHECK(pricing.length_of_chain(sure, DraftAccount(4)) > 1);

  // In shared passes there is no plain pass.
  DraftPricing shared(PassCost(), false);
  shared.observe({.rows = 4, .sequences = 2, .seconds = 1});
  CHECK(shared.length_of_chain(sure, unbounded) == 20);
}

TEST_CASE("a single sequence does not take a row count for cheap because it was forgotten") {
  std::vector<float> const sure(8, 0.999F);
  DraftPricing pricing(PassCost(), false);
  for (int i = 0; i < 2; ++i) {
    pricing.observe({.rows = 1, .sequences = 1, .seconds = 1});
    pricing.observe({.rows = 9, .sequences = 1, .seconds = 9});
  }
  for (int i = 0; i < 600; ++i) pricing.observe({.rows = 1, .sequences = 1, .seconds = 1});
  REQUIRE(pricing.pass_cost()(9) < 3);
  std::size_t const drafted = pricing.length_of_chain(sure, unbounded);
  CHECK(drafted > 0);
  CHECK(drafted < 8);  // a pass of nine rows
}

TEST_CASE("a draft is entered with what it saved and cost, with checkpoints the pass that feeds again included") {
  for (bool const checkpoints : {false, true}) {
    DraftPricing const pricing(PassCost::marginal(0.25), checkpoints);
    DraftAccount account(4);
    pricing.enter(account, 4, 4, 1);
    CHECK(account.balance() == doctest::Approx(3));
    pricing.enter(account, 4, 1, 1);
    CHECK(account.balance() == doctest::Approx(checkpoints ? 2.5 : 3));
  }
}

TEST_CASE("sequences that share passes have accounts in plain tokens") {
  std::vector<float> const sure(40, 0.999F);
  DraftPricing pricing(PassCost::marginal(0.25), false);
  CHECK(pricing.tokens_of_pass() == 1);
  pricing.observe({.rows = 2, .sequences = 2, .seconds = 1});
  CHECK(pricing.tokens_of_pass() == 2);
  // A plain token costs 0.625 of a pass of one row, and a drafted one 0.4 of that.
  CHECK(pricing.extra_at_most(5) == doctest::Approx(2));
  DraftAccount account(4);
  CHECK(pricing.length_of_chain(sure, account) == 9);  // nine tenths of four tokens
  pricing.enter(account, 5, 1, 2);
  CHECK(account.balance() == doctest::Approx(-1));
  pricing.observe({.rows = 4, .sequences = 1, .seconds = 1});
  CHECK(pricing.length_of_chain(sure, DraftAccount(4)) == 14);

  // The more of the credit is lost, the more a draft has to save here, too.
  DraftPricing expensive(PassCost::marginal(0.25), false);
  expensive.observe({.rows = 2, .sequences = 2, .seconds = 1});
  std::vector<float> const likely(1, 0.6F);
  CHECK(expensive.length_of_chain(likely, account) == 1);
  account.enter(0, 2.4);
  CHECK(account.left() > 0.5);
  CHECK(expensive.length_of_chain(likely, account) == 0);
}

TEST_CASE("what the drafts of a shared pass cost is entered as the pass cost it, shared by their tokens") {
  // Up to eight rows for the price of one.
  DraftPricing pricing(PassCost::table({1, 1, 1, 1, 1, 1, 1, 1, 5, 6}), false);
  pricing.observe({.rows = 4, .sequences = 4, .seconds = 1});
  double const expected = pricing.extra_at_most(5);
  CHECK(expected == doctest::Approx(16));  // the ninth row costs as much as four passes: sixteen tokens
  CHECK(pricing.extra_at_most(4) == doctest::Approx(0));
  pricing.observe({.rows = 10, .sequences = 4, .seconds = 1});
  DraftAccount account(40);
  pricing.enter(account, 3, 1, 100);
  CHECK(account.balance() == doctest::Approx(1 - 10));  // half of five passes
  pricing.enter(account, 3, 0, 1);                      // was probably delayed
  CHECK(account.balance() == doctest::Approx(-9 - 2));
  // With checkpoints, a rejected draft feeds its accepted tokens again.
  DraftPricing checkpoints(PassCost::marginal(0.25), true);
  checkpoints.observe({.rows = 4, .sequences = 2, .seconds = 1});
  DraftAccount again(4);
  checkpoints.enter(again, 5, 1, 2);
  CHECK(again.balance() == doctest::Approx(1 - 2 - 0.8));
}

TEST_CASE("noise between row counts does not make the drafts of shared passes look free") {
  DraftPricing pricing(PassCost(), false);
  for (int i = 0; i < 20; ++i)
    for (std::size_t const rows : {8U, 16U, 17U, 24U})  // as much for the 17th row as for the 16th
      pricing.observe(
          {.rows = rows, .sequences = 8, .seconds = 1 + 0.1 * static_cast<double>(std::min<std::size_t>(rows, 16))});
  pricing.observe({.rows = 16, .sequences = 8, .seconds = 2.6});
  double const row = pricing.pass_cost().average_row();
  REQUIRE(row > 0);
  CHECK(pricing.extra_at_most(3) >= 3 * row / (pricing.pass_cost()(8) / 8));
}

TEST_CASE("what a pass costs is learnt from reports") {
  DraftPricing pricing(PassCost(), false);
  for (int i = 0; i < 100; ++i) {
    pricing.observe({.rows = 1, .sequences = 1, .seconds = 1});
    pricing.observe({.rows = 9, .sequences = 1, .seconds = 9});
  }
  CHECK(pricing.pass_cost()(9) > 4 * pricing.pass_cost()(1));
  CHECK(pricing.length_of_chain(std::vector<float>(8, 0.5F), unbounded) == 0);
}
