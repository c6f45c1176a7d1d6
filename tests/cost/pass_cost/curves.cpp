// SPDX-License-Identifier: MIT
#include <copyspec/cost/pass_cost.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <copyspec/core/error.hpp>
#include <copyspec/cost/draft_length.hpp>

#include "support/allocation_counter.hpp"

using copyspec::draft_length;
using copyspec::Error;
using copyspec::PassCost;

namespace {

using Curve = std::vector<double>;  // milliseconds of a pass of one row, two, ...

constexpr double infinite = std::numeric_limits<double>::infinity();

// Straight between the points, and on beyond the last.
Curve through(std::vector<std::pair<double, double>> const& points) {
  Curve curve;
  for (std::size_t rows = 1; rows <= PassCost::most_rows; ++rows) {
    std::size_t i = 1;
    while (i + 1 < points.size() && points[i].first < static_cast<double>(rows)) ++i;
    auto const& [x, y] = points[i - 1];
    curve.push_back(y + (points[i].second - y) / (points[i].first - x) * (static_cast<double>(rows) - x));
  }
  return curve;
}

// Two cores of a processor, measured: rows of a 4-bit and of a 32-bit model.
Curve const q4_1 = through({{1, 13.6}, {2, 19.9}, {4, 36.0}, {8, 63.0}, {11, 84.0}});
Curve const f32 = through({{1, 25.0}, {2, 30.0}, {4, 38.0}, {8, 55.0}, {11, 65.0}});
// And what may be met elsewhere.
Curve const cheap = through({{1, 10.0}, {64, 16.0}});
Curve const steps = through({{1, 10.0}, {2, 19.0}, {8, 19.0}, {9, 22.0}, {16, 22.0}, {17, 50.0}, {64, 50.0}});
Curve const cliff = through({{1, 10.0}, {8, 10.7}, {9, 48.0}, {64, 70.0}});

double relative(Curve const& curve, std::size_t rows) {
  return curve[rows - 1] / curve[0];
}

class Noise {
 public:
  explicit Noise(unsigned seed, double spread = 0.1) : random_(seed), spread_(spread) {}

  // `time` with noise; one pass in twenty is held up fifty times.
  double of(double time) {
    double const noise = std::exp(spread_ * normal_(random_));
    return time * noise * (spread_ > 0.0 && random_() % 20 == 0 ? 50.0 : 1.0);
  }

 private:
  std::mt19937 random_;
  std::normal_distribution<double> normal_;
  double spread_;
};

void observe(PassCost& cost, Curve const& curve, std::size_t rows, Noise& noise) {
  cost.observe(rows, noise.of(curve[rows - 1] * 1e-3));
}

void check_shape(PassCost const& cost) {
  REQUIRE(cost(1) == 1.0);
  for (std::size_t rows = 2; rows <= 80; ++rows) {
    REQUIRE(std::isfinite(cost(rows)));
    REQUIRE(cost(rows) > 0.0);
  }
}

bool same(PassCost const& a, PassCost const& b) {
  for (std::size_t rows = 1; rows <= 80; ++rows)
    if (a(rows) != b(rows) || a.seconds(rows) != b.seconds(rows) || a.observed(rows) != b.observed(rows)) return false;
  return true;
}

// Passes as they come in practice: a chain now and then, of any length, more or less likely; drafted as far as pays.
class Loop {
 public:
  explicit Loop(unsigned seed) : random_(seed) {}

  // How many rows the next pass has.
  template <class Cost>
  std::size_t next(Cost const& cost) {
    chances_.clear();
    if (uniform() > 0.4) {
      double const level = 0.5 + 0.5 * uniform();
      for (std::size_t i = 1 + random_() % 30; i > 0; --i)
        chances_.push_back(static_cast<float>(level * (0.9 + 0.1 * uniform())));
    }
    return 1 + draft_length(chances_, cost);
  }

  // The pass had so many rows. What it is expected to yield is taken for what it did.
  void made(std::size_t rows, Curve const& truth) {
    double chance = 1.0;
    double tokens = 1.0;
    for (std::size_t i = 0; i + 1 < rows; ++i) tokens += chance *= static_cast<double>(chances_[i]);
    time_ += relative(truth, rows);
    yield_ += tokens;
  }

