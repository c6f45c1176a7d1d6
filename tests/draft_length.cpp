// SPDX-License-Identifier: MIT
#include <copyspec/draft_length.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "allocation_counter.hpp"

#ifndef NDEBUG
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#endif

using copyspec::draft_length;
using copyspec::longest_chain;

namespace {

using Chances = std::vector<float>;
using Costs = std::vector<double>;  // of a pass of one row, two, ...

std::size_t draft(Chances const& chances, Costs const& costs) {
  return draft_length(chances, [&](std::size_t rows) { return costs[rows - 1]; });
}

Costs linear(std::size_t count, double slope) {
  Costs costs(count);
  for (std::size_t i = 0; i < count; ++i) costs[i] = 1.0 + slope * static_cast<double>(i);
  return costs;
}

// Worth of following `policy`, the draft length at each place of the chain, from place `at` on, where a unit of cost is
// worth `rate` tokens: what may happen in the pass, case by case.
double worth(Chances const& chances, double rate, Costs const& costs, std::vector<std::size_t> const& policy,
             std::size_t at) {
  std::size_t const drafted = policy[at];
  double total = -rate * costs[drafted];
  double chance = 1.0;  // that the first `accepted` are right
  for (std::size_t accepted = 0; accepted < drafted; ++accepted) {
    double const right = static_cast<double>(chances[at + accepted]);
    total += chance * (1.0 - right) * static_cast<double>(accepted + 1);
    chance *= right;
  }
  total += chance * static_cast<double>(drafted + 1);
  if (at + drafted < chances.size()) {
    double const goes_on = chance * static_cast<double>(chances[at + drafted]);
    if (goes_on > 0) total += goes_on * worth(chances, rate, costs, policy, at + drafted + 1);
  }
  return total;
}

struct Best {
  double worth = -std::numeric_limits<double>::infinity();
  std::vector<double> by_first;  // the most that is reached with this draft at the beginning
};

// Every policy there is.
Best try_all(Chances const& chances, double rate, Costs const& costs) {
  std::size_t const places = chances.size() + 1;
  Best best;
  best.by_first.assign(places, -std::numeric_limits<double>::infinity());
  std::vector<std::size_t> policy(places, 0);
  for (bool more = true; more;) {
    double const value = worth(chances, rate, costs, policy, 0);
    best.worth = std::max(best.worth, value);
    best.by_first[policy[0]] = std::max(best.by_first[policy[0]], value);
    more = false;
    for (std::size_t at = 0; at < places && !more; ++at) {
      if (at + ++policy[at] <= chances.size())
        more = true;
      else
        policy[at] = 0;
    }
  }
  return best;
}

std::size_t smallest_best(Best const& best) {
  std::size_t first = 0;
  while (best.by_first[first] < best.worth - 1e-10) ++first;
  return first;
}

#ifndef NDEBUG
template <class Action>
bool aborts(Action action) {
  pid_t const child = fork();
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);
    std::fclose(stderr);
    action();
    _exit(0);
  }
  int status = 0;
  REQUIRE(child > 0);
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
#endif

}  // namespace

TEST_CASE("no policy on a small chain is worth more, whatever a pass costs and whatever cost is worth") {
  std::mt19937 random(7);
  auto const uniform = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(random()) / 4294967295.0;
  };
  std::array<std::size_t, 7> chosen{};
  for (int trial = 0; trial < 3000; ++trial) {
    CAPTURE(trial);
    Chances chances(random() % 7);
    for (float& chance : chances) {
      switch (random() % 8) {
        case 0:
          chance = 0.0F;
          break;
        case 1:
          chance = 1.0F;
          break;
        default:
          chance = static_cast<float>(uniform(0.2, 1.0));
      }
    }
    Costs costs(chances.size() + 1, 1.0);
    double const slope = uniform(0.0, 0.6);
    std::size_t const step = 1 + random() % 4;
    for (std::size_t i = 1; i < costs.size(); ++i) {
      switch (trial % 5) {
        case 0:
          costs[i] = 1.0 + slope * static_cast<double>(i);
          break;  // a line
        case 1:
          costs[i] = 1.0 + slope * static_cast<double>(i / step);
          break;  // steps
        case 2:
          costs[i] = i < step ? 1.0 : 1.0 + slope;
          break;  // free rows
        case 3:
          costs[i] = i < step ? 1.0 + 0.1 * slope : 4.0;
          break;  // a cliff
        default:
          costs[i] = uniform(0.5, 3.0);  // falls as well
      }
    }
    double const rate = uniform(0.1, 4.0);  // whichever it is
    std::size_t const length = draft(chances, costs);
    REQUIRE(length <= chances.size());
    Best const best = try_all(chances, rate, costs);
    CHECK(best.by_first[length] == doctest::Approx(best.worth).epsilon(1e-9));
    CHECK(length == smallest_best(best));
    ++chosen[length];
  }
  // The trials mean something.
  for (std::size_t length = 0; length <= 5; ++length) CHECK(chosen[length] > 30);
}

