// SPDX-License-Identifier: MIT
#include <copyspec/cost/detail/latency_filter.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <random>

#include "support/allocation_counter.hpp"

using copyspec::detail::LatencyFilter;

namespace {

LatencyFilter after(std::initializer_list<double> times) {
  LatencyFilter typical;
  for (double const time : times) typical.add(time);
  return typical;
}

LatencyFilter settled(double time) {
  LatencyFilter typical;
  for (int i = 0; i < 30; ++i) CHECK_FALSE(typical.add(time));
  return typical;
}

}  // namespace

TEST_CASE("nothing is typical yet") {
  LatencyFilter typical;
  CHECK(typical.level() == 0.0);
  CHECK(typical.count() == 0);
  typical.doubt();
  CHECK(typical.count() == 0);
}

TEST_CASE("while the window fills, the level is the lower tercile of all times") {
  CHECK(after({5}).level() == 5.0);
  CHECK(after({5, 3}).level() == 3.0);
  CHECK(after({3, 5}).level() == 3.0);
  CHECK(after({5, 9, 7}).level() == 5.0);
  CHECK(after({5, 9, 7, 6}).level() == 6.0);
  CHECK(after({1, 9, 7, 6, 8, 5}).level() == 5.0);
  CHECK(after({1, 9, 7, 6, 8, 5, 2}).level() == 5.0);
  CHECK(after({9, 8, 7, 6, 5, 4, 3, 2, 1}).level() == 3.0);
  CHECK(after({9, 8, 7, 6, 5, 4, 3, 2, 1}).count() == 9);
}

TEST_CASE("six of nine times that are far too long move nothing") {
  for (int first = 0; first < 9; ++first) {
    CAPTURE(first);
    LatencyFilter typical = settled(2.0);
    for (int i = 0; i < 900; ++i) {
      bool const held_up = (i + first) % 9 < 6;
      CHECK_FALSE(typical.add(held_up ? 100.0 : 2.0));
      CHECK(typical.level() == 2.0);
    }
  }
}

TEST_CASE("a speed that changes is followed at once, after seven slower times or three faster ones") {
  LatencyFilter slower = settled(2.0);
  for (int i = 1; i <= 6; ++i) {
    CHECK_FALSE(slower.add(4.0));
    CHECK(slower.level() == 2.0);
  }
  CHECK(slower.add(4.0));
  CHECK(slower.level() == 4.0);
  CHECK_FALSE(slower.add(4.0));

  LatencyFilter faster = settled(2.0);
  for (int i = 1; i <= 2; ++i) {
    CHECK_FALSE(faster.add(1.0));
    CHECK(faster.level() == 2.0);
  }
  CHECK(faster.add(1.0));
  CHECK(faster.level() == 1.0);
  CHECK_FALSE(faster.add(1.0));
}

TEST_CASE("a speed that changes a little is followed within some dozen times, and is no change") {
  for (double const speed : {1.4, 0.75}) {
    CAPTURE(speed);
    LatencyFilter typical = settled(2.0);
    for (int i = 0; i < 36; ++i) CHECK_FALSE(typical.add(2.0 * speed));
    CHECK(typical.level() == doctest::Approx(2.0 * speed).epsilon(0.02));
  }
}

TEST_CASE("noise and delays are told from the speed") {
  double low = 1.0;
  double high = 1.0;
  std::size_t changes = 0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    LatencyFilter typical;
    for (int i = 0; i < 1000; ++i) {
      double const time = std::exp(0.1 * normal(random)) * (random() % 20 == 0 ? 50.0 : 1.0);
      changes += typical.add(time) ? 1U : 0U;
      if (i < 20) continue;
      low = std::min(low, typical.level());
      high = std::max(high, typical.level());
    }
  }
  CHECK(changes == 0);
  CHECK(low > 0.85);
  CHECK(high < 1.08);
}

TEST_CASE("a doubted level stays until the next time, of which the lower counts") {
  LatencyFilter typical = settled(2.0);
  typical.doubt();
  CHECK(typical.count() == 1);
  CHECK(typical.level() == 2.0);
  LatencyFilter other = typical;
  typical.add(9.0);
  CHECK(typical.level() == 2.0);
  other.add(1.0);
  CHECK(other.level() == 1.0);
  // The times from before are gone.
  for (double const time : {9.0, 9.0, 9.0}) typical.add(time);
  CHECK(typical.level() == 9.0);
  CHECK(typical.count() == 5);
}

TEST_CASE("a time agrees that is not further away than noise") {
  LatencyFilter const typical = after({3.0});
  CHECK(typical.agrees(3.0));
  CHECK(typical.agrees(4.5));
  CHECK(typical.agrees(2.0));
  CHECK_FALSE(typical.agrees(4.6));
  CHECK_FALSE(typical.agrees(1.9));
}

TEST_CASE("learning a time does not allocate") {
  std::size_t const before = allocations();
  LatencyFilter typical;
  for (int i = 0; i < 100; ++i) typical.add(1.0 + i % 7);
  typical.doubt();
  CHECK(allocations() == before);
}

TEST_CASE("a filter that begins with a level is as if it had seen it so many times") {
  for (std::size_t count = 1; count <= 30; ++count) {
    LatencyFilter seen;
    for (std::size_t i = 0; i < count; ++i) seen.add(0.3);
    LatencyFilter begun(0.3, count);
    for (double const time : {0.3, 0.2, 0.9, 0.9, 0.35, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1}) {
      REQUIRE(begun.level() == seen.level());
      REQUIRE(begun.count() == seen.count());
      REQUIRE(begun.add(time) == seen.add(time));
    }
  }
}
