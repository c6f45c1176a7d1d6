// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/draft_ledger.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/mix/detail/draft_pricing.hpp>
#include <copyspec/mix/detail/shared_account.hpp>

#include <memory>
#include <optional>
#include <utility>

using copyspec::PassCost;
using copyspec::detail::DraftLedger;
using copyspec::detail::DraftPricing;
using copyspec::detail::SharedAccount;

namespace {

DraftPricing const pricing(PassCost::marginal(0.25), false);

}  // namespace

TEST_CASE("a draft is entered once, when the tokens after it are known") {
  auto const shared = std::make_shared<SharedAccount>(10);
  DraftLedger ledger(4, shared);
  ledger.propose(100, 8, pricing);
  ledger.settle(100, pricing);
  CHECK(ledger.account().balance() == 0);
  ledger.settle(104, pricing);  // three accepted, and the token after them
  CHECK(ledger.account().balance() == doctest::Approx(1));
  ledger.settle(110, pricing);
  CHECK(ledger.account().balance() == doctest::Approx(1));
  ledger.propose(110, 4, pricing);
  ledger.settle(120, pricing);  // no more are accepted than were drafted
  CHECK(ledger.account().balance() == doctest::Approx(4));
  CHECK(shared->account().balance() == doctest::Approx(4));
}

TEST_CASE("what is not fed costs nothing") {
  auto const shared = std::make_shared<SharedAccount>(10);
  DraftLedger ledger(4, shared);
  ledger.propose(100, 8, pricing);
  ledger.choose(100, 2);
  ledger.settle(101, pricing);
  CHECK(ledger.account().balance() == doctest::Approx(-0.5));
  ledger.propose(101, 8, pricing);
  ledger.choose(101, 0);
  ledger.settle(105, pricing);
  CHECK(ledger.account().balance() == doctest::Approx(-0.5));
  ledger.propose(105, 2, pricing);
  ledger.choose(104, 0);  // of another draft
  ledger.settle(106, pricing);
  CHECK(ledger.account().balance() == doctest::Approx(-1));
}

TEST_CASE("a draft that is discarded is not entered, and a turn begins with its credit") {
  auto const shared = std::make_shared<SharedAccount>(10);
  DraftLedger ledger(4, shared);
  ledger.propose(100, 8, pricing);
  ledger.discard();
  ledger.settle(101, pricing);
  CHECK(ledger.account().balance() == 0);
  ledger.propose(101, 8, pricing);
  ledger.settle(102, pricing);
  CHECK(ledger.account().balance() == doctest::Approx(-2));
  ledger.propose(102, 4, pricing);
  ledger.begin_turn();
  CHECK(ledger.account().balance() == 0);
  CHECK(ledger.account().credit() == 4);
  ledger.settle(103, pricing);
  CHECK(ledger.account().balance() == 0);
  // The turns before stay in the shared account.
  CHECK(shared->account().balance() == doctest::Approx(-2));
}

TEST_CASE("a draft is entered by the ledger that proposed it, and not by copies") {
  auto const shared = std::make_shared<SharedAccount>(10);
  DraftLedger ledger(4, shared);
  ledger.propose(100, 8, pricing);
  DraftLedger copy = ledger;
  DraftLedger assigned(1, std::make_shared<SharedAccount>(10));
  assigned.propose(100, 4, pricing);
  assigned = ledger;
  CHECK(assigned.account().credit() == 4);
  ledger.settle(101, pricing);
  copy.settle(101, pricing);
  assigned.settle(101, pricing);
  CHECK(shared->account().balance() == doctest::Approx(-2));
  CHECK(copy.account().balance() == 0);
  ledger.propose(101, 4, pricing);
  DraftLedger moved = std::move(ledger);
  moved.settle(102, pricing);
  CHECK(shared->account().balance() == doctest::Approx(-3));
}