TEST_CASE("an empty chain gives an empty draft") {
  CHECK(draft({}, {1.0}) == 0);
  CHECK(draft({}, {0.0}) == 0);
}

TEST_CASE("free rows are all drafted, up to the last that has a chance") {
  CHECK(draft({0.5F, 0.01F, 0.3F}, Costs(4, 1.0)) == 3);
  CHECK(draft({0.5F, 0.01F, 0.0F, 0.9F}, Costs(5, 1.0)) == 2);
  CHECK(draft({0.0F, 0.9F}, Costs(3, 1.0)) == 0);
}

TEST_CASE("where passes cost nothing, nothing is gained by a draft") {
  CHECK(draft({1.0F, 1.0F, 0.5F}, Costs(4, 0.0)) == 0);
}

TEST_CASE("certain tokens are drafted as long as a row is cheaper than a pass") {
  CHECK(draft(Chances(20, 1.0F), linear(21, 0.99)) == 20);
  CHECK(draft(Chances(20, 1.0F), linear(21, 1.01)) == 0);
  // A row for the price of a pass: the same, so nothing is drafted.
  CHECK(draft(Chances(20, 1.0F), linear(21, 1.0)) == 0);
}

TEST_CASE("of lengths that are worth the same the smallest is taken, though they may round differently") {
  for (int tenths = 1; tenths < 30; ++tenths) {
    CAPTURE(tenths);
    double const row = 0.1 * tenths;
    CHECK(draft_length(Chances(20, 1.0F), [&](std::size_t rows) { return row * static_cast<double>(rows); }) == 0);
  }
}

TEST_CASE("a chain goes on in the next pass, so that it is cut before a token that alone would pay") {
  // The doubtful token pays for its row by itself. But if it is left to the model, what is behind it is still
  // there.
  Chances const chances{0.95F, 0.4F, 0.95F, 0.95F};
  CHECK(draft(chances, linear(5, 0.2)) == 1);
  CHECK(draft({0.95F, 0.4F}, linear(3, 0.2)) == 2);
}

TEST_CASE("a draft ends below a step of the cost, or goes over it") {
  Costs costs(13, 1.0);
  std::fill(costs.begin() + 4, costs.end(), 2.0);
  CHECK(draft(Chances(4, 0.9F), costs) == 3);
  CHECK(draft(Chances(12, 0.95F), costs) == 12);
  // Three rows cost what two do, and one much less.
  CHECK(draft({0.9F, 0.9F}, {1.0, 1.4, 1.4}) == 2);
}

TEST_CASE("the costs asked for are those of one row up to one more than the chain") {
  std::vector<std::size_t> asked;
  auto const cost = [&](std::size_t rows) {
    asked.push_back(rows);
    return 1.0;
  };
  CHECK(draft_length(Chances(3, 0.5F), cost) == 3);
  CHECK(asked == std::vector<std::size_t>{1, 2, 3, 4});
}

TEST_CASE("a chain is looked at up to the longest, and what is behind it does not matter") {
  Costs const costs = linear(300, 0.001);
  CHECK(draft(Chances(longest_chain, 1.0F), costs) == longest_chain);
  CHECK(draft(Chances(longest_chain + 1, 1.0F), costs) == longest_chain);
  CHECK(draft(Chances(200, 1.0F), costs) == longest_chain);
  std::mt19937 random(3);
  Chances chances(200);
  for (float& chance : chances) chance = 0.8F + 0.2F * static_cast<float>(random() % 1000) / 1000.0F;
  Chances const front(chances.begin(), chances.begin() + longest_chain);
  CHECK(draft(chances, linear(300, 0.02)) == draft(front, linear(300, 0.02)));
}

TEST_CASE("a cost may be a whole number, or infinite where there is no such pass") {
  CHECK(draft_length(Chances(3, 0.9F), [](std::size_t rows) { return rows < 3 ? 1 : 5; }) == 1);
  double const never = std::numeric_limits<double>::infinity();
  CHECK(draft(Chances(3, 0.9F), {1.0, 1.0, never, never}) == 1);
}

TEST_CASE("choosing a length does not allocate") {
  Chances const chances(200, 0.9F);
  std::size_t const before = allocations();
  std::size_t const length = draft_length(chances, [](std::size_t rows) { return static_cast<double>(rows); });
  CHECK(allocations() == before);
  CHECK(length == 0);
}

#ifndef NDEBUG
TEST_CASE("what is not a chance is a broken precondition") {
  auto const length_with = [](float chance) { return draft({0.5F, chance}, linear(3, 0.1)); };
  CHECK_FALSE(aborts([&] { length_with(0.0F); }));
  CHECK_FALSE(aborts([&] { length_with(1.0F); }));
  CHECK(aborts([&] { length_with(std::nextafter(1.0F, 2.0F)); }));
  CHECK(aborts([&] { length_with(-1e-6F); }));
  CHECK(aborts([&] { length_with(std::nanf("")); }));
}
#endif