  // Tokens a unit of true cost since the last call.
  double speed() {
    double const result = yield_ / time_;
    yield_ = time_ = 0.0;
    return result;
  }

 private:
  double uniform() { return static_cast<double>(random_()) / 4294967296.0; }

  std::mt19937 random_;
  std::vector<float> chances_;
  double time_ = 0.0;
  double yield_ = 0.0;
};

double best_speed(Curve const& truth, unsigned seed, std::size_t passes) {
  Loop loop(seed);
  auto const cost = [&](std::size_t rows) { return relative(truth, rows); };
  for (std::size_t i = 0; i < passes; ++i) loop.made(loop.next(cost), truth);
  return loop.speed();
}

void learn(PassCost& cost, Loop& loop, Curve const& truth, Noise& noise, std::size_t passes) {
  for (std::size_t i = 0; i < passes; ++i) {
    std::size_t const rows = loop.next(cost);
    loop.made(rows, truth);
    observe(cost, truth, rows, noise);
  }
}

template <class Action>
std::string refusal(Action action) {
  try {
    action();
  } catch (Error const& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a marginal cost is paid for each row after the first") {
  PassCost const cost = PassCost::marginal(0.25);
  CHECK(cost(1) == 1.0);
  CHECK(cost(2) == 1.25);
  CHECK(cost(5) == 2.0);
  CHECK(cost(1001) == 251.0);
  CHECK(PassCost::marginal(0.0)(50) == 1.0);
}

TEST_CASE("a table is relative to its first entry and goes on with its last slope") {
  PassCost const cost = PassCost::table({20.0, 30.0, 30.0, 50.0});
  CHECK(cost(1) == 1.0);
  CHECK(cost(2) == 1.5);
  CHECK(cost(3) == 1.5);
  CHECK(cost(4) == 2.5);
  CHECK(cost(5) == 3.5);
  CHECK(cost(14) == 12.5);
  // A fall stays as it was measured, but does not go on.
  PassCost const falling = PassCost::table({10.0, 30.0, 20.0});
  CHECK(falling(2) == 3.0);
  CHECK(falling(3) == 2.0);
  CHECK(falling(100) == 2.0);
  CHECK(PassCost::table({7.0})(11) == doctest::Approx(1.0 + 10 * PassCost::prior));
  PassCost const longer = PassCost::table(Curve(200, 3.0));
  CHECK(longer(200) == 1.0);
  CHECK(longer(201) == 1.0);
}

TEST_CASE("what is no cost is refused in words") {
  for (double const bad : {-0.1, infinite, -infinite, std::nan("")}) {
    CHECK(refusal([&] { (void)PassCost::marginal(bad); }) != "");
    CHECK(refusal([&] { (void)PassCost::table({1.0, 2.0, bad, 3.0}); }).find("entry 2 ") != std::string::npos);
  }
  CHECK(refusal([] { (void)PassCost::table({0.0, 1.0}); }).find("entry 0 ") != std::string::npos);
  CHECK(refusal([] { (void)PassCost::table({}); }).find("empty") != std::string::npos);
}

TEST_CASE("a fixed curve does not learn") {
  for (PassCost const& fixed : {PassCost::marginal(0.25), PassCost::table({1.0, 2.0})}) {
    PassCost cost = fixed;
    for (int i = 0; i < 50; ++i)
      for (std::size_t rows = 1; rows <= 3; ++rows) cost.observe(rows, 0.1);
    CHECK(same(cost, fixed));
    CHECK(cost.observed(1) == 0);
    CHECK(cost.seconds(2) == 0.0);
  }
}

TEST_CASE("before anything was seen, a row costs a little") {
  PassCost const cost;
  for (std::size_t const rows : {1U, 2U, 11U, 64U, 65U, 1000U}) {
    CHECK(cost(rows) == doctest::Approx(1.0 + PassCost::prior * static_cast<double>(rows - 1)));
    CHECK(cost.seconds(rows) == 0.0);
    CHECK(cost.observed(rows) == 0);
  }
}

TEST_CASE("one pass, of any row count, gives the time of all") {
  for (std::size_t const rows : {1U, 8U, 64U}) {
    CAPTURE(rows);
    PassCost cost;
    cost.observe(rows, 0.5);
    for (std::size_t other = 1; other <= 100; ++other) CHECK(cost(other) == doctest::Approx(PassCost()(other)));
    CHECK(cost.seconds(rows) == doctest::Approx(0.5));
    CHECK(cost.observed(rows) == 1);
  }
}

TEST_CASE("between and beyond what was seen, a row costs three quarters of what it should") {
  PassCost cost;
  for (int i = 0; i < 20; ++i)
    for (auto const& [rows, seconds] : {std::pair<std::size_t, double>{1, 1.0}, {5, 3.0}, {6, 3.0}, {9, 9.0}})
      cost.observe(rows, seconds);
  CHECK(cost(3) == doctest::Approx(1.0 + 0.75 * 1.0));
  CHECK(cost(4) == doctest::Approx(1.0 + 0.75 * 1.5));
  CHECK(cost(5) == doctest::Approx(3.0));
  CHECK(cost(6) == doctest::Approx(3.0));
  CHECK(cost(8) == doctest::Approx(3.0 + 0.75 * 4.0));
  CHECK(cost(9) == doctest::Approx(9.0));
  CHECK(cost(10) == doctest::Approx(9.0 + 0.75));
  CHECK(cost(64) == doctest::Approx(9.0 + 0.75 * 55));
  CHECK(cost(109) == doctest::Approx(9.0 + 0.75 * 100));
  CHECK(cost.seconds(9) == doctest::Approx(9.0));
}

TEST_CASE("that a few rows are free does not make all rows free") {
  PassCost cost;
  for (int i = 0; i < 20; ++i)
    for (std::size_t rows = 1; rows <= 4; ++rows) cost.observe(rows, 0.1);
  CHECK(cost(4) == 1.0);
  CHECK(cost(24) == doctest::Approx(1.0 + 20 * PassCost::least_slope));
}

TEST_CASE("below the first that was seen, rows cost what they do before anything was") {
  PassCost cost;
  for (int i = 0; i < 20; ++i)
    for (std::size_t const rows : {4U, 8U}) cost.observe(rows, rows == 4 ? 1.0 + 3 * PassCost::prior : 3.0);
  CHECK(cost.seconds(1) == doctest::Approx(1.0));
  CHECK(cost(2) == doctest::Approx(1.0 + PassCost::prior));
  CHECK(cost(4) == doctest::Approx(1.0 + 3 * PassCost::prior));
  CHECK(cost(8) == doctest::Approx(3.0));
}

TEST_CASE("levels that fall are pooled by how well they are known, unless they are sure") {
  PassCost cost;
  for (int i = 0; i < 5; ++i)
    for (auto const& [rows, seconds] : {std::pair<std::size_t, double>{1, 1.0}, {2, 2.0}, {3, 1.6}, {4, 3.0}})
      cost.observe(rows, seconds);
  CHECK(cost(2) == doctest::Approx(1.8).epsilon(0.01));
  CHECK(cost(3) == cost(2));
  CHECK(cost(4) == doctest::Approx(3.0));

  PassCost three;
  auto const see_three = [&](int times) {
    for (int i = 0; i < times; ++i)
      for (auto const& [rows, seconds] : {std::pair<std::size_t, double>{1, 1.0}, {2, 3.0}, {3, 2.2}, {4, 1.7}})
        three.observe(rows, seconds);
  };
  see_three(5);
  for (std::size_t const rows : {2U, 3U, 4U}) CHECK(three(rows) == doctest::Approx(2.3).epsilon(0.01));
  see_three(11);
  CHECK(three(2) == doctest::Approx(3.0));
  CHECK(three(3) == doctest::Approx(2.2));
  CHECK(three(4) == doctest::Approx(1.7));
  // Where a pass of more rows is faster, a draft is made longer for it.
  CHECK(draft_length(std::vector<float>{0.9F, 0.9F, 0.5F}, three) == 3);

  // What was hardly seen gives way.
  PassCost held_up;
  held_up.observe(2, 50.0);
  for (int i = 0; i < 5; ++i) {
    held_up.observe(1, 1.0);
    held_up.observe(3, 1.2);
  }
  CHECK(held_up(2) == doctest::Approx(1.2));
  CHECK(held_up(3) == doctest::Approx(1.2));
}

TEST_CASE("sixteen noisy passes of a row count give its cost, passes that were held up among them") {
  std::size_t far = 0;
  std::size_t all = 0;
  for (Curve const& truth : {q4_1, f32}) {
    for (unsigned seed = 0; seed < 200; ++seed) {
      Noise noise(seed);
      PassCost cost;
      for (int i = 0; i < 16; ++i)
        for (std::size_t const rows : {1U, 2U, 4U, 8U, 11U}) observe(cost, truth, rows, noise);
      for (std::size_t const rows : {2U, 4U, 8U, 11U}) {
        double const error = cost(rows) / relative(truth, rows) - 1.0;
        CHECK(std::abs(error) < 0.25);
        far += std::abs(error) > 0.12 ? 1U : 0U;
        ++all;
        CHECK(cost.seconds(rows) == doctest::Approx(truth[rows - 1] * 1e-3).epsilon(0.2));
        CHECK(cost.observed(rows) == 16);
      }
    }
  }
  CHECK(far < all / 20);
}

TEST_CASE("costs stay positive and finite, whatever is observed") {
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    double const spread = std::vector<double>{0.1, 1.0, 10.0, 300.0}[seed % 4];
    PassCost cost;
    for (int i = 0; i < 400; ++i) {
      std::size_t const rows = 1 + random() % (seed % 3 == 0 ? 64 : 9);
      cost.observe(rows, std::exp(spread * normal(random)));
      check_shape(cost);
      CHECK(cost.seconds(1) > 0.0);
    }
  }
}

TEST_CASE("what is no observation changes nothing") {
  PassCost cost;
  Noise noise(1);
  for (int i = 0; i < 30; ++i)
    for (std::size_t rows = 1; rows <= 12; ++rows) observe(cost, f32, rows, noise);
  PassCost const before = cost;
  for (double const bad : {0.0, -0.0, -1.0, infinite, -infinite, std::nan("")})
    for (int i = 0; i < 50; ++i) cost.observe(2, bad);
  for (int i = 0; i < 5000; ++i)
    for (std::size_t const rows : {std::size_t{0}, PassCost::most_rows + 1, std::numeric_limits<std::size_t>::max()})
      cost.observe(rows, 1.0);
  CHECK(same(cost, before));
  CHECK(cost.observed(0) == 0);
  CHECK(cost.observed(PassCost::most_rows + 1) == 0);
  PassCost extreme;
  extreme.observe(1, std::numeric_limits<double>::denorm_min());
  extreme.observe(2, std::numeric_limits<double>::max());
  check_shape(extreme);
}

TEST_CASE("a change of speed is followed within some dozen passes, and says nothing about rows") {
  for (double const speed : {0.25, 0.5, 1.4, 2.0, 4.0}) {
    for (unsigned seed = 0; seed < 50; ++seed) {
      CAPTURE(speed);
      CAPTURE(seed);
      Noise noise(seed);
      PassCost cost;
      std::mt19937 random(seed);
      auto const passes = [&](std::size_t count, double factor) {
        for (std::size_t i = 0; i < count; ++i) {
          std::size_t const rows = std::vector<std::size_t>{1, 1, 4, 8}[random() % 4];
          cost.observe(rows, noise.of(factor * f32[rows - 1] * 1e-3));
        }
      };
      passes(300, 1.0);
      passes(60, speed);
      for (std::size_t const rows : {1U, 4U, 8U}) {
        CHECK(cost.seconds(rows) == doctest::Approx(speed * f32[rows - 1] * 1e-3).epsilon(0.25));
        CHECK(cost(rows) == doctest::Approx(relative(f32, rows)).epsilon(0.25));
      }
    }
  }
}

TEST_CASE("what is out of use when the speed changes is forgotten") {
  PassCost cost;
  for (int i = 0; i < 100; ++i)
    for (std::size_t const rows : {1U, 20U}) cost.observe(rows, rows == 1 ? 0.1 : 1.0);
  for (int i = 0; i < 5; ++i) cost.observe(1, 0.05);
  CHECK(cost.seconds(1) == doctest::Approx(0.05));
  CHECK(cost(20) == doctest::Approx(20.0));
  for (int i = 0; i < 16; ++i) cost.observe(1, 0.05);
  CHECK(cost.observed(20) == 0);
  CHECK(cost(20) == doctest::Approx(PassCost()(20)));
}

TEST_CASE("a row count is forgotten after 16 passes, and four times as many after each further time, up to 512") {
  PassCost cost;
  auto const remembered = [&] {
    std::size_t passes = 0;
    while (cost.observed(8) > 0 && passes < 2000) {
      cost.observe(1, 0.1);
      ++passes;
    }
    return passes;
  };
  cost.observe(1, 0.1);
  for (std::size_t const expected : {16U, 64U, 256U, 512U, 512U, 512U}) {
    cost.observe(8, 0.9);
    CHECK(cost(8) == doctest::Approx(9.0));
    CHECK(remembered() == expected);
    CHECK(cost(8) == doctest::Approx(PassCost()(8)));
  }
  // One row is remembered as long as there is nothing else to go by.
  for (int i = 0; i < 2000; ++i) cost.observe(8, 0.9);
  CHECK(cost.observed(1) > 0);
  CHECK(cost(8) == doctest::Approx(9.0));
}

TEST_CASE("without forgetting, rows cost no less than fewer ones did that were seen twice") {
  PassCost const fixed = PassCost::marginal(0.3);
  CHECK(fixed.without_forgetting(5) == fixed(5));
  PassCost cost;
  CHECK(cost.without_forgetting(9) == cost(9));
  for (int i = 0; i < 3; ++i) cost.observe(1, 0.1);
  cost.observe(8, 0.9);
  for (int i = 0; i < 20; ++i) cost.observe(1, 0.1);
  CHECK(cost.without_forgetting(8) == cost(8));  // seen once, long ago
  cost.observe(8, 0.9);
  cost.observe(4, 0.3);
  for (int i = 0; i < 3000; ++i) cost.observe(1, 0.1);
  REQUIRE(cost.observed(8) == 0);
  REQUIRE(cost(8) < 3);
  CHECK(cost.without_forgetting(4) == cost(4));
  CHECK(cost.without_forgetting(7) == cost(7));
  for (std::size_t const rows : {8U, 9U, 20U}) CHECK(cost.without_forgetting(rows) == doctest::Approx(9));
  CHECK(cost.without_forgetting(512) == cost(512));  // the prior of so many rows is more
}

TEST_CASE("costs are in plain passes once two of them were seen, if nothing else was, and if there seem to be none") {
  CHECK(PassCost::marginal(0.3).in_plain_passes());
  PassCost cost;
  CHECK(cost.in_plain_passes());
  cost.observe(3, 0.5);
  CHECK_FALSE(cost.in_plain_passes());
  cost.observe(1, 0.1);
  CHECK_FALSE(cost.in_plain_passes());
  cost.observe(1, 0.1);
  CHECK(cost.in_plain_passes());
  PassCost never;
  for (int i = 0; i < 15; ++i) never.observe(3, 0.5);
  CHECK_FALSE(never.in_plain_passes());
  never.observe(3, 0.5);
  CHECK(never.in_plain_passes());
}

TEST_CASE("one unlucky pass hides a row count for sixteen passes") {
  PassCost cost;
  cost.observe(1, 0.1);
  cost.observe(8, 50 * 0.11);
  CHECK(cost(8) > 50);
  for (int i = 0; i < 16; ++i) cost.observe(1, 0.1);
  CHECK(cost(8) == doctest::Approx(PassCost()(8)));
  cost.observe(8, 0.11);
  CHECK(cost(8) == doctest::Approx(1.1));
  // And a second time it hides nothing, forgotten or not.
  cost.observe(8, 50 * 0.11);
  CHECK(cost(8) == doctest::Approx(1.1));
  for (int i = 0; i < 1000; ++i) cost.observe(1, 0.1);
  cost.observe(8, 50 * 0.11);
  CHECK(cost(8) == doctest::Approx(1.1));
}

TEST_CASE("in a loop that drafts as far as pays, nearly all is gained that a known curve gains") {
  struct Case {
    std::string engine;
    Curve truth;
    double early;
    double late;
  };
  for (auto const& [engine, truth, early, late] :
       {Case{"q4_1", q4_1, 0.97, 0.99}, Case{"f32", f32, 0.97, 0.99}, Case{"cheap", cheap, 0.96, 0.99},
        Case{"steps", steps, 0.9, 0.97}, Case{"cliff", cliff, 0.8, 0.96}}) {
    std::string const& name = engine;  // a binding cannot be captured
    CAPTURE(name);
    double first = 0.0;
    double rest = 0.0;
    for (unsigned seed = 0; seed < 10; ++seed) {
      PassCost cost;
      Loop loop(seed);
      Noise noise(seed);
      double const best = best_speed(truth, seed, 4000);
      learn(cost, loop, truth, noise, 200);
      first += loop.speed() / best / 10;
      learn(cost, loop, truth, noise, 3800);
      rest += loop.speed() / best / 10;
    }
    CHECK(first > early);
    CHECK(rest > late);
  }
}

TEST_CASE("cheap rows are found from a pessimistic start") {
  for (unsigned seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    double const best = best_speed(cheap, seed, 1000);
    Noise noise(seed);
    // The first time of each row count was held up.
    PassCost cost;
    cost.observe(1, cheap[0] * 1e-3);
    for (std::size_t rows = 2; rows <= 31; ++rows) cost.observe(rows, 50 * cheap[rows - 1] * 1e-3);
    Loop loop(seed);
    learn(cost, loop, cheap, noise, 60);
    loop.speed();
    learn(cost, loop, cheap, noise, 1000);
    CHECK(loop.speed() > 0.95 * best);
    // Rows were dear for long, and suddenly are not.
    PassCost other;
    Loop dear(seed);
    learn(other, dear, q4_1, noise, 3000);
    learn(other, dear, cheap, noise, 600);
    dear.speed();
    learn(other, dear, cheap, noise, 1000);
    CHECK(dear.speed() > 0.95 * best);
  }
}

TEST_CASE("rows that are dear are tried again once in 512 passes each, and no more") {
  for (unsigned seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    PassCost cost;
    Loop loop(seed);
    Noise noise(seed);
    learn(cost, loop, cliff, noise, 2000);
    std::vector<std::size_t> tried(cliff.size() + 1, 0);
    std::size_t all = 0;
    for (int i = 0; i < 10240; ++i) {
      std::size_t const rows = loop.next(cost);
      loop.made(rows, cliff);
      observe(cost, cliff, rows, noise);
      if (rows < 9) continue;
      ++tried[rows];
      ++all;
    }
    // Twenty times 512 passes.
    CHECK(*std::max_element(tried.begin(), tried.end()) <= 21);
    // One that is remembered stands for those behind it, so that not all are tried.
    CHECK(all < 10240 / 100);
    CHECK(all > 0);
  }
}

TEST_CASE("observing does not allocate, and neither does asking") {
  PassCost cost;
  Noise noise(3);
  std::size_t const before = allocations();
  double sum = 0.0;
  for (int i = 0; i < 2000; ++i) {
    observe(cost, f32, 1 + static_cast<std::size_t>(i * i) % 64, noise);
    sum += cost(17) + cost.seconds(100);
  }
  CHECK(allocations() == before);
  CHECK(sum > 0.0);
}

TEST_CASE("the same passes give the same curve, and a copy goes its own way") {
  PassCost a;
  PassCost b;
  Noise noise(4);
  for (int i = 0; i < 500; ++i) {
    std::size_t const rows = 1 + static_cast<std::size_t>(i * 7) % 13;
    double const seconds = noise.of(f32[rows - 1]);
    a.observe(rows, seconds);
    b.observe(rows, seconds);
  }
  CHECK(same(a, b));
  PassCost copy = a;
  for (int i = 0; i < 20; ++i) copy.observe(5, 7.0);
  CHECK(same(a, b));
  CHECK_FALSE(same(a, copy));
}

TEST_CASE("what rows add at most is what they add, if the curve is fixed") {
  PassCost const cost = PassCost::table({1, 1.5, 1.7, 1.7, 3});
  for (std::size_t more = 0; more < 9; ++more) CHECK(cost.added_at_most(more) == doctest::Approx(cost(1 + more) - 1));
}

TEST_CASE("before anything was observed, a row adds 1.2 passes at most") {
  PassCost const cost;
  CHECK(cost.added_at_most(5) == doctest::Approx(6));
}

TEST_CASE("what rows add at most follows from observed row counts") {
  PassCost cost;
  auto const observe = [&](std::size_t rows, double seconds, int times) {
    for (int i = 0; i < times; ++i) cost.observe(rows, seconds);
  };
  observe(1, 1, 3);
  observe(4, 1.3, 3);
  CHECK(cost.added_at_most(3) == doctest::Approx(1.05 * 0.3));
  CHECK(cost.added_at_most(2) == doctest::Approx(1.05 * 0.3));     // no more than four rows
  CHECK(cost.added_at_most(7) == doctest::Approx(2 * 1.315 - 1));  // two passes of four
  CHECK(cost.added_at_most(8) == doctest::Approx(2 * 1.315));      // and one of one row
  observe(8, 1.35, 3);
  CHECK(cost.added_at_most(7) == doctest::Approx(1.05 * 0.35));
  CHECK(cost.added_at_most(15) == doctest::Approx(2 * 1.3675 - 1));
}

TEST_CASE("an engine whose rows cost more than passes is known as such, also when that was seen long ago") {
  PassCost cost;
  for (int i = 0; i < 3; ++i) {
    cost.observe(1, 1);
    cost.observe(3, 6);
  }
  CHECK(cost.added_at_most(2) == doctest::Approx(1.05 * 5));
  CHECK(cost.added_at_most(4) == doctest::Approx(5.25 + 1 + 2.625));
  for (int i = 0; i < 2000; ++i) cost.observe(1, 1);
  CHECK(cost.added_at_most(2) == doctest::Approx(1.05 * 5));
}

TEST_CASE("a row count that was observed costs what it did, whatever fewer rows cost") {
  PassCost cost;
  for (int i = 0; i < 3; ++i) {
    cost.observe(1, 1);
    cost.observe(4, 1.2);
    cost.observe(8, 5);
  }
  CHECK(cost.added_at_most(7) == doctest::Approx(1.05 * 4));
  CHECK(cost.added_at_most(6) == doctest::Approx(2 * 1.21 - 1));
}

TEST_CASE("a single delayed pass is forgotten") {
  PassCost cost;
  for (int i = 0; i < 3; ++i) cost.observe(1, 1);
  cost.observe(5, 100);
  CHECK(cost.added_at_most(4) > 50);
  for (int i = 0; i < 40; ++i) cost.observe(1, 1);
  CHECK(cost.added_at_most(4) == doctest::Approx(4.8));
}

TEST_CASE("as times are noisy, a row adds what it adds on average, up to a twentieth of a pass") {
  for (double const row : {0.02, 0.1}) {
    PassCost cost;
    for (int i = 0; i < 5; ++i) {
      cost.observe(1, 1);
      cost.observe(2, 1);  // it seems to add nothing
      cost.observe(21, 1 + 20 * row);
    }
    CHECK(cost.added_at_most(1) == doctest::Approx(std::min(row, 0.05)));
    CHECK(cost.added_at_most(20) == doctest::Approx(1.05 * 20 * row));
  }
}

TEST_CASE("a row adds on average what the levels show that are in use, in passes of one row") {
  CHECK(PassCost::marginal(0.3).average_row() == 0);  // a fixed curve needs no average
  PassCost cost;
  CHECK(cost.average_row() == 0);
  cost.observe(1, 2);
  CHECK(cost.average_row() == 0);
  for (int i = 0; i < 20; ++i)
    for (std::size_t const rows : {1U, 5U, 9U}) cost.observe(rows, 2 + 0.5 * static_cast<double>(rows - 1));
  CHECK(cost.average_row() == doctest::Approx(0.25));
  for (int i = 0; i < 600; ++i) cost.observe(1, 2);
  CHECK(cost.average_row() == 0);  // the others are forgotten
}