TEST_CASE("a credit is a number that is not negative") {
  CHECK_THROWS_AS(DraftLedger(-0.5, std::make_shared<SharedAccount>(10)), copyspec::Error);
}

TEST_CASE("a pass that was delayed is entered with twice what was expected at most") {
  DraftPricing learning(PassCost(), false);
  for (int i = 0; i < 3; ++i) {
    learning.observe({.rows = 1, .sequences = 1, .seconds = 1});
    learning.observe({.rows = 9, .sequences = 1, .seconds = 1.8});
  }
  auto const shared = std::make_shared<SharedAccount>(10);
  DraftLedger ledger(4, shared);
  ledger.propose(100, 12, learning);
  double const expected = learning.extra_at_most(12);
  learning.observe({.rows = 13, .sequences = 1, .seconds = 60});
  CHECK(learning.extra_at_most(12) > 50);
  ledger.settle(101, learning);
  CHECK(ledger.account().balance() == doctest::Approx(-2 * expected));
}

TEST_CASE("while a draft is under way, what it may lose is left to no other of its scope") {
  auto const shared = std::make_shared<SharedAccount>(6);
  DraftLedger one(4, shared);
  DraftLedger other(4, shared);
  CHECK(other.open(0, pricing).left() == 4);
  one.propose(100, 12, pricing);
  CHECK(other.open(0, pricing).left() == 3);
  CHECK(one.account().left() == 4);
  SUBCASE("until it is settled") {
    one.settle(101, pricing);
    CHECK(shared->account().left() == 3);
    CHECK(other.open(0, pricing).left() == 3);
    other.propose(50, 4, pricing);
    other.settle(55, pricing);
  }
  SUBCASE("unless nothing of it is fed") {
    one.choose(100, 0);
    CHECK(other.open(0, pricing).left() == 4);
  }
  SUBCASE("unless it is discarded") {
    one.discard();
  }
  SUBCASE("unless a turn begins") {
    one.begin_turn();
  }
  SUBCASE("unless another draft follows") {
    one.propose(100, 4, pricing);
    CHECK(other.open(0, pricing).left() == 4);
    one.propose(100, 0, pricing);
  }
  SUBCASE("unless the turns belong to another scope") {
    one.set_shared(std::make_shared<SharedAccount>(1));
    CHECK(one.open(0, pricing).left() == 1);
  }
  SUBCASE("unless its sequence ends") {
    std::optional<DraftLedger>(std::move(one)).reset();
  }
  SUBCASE("unless it is assigned to") {
    one = other;
  }
  SUBCASE("wherever it is moved") {
    DraftLedger moved = std::move(one);
    DraftLedger assigned(4, shared);
    assigned = std::move(moved);
    CHECK(other.open(0, pricing).left() == 3);
    assigned.settle(113, pricing);
    CHECK(shared->account().left() == 15);
    shared->settle(0, -9);
  }
  CHECK(other.open(0, pricing).left() >= 3);
  CHECK(shared->earn(0).left() == shared->account().left());  // no stake is left
}

TEST_CASE("of what a pass adds, and of what all may lose, each sequence that shares passes has a part") {
  DraftPricing three(PassCost::marginal(0.25), false);
  three.observe({.rows = 3, .sequences = 3, .seconds = 1});
  auto const shared = std::make_shared<SharedAccount>(6);
  DraftLedger ledger(100, shared);
  // Eighteen tokens are six passes.
  CHECK(ledger.open(0.3, three).left() == doctest::Approx(18.3));
  CHECK(shared->account().balance() == doctest::Approx(0.1));
  // A plain token costs half a pass of one row, and so each drafted one costs half a token.
  ledger.propose(100, 8, three);
  CHECK(ledger.open(0, three).left() == doctest::Approx(14.3));
  ledger.settle(102, three);
  CHECK(ledger.account().balance() == doctest::Approx(-3));
  CHECK(shared->account().balance() == doctest::Approx(-0.9));
}
