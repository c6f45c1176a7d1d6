// SPDX-License-Identifier: MIT
#include <copyspec/cost/sequence_cost.hpp>

#include <doctest/doctest.h>

#include <cstddef>

using copyspec::PassCost;
using copyspec::SequenceCost;

TEST_CASE("alone, a sequence pays what the pass costs") {
  SequenceCost const share(PassCost::marginal(0.25));
  for (std::size_t rows = 1; rows < 80; ++rows)
    CHECK(share(rows) == doctest::Approx(1 + 0.25 * static_cast<double>(rows - 1)));
}

TEST_CASE("with others, a sequence pays what its draft adds, and its share of the pass without any draft") {
  // Up to eight rows for the price of one.
  SequenceCost share(PassCost::table({1, 1, 1, 1, 1, 1, 1, 1, 5, 6}));
  share.observe({.rows = 8, .sequences = 4, .seconds = 1});
  // Six rows are those of others, and a seventh its own.
  CHECK(share(1) == doctest::Approx(0.25));
  CHECK(share(2) == doctest::Approx(0.25));
  CHECK(share(3) == doctest::Approx(4.25));
  share.observe({.rows = 3, .sequences = 1, .seconds = 1});
  CHECK(share(8) == doctest::Approx(1));
  share.observe({.rows = 0, .sequences = 0, .seconds = 0});
  CHECK(share(9) == doctest::Approx(5));
}

TEST_CASE("what the sequences of a pass pay adds up to the cost of the pass, if each row costs the same") {
  for (double const row : {0.02, 0.3, 1.0})
    for (std::size_t const sequences : {1U, 2U, 7U, 64U})
      for (std::size_t const rows : {1U, 2U, 9U}) {
        CAPTURE(row);
        CAPTURE(sequences);
        CAPTURE(rows);
        SequenceCost share(PassCost::marginal(row));
        share.observe({.rows = sequences * rows, .sequences = sequences, .seconds = 1});
        double const pass = 1 + row * static_cast<double>(sequences * rows - 1);
        CHECK(static_cast<double>(sequences) * share(rows) == doctest::Approx(pass));
      }
}

TEST_CASE("what passes cost is learnt unless it is known") {
  SequenceCost known(PassCost::marginal(0.5));
  SequenceCost learning{PassCost()};
  for (int i = 0; i < 50; ++i)
    for (std::size_t const rows : {1U, 2U, 4U}) {
      double const seconds = 0.1 * static_cast<double>(rows);
      known.observe({.rows = rows, .sequences = 1, .seconds = seconds});
      learning.observe({.rows = rows, .sequences = 1, .seconds = seconds});
    }
  CHECK(known(4) == doctest::Approx(2.5));
  CHECK(learning(4) == doctest::Approx(4).epsilon(0.05));
  CHECK(learning.pass_cost()(4) == learning(4));
}

TEST_CASE("what a draft adds depends on the rows of the other sequences") {
  SequenceCost share(PassCost::table({1, 1, 1, 1, 1, 1, 1, 1, 5, 6}));
  CHECK(share.extra(7) == 0);
  CHECK(share.extra(8) == doctest::Approx(4));
  share.observe({.rows = 8, .sequences = 4, .seconds = 1});
  CHECK(share.extra(1) == 0);
  CHECK(share.extra(2) == doctest::Approx(4));
  CHECK_FALSE(share.alone());
  share.observe({.rows = 8, .sequences = 1, .seconds = 1});
  CHECK(share.alone());
}

TEST_CASE("what a row adds at least is the least average of what some rows add to a pass without drafts") {
  SequenceCost share(PassCost::table({1, 1, 1, 1, 3, 3, 3, 3, 3, 3, 9, 16}));
  share.observe({.rows = 9, .sequences = 4, .seconds = 1});
  CHECK(share.least_extra() == doctest::Approx(2.0 / 6));  // of the six rows up to ten
  share.observe({.rows = 3, .sequences = 3, .seconds = 1});
  CHECK(share.least_extra() == 0);
  SequenceCost even(PassCost::marginal(0.2));
  even.observe({.rows = 40, .sequences = 8, .seconds = 1});
  CHECK(even.least_extra() == doctest::Approx(0.2));
}

TEST_CASE(
    "what drafts added is shared by their tokens alike, and a plain token costs a part of a pass without drafts") {
  SequenceCost share(PassCost::table({1, 1, 1, 1, 1, 1, 1, 1, 5, 6}));
  CHECK(share.sequences() == 1);
  CHECK(share.token() == 1);
  share.observe({.rows = 10, .sequences = 4, .seconds = 1});
  CHECK(share.sequences() == 4);
  CHECK(share.token() == doctest::Approx(0.25));
  CHECK(share.added(6) == doctest::Approx(5));
  CHECK(share.added(2) == doctest::Approx(5.0 / 3));
  CHECK(share.added(0) == 0);
  share.observe({.rows = 4, .sequences = 4, .seconds = 1});  // without drafts: what one would add
  CHECK(share.added(4) == 0);
  CHECK(share.added(5) == doctest::Approx(4));
}

TEST_CASE("where a learnt cost shows no difference, a draft adds what rows do on average") {
  SequenceCost share{PassCost()};
  for (int i = 0; i < 50; ++i)
    for (std::size_t const rows : {4U, 8U, 12U})
      share.observe({.rows = rows, .sequences = 4, .seconds = rows > 8 ? 2.0 : 1.0});
  share.observe({.rows = 8, .sequences = 4, .seconds = 1});
  double const row = share.pass_cost().average_row();
  REQUIRE(row > 0);
  REQUIRE(share.pass_cost()(8) == doctest::Approx(share.pass_cost()(4)));
  CHECK(share.added(3) == doctest::Approx(3 * row));
}
