// SPDX-License-Identifier: MIT
#include <copyspec/cost/draft_account.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <limits>

#include "support/random.hpp"

using copyspec::DraftAccount;
using copyspec_test::Random;

TEST_CASE("an account begins with its credit, of which a draft may cost nine tenths, or half a pass") {
  DraftAccount account(4);
  CHECK(account.credit() == 4);
  CHECK(account.balance() == 0);
  CHECK(account.affordable() == doctest::Approx(3.6));
  account.enter(0, 3.4);
  CHECK(account.balance() == doctest::Approx(-3.4));
  CHECK(account.affordable() == doctest::Approx(0.54));
  account.enter(0, 0.5);
  CHECK(account.affordable() == doctest::Approx(0.1));
  account.enter(8, 0.1);
  CHECK(account.balance() == doctest::Approx(4));
  CHECK(account.affordable() == doctest::Approx(7.2));
}

TEST_CASE("the part of its credit that an account has lost is between nothing and all") {
  DraftAccount account(4);
  CHECK(account.lost() == 0);
  account.enter(0, 1);
  CHECK(account.lost() == doctest::Approx(0.25));
  account.enter(0, 10);
  CHECK(account.lost() == 1);
  account.enter(20, 0);
  CHECK(account.lost() == 0);
  DraftAccount unbounded(std::numeric_limits<double>::infinity());
  unbounded.enter(0, 1000);
  CHECK(unbounded.lost() == 0);
  DraftAccount nothing(0);
  nothing.enter(0, 1);
  CHECK(nothing.lost() == 0);
}

TEST_CASE("a draft is as long as its worst case is affordable, whatever the shape of the costs") {
  DraftAccount const account(4);
  auto const linear = [](std::size_t drafted) { return 0.3 * static_cast<double>(drafted); };
  CHECK(account.affordable(50, linear) == 12);
  CHECK(account.affordable(7, linear) == 7);
  CHECK(account.affordable(0, linear) == 0);
  // Ten tokens cost less than nine.
  auto const uneven = [](std::size_t drafted) { return drafted == 10 ? 3.0 : 3.0 + static_cast<double>(drafted); };
  CHECK(account.affordable(12, uneven) == 10);
  CHECK(account.affordable(9, uneven) == 0);
  CHECK(account.affordable(5, [](std::size_t) { return std::numeric_limits<double>::quiet_NaN(); }) == 0);
}

TEST_CASE("a long draft is shortened in steps of a sixty-fourth, up to which it is as long as it may be") {
  DraftAccount const account(4);
  for (std::size_t length = 0; length <= 512; ++length) {
    for (std::size_t const most :
         {std::size_t{0}, std::size_t{1}, std::size_t{60}, std::size_t{130}, std::size_t{500}}) {
      std::size_t calls = 0;
      auto const extra = [&](std::size_t drafted) {
        ++calls;
        return drafted <= most ? account.affordable() : account.affordable() + 0.01;
      };
      std::size_t const affordable = account.affordable(length, extra);
      std::size_t const longest = length < most ? length : most;
      REQUIRE(affordable <= longest);
      REQUIRE(longest - affordable <= (affordable + 9) / 63);
      REQUIRE((length >= 64 || affordable == longest));
      REQUIRE(calls <= 64 + 64 * 3);
    }
  }
}

TEST_CASE("whatever is accepted, an account is never overdrawn by more than its credit") {
  Random random(5);
  for (int round = 0; round < 2000; ++round) {
    double const credit = static_cast<double>(random.between(0, 40)) / 8;
    double const row = static_cast<double>(random.between(1, 150)) / 100;
    DraftAccount account(credit);
    for (int i = 0; i < 200; ++i) {
      std::size_t const drafted =
          account.affordable(random.below(60), [&](std::size_t length) { return row * static_cast<double>(length); });
      std::size_t const accepted = random.one_in(4) ? random.between(0, drafted) : 0;
      account.enter(static_cast<double>(accepted), row * static_cast<double>(drafted));
      REQUIRE(account.balance() >= -credit - 1e-9);
    }
  }
}

TEST_CASE("without a bound any draft is affordable, and without a credit none that costs something") {
  DraftAccount const unbounded(std::numeric_limits<double>::infinity());
  CHECK(unbounded.affordable(64, [](std::size_t) { return 1e300; }) == 64);
  DraftAccount const none(0);
  CHECK(none.affordable(64, [](std::size_t drafted) { return 0.01 * static_cast<double>(drafted); }) == 0);
  CHECK(none.affordable(64, [](std::size_t) { return 0.0; }) == 64);
}

TEST_CASE("in a smaller unit, an account has as many times more of it") {
  DraftAccount account(6);
  account.enter(0, 1.5);
  DraftAccount const tokens = account.in(4);
  CHECK(tokens.credit() == 24);
  CHECK(tokens.balance() == -6);
  CHECK(tokens.lost() == account.lost());
  CHECK(account.left() == 4.5);
}
