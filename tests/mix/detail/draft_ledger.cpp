// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/draft_ledger.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/cost/draft_account.hpp>
#include <copyspec/mix/detail/draft_pricing.hpp>

#include <utility>

using copyspec::DraftAccount;
using copyspec::PassCost;
using copyspec::detail::DraftLedger;
using copyspec::detail::DraftPricing;

namespace {

DraftPricing const pricing(PassCost::marginal(0.25), false);

}  // namespace

TEST_CASE("a draft is entered once, when the tokens after it are known") {
  DraftLedger ledger(4);
  DraftAccount shared(10);
  ledger.propose(100, 8, pricing);
  ledger.settle(100, pricing, shared);
  CHECK(ledger.account().balance() == 0);
  ledger.settle(104, pricing, shared);  // three accepted, and the token after them
  CHECK(ledger.account().balance() == doctest::Approx(1));
  ledger.settle(110, pricing, shared);
  CHECK(ledger.account().balance() == doctest::Approx(1));
  ledger.propose(110, 4, pricing);
  ledger.settle(120, pricing, shared);  // no more are accepted than were drafted
  CHECK(ledger.account().balance() == doctest::Approx(4));
  CHECK(shared.balance() == doctest::Approx(4));
}

TEST_CASE("what is not fed costs nothing") {
  DraftLedger ledger(4);
  DraftAccount shared(10);
  ledger.propose(100, 8, pricing);
  ledger.choose(100, 2);
  ledger.settle(101, pricing, shared);
  CHECK(ledger.account().balance() == doctest::Approx(-0.5));
  ledger.propose(101, 8, pricing);
  ledger.choose(101, 0);
  ledger.settle(105, pricing, shared);
  CHECK(ledger.account().balance() == doctest::Approx(-0.5));
  ledger.propose(105, 2, pricing);
  ledger.choose(104, 0);  // of another draft
  ledger.settle(106, pricing, shared);
  CHECK(ledger.account().balance() == doctest::Approx(-1));
}

TEST_CASE("a draft that is discarded is not entered, and a turn begins with its credit") {
  DraftLedger ledger(4);
  DraftAccount shared(10);
  ledger.propose(100, 8, pricing);
  ledger.discard();
  ledger.settle(101, pricing, shared);
  CHECK(ledger.account().balance() == 0);
  ledger.propose(101, 8, pricing);
  ledger.settle(102, pricing, shared);
  CHECK(ledger.account().balance() == doctest::Approx(-2));
  ledger.propose(102, 4, pricing);
  ledger.begin_turn();
  CHECK(ledger.account().balance() == 0);
  CHECK(ledger.account().credit() == 4);
  ledger.settle(103, pricing, shared);
  CHECK(ledger.account().balance() == 0);
  // The turns before stay in the shared account.
  CHECK(shared.balance() == doctest::Approx(-2));
}

TEST_CASE("a draft is entered by the ledger that proposed it, and not by copies") {
  DraftLedger ledger(4);
  DraftAccount shared(10);
  ledger.propose(100, 8, pricing);
  DraftLedger copy = ledger;
  DraftLedger assigned(1);
  assigned.propose(100, 4, pricing);
  assigned = ledger;
  CHECK(assigned.account().credit() == 4);
  ledger.settle(101, pricing, shared);
  copy.settle(101, pricing, shared);
  assigned.settle(101, pricing, shared);
  CHECK(shared.balance() == doctest::Approx(-2));
  CHECK(copy.account().balance() == 0);
  ledger.propose(101, 4, pricing);
  DraftLedger moved = std::move(ledger);
  moved.settle(102, pricing, shared);
  CHECK(shared.balance() == doctest::Approx(-3));
}

TEST_CASE("a credit is a number that is not negative") {
  CHECK_THROWS_AS(DraftLedger(-0.5), copyspec::Error);
}

TEST_CASE("a pass that was delayed is entered with twice what was expected at most") {
  DraftPricing learning(PassCost(), false);
  for (int i = 0; i < 3; ++i) {
    learning.observe({.rows = 1, .sequences = 1, .seconds = 1});
    learning.observe({.rows = 9, .sequences = 1, .seconds = 1.8});
  }
  DraftLedger ledger(4);
  DraftAccount shared(10);
  ledger.propose(100, 12, learning);
  double const expected = learning.extra_at_most(12);
  learning.observe({.rows = 13, .sequences = 1, .seconds = 60});
  CHECK(learning.extra_at_most(12) > 50);
  ledger.settle(101, learning, shared);
  CHECK(ledger.account().balance() == doctest::Approx(-2 * expected));
}
