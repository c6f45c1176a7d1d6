// SPDX-License-Identifier: MIT
#include <copyspec/cost/draft_length.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <set>
#include <span>
#include <vector>

#include <copyspec/cost/detail/row_classes.hpp>

#include "support/allocation_counter.hpp"

using copyspec::draft_length;
using copyspec::max_draft_tokens;
using copyspec::max_predicted_tokens;
using copyspec::detail::longer_draft;
using copyspec::detail::RowClasses;

namespace {

using Chances = std::vector<float>;
using Costs = std::vector<double>;  // of a pass of one row, two, ...

// The most tokens that one draft may have: more are no class of row counts.
constexpr std::size_t most_drafted = RowClasses::most - 1;

double uniform(std::mt19937& random, double low, double high) {
  return low + (high - low) * static_cast<double>(random()) / 4294967295.0;
}

template <class Of>
Costs costs_of(Of const& of) {
  Costs costs;
  for (std::size_t rows = 1; rows <= max_draft_tokens + 1; ++rows) costs.push_back(of(static_cast<double>(rows)));
  return costs;
}

Costs line(double row) {
  return costs_of([&](double rows) { return 1 + row * (rows - 1); });
}

Costs steps(double width, double height) {
  return costs_of([&](double rows) { return 1 + height * std::floor((rows - 1) / width); });
}

Costs with_second_row(double second, double row) {
  return costs_of([&](double rows) { return rows == 1 ? 1 : second + row * (rows - 2); });
}

// One of three kinds: all the same, as likely as a copy that goes on, and each another.
Chances any_chain(std::mt19937& random, std::size_t length) {
  Chances chances(length);
  double const level = 1 - std::exp(uniform(random, std::log(1e-4), std::log(0.1)));
  double const rate = uniform(random, 0.1, 3);
  double const matched = uniform(random, 48, 1000);
  std::size_t const kind = random() % 3;
  for (std::size_t i = 0; i < length; ++i)
    chances[i] = static_cast<float>(kind == 0   ? level
                                    : kind == 1 ? 1 - rate / (matched + static_cast<double>(i))
                                                : uniform(random, level, 1));
  return chances;
}

// The same chain, of which so many tokens are unlikely.
Chances doubtful(std::mt19937& random, Chances chances, int tokens) {
  for (; tokens > 0; --tokens) chances[random() % std::min(chances.size(), max_predicted_tokens)] = 0.02F;
  return chances;
}

// What the passes over a chain cost, expected, if each is chosen by `draft`, which gets what is left of it. With
// `least`, if none is chosen better: dynamic programming over the whole chain.
struct Passes {
  Chances const& chances;
  Costs const& costs;
  std::vector<double> const& rejections;

  [[nodiscard]] double least() const {
    std::size_t const size = chances.size();
    std::vector<double> later(size + 2, 0.0);  // from each place on
    for (std::size_t at = size + 1; at-- > 0;) {
      double best = std::numeric_limits<double>::infinity();
      double reach = 1;
      double rejected = 0;
      for (std::size_t n = 0; n <= std::min(most_drafted, size - at); ++n) {
        double const next = at + n < size ? static_cast<double>(chances[at + n]) : 0.0;
        best = std::min(best, costs[n] + rejected + reach * next * later[at + n + 1]);
        if (n < most_drafted) rejected += reach * (1 - next) * rejections[n];
        reach *= next;
      }
      later[at] = best;
    }
    return later.front();
  }

  template <class Draft>
  [[nodiscard]] double with(Draft const& draft) const {
    double total = 0;
    double reach = 1;  // the chance that this pass is made
    for (std::size_t at = 0; at <= chances.size() && reach > 0;) {
      std::size_t const drafted = draft(std::span(chances).subspan(at));
      REQUIRE(drafted <= std::min(most_drafted, chances.size() - at));
      total += reach * costs[drafted];
      for (std::size_t n = 0; n < drafted; ++n, ++at) {
        auto const right = static_cast<double>(chances[at]);
        total += reach * (1 - right) * rejections[n];
        reach *= right;
      }
      // The model adds the next token itself.
      reach *= at < chances.size() ? static_cast<double>(chances[at]) : 0.0;
      ++at;
    }
    return total;
  }
};

// Every draft that may be chosen of more than is predicted one by one, each from its beginning: the one with the least
// cost per expected token.
std::size_t try_all(Chances const& chances, Costs const& costs, std::vector<double> const& rejections) {
  std::size_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t n = max_predicted_tokens - 1; n <= std::min(chances.size(), most_drafted); ++n) {
    if (!RowClasses::is_largest(n + 1) && n != chances.size()) continue;
    double reach = 1;
    double tokens = 1;
    double cost = costs[n];
    for (std::size_t i = 0; i < n; ++i) {
      double const right = static_cast<double>(chances[i]);
      cost += reach * (1 - right) * rejections[i];
      tokens += reach *= right;
    }
    if (cost / tokens < least - 1e-12) best = n;
    least = std::min(least, cost / tokens);
  }
  return best;
}

struct Excess {
  double relative = 0;     // the worst, as a share of the least cost
  double passes = 0;       // the worst, in passes of one row
  std::size_t longer = 0;  // drafts of more than is predicted one by one
};

// What `draft` costs more than the best passes over `trials` chains of `shortest` tokens or up to `more` more.
template <class Draft>
Excess excess(unsigned seed, Costs const& costs, std::vector<double> const& rejections, int trials,
              std::size_t shortest, std::size_t more, Draft const& draft) {
  std::mt19937 random(seed);
  Excess worst;
  for (int trial = 0; trial < trials; ++trial) {
    Chances const chances = any_chain(random, shortest + random() % (more + 1));
    Passes const passes{chances, costs, rejections};
    double const cost = passes.with([&](std::span<float const> left) {
      std::size_t const length = draft(left);
      worst.longer += length > max_predicted_tokens ? 1U : 0U;
      return length;
    });
    double const least = passes.least();
    REQUIRE(cost >= least * (1 - 1e-9));
    worst.relative = std::max(worst.relative, cost / least - 1);
    worst.passes = std::max(worst.passes, cost - least);
  }
  return worst;
}

std::vector<Costs> all_costs() {
  return {line(0.0002),
          line(0.001),
          line(0.005),
          line(0.02),
          line(0.06),
          steps(64, 0.3),
          steps(128, 0.5),
          steps(100, 1),
          with_second_row(1.8, 0.001),
          with_second_row(3, 0.005)};
}

std::vector<double> const no_rejections(max_draft_tokens, 0.0);

// Of a model with checkpoints, which feeds the accepted tokens again.
std::vector<double> fed_again(Costs const& costs) {
  std::vector<double> rejections;
  for (std::size_t n = 0; n < max_draft_tokens; ++n) rejections.push_back(0.1 + costs[n + 1] - 1);
  return rejections;
}

}  // namespace

TEST_CASE("over a long text, drafting as much as pays costs up to 4 % more than the best passes") {
  for (Costs const& costs : all_costs()) {
    CAPTURE(costs[1]);
    CAPTURE(costs[100]);
    auto const cost = [&](std::size_t rows) { return costs[rows - 1]; };
    Excess const plain =
        excess(21, costs, no_rejections, 4, 3000, 0, [&](auto left) { return draft_length(left, cost); });
    CHECK(plain.relative < 0.04);
    CHECK(plain.longer > 15);
    auto const rejections = fed_again(costs);
    auto const rejection = [&](std::size_t right) { return rejections[right]; };
    Excess const careful =
        excess(22, costs, rejections, 2, 3000, 0, [&](auto left) { return draft_length(left, cost, rejection); });
    CHECK(careful.relative < 0.04);
    CHECK(careful.longer > 5);
  }
}

TEST_CASE("where a chain ends, drafting as much as pays costs up to one pass of one row more than the best passes") {
  for (Costs const& costs : all_costs()) {
    CAPTURE(costs[1]);
    CAPTURE(costs[100]);
    auto const cost = [&](std::size_t rows) { return costs[rows - 1]; };
    Excess const plain = excess(23, costs, no_rejections, 60, max_predicted_tokens + 1, 400,
                                [&](auto left) { return draft_length(left, cost); });
    CHECK(plain.passes < 1);
    auto const rejections = fed_again(costs);
    auto const rejection = [&](std::size_t right) { return rejections[right]; };
    Excess const careful = excess(24, costs, rejections, 20, max_predicted_tokens + 1, 400,
                                  [&](auto left) { return draft_length(left, cost, rejection); });
    CHECK(careful.passes < 1);
  }
}

TEST_CASE("the draft of a long chain is the one with the least cost per expected token") {
  std::mt19937 random(25);
  std::set<std::size_t> chosen;
  std::size_t less = 0;
  for (int trial = 0; trial < 600; ++trial) {
    CAPTURE(trial);
    std::size_t const size = max_predicted_tokens + 1 + random() % 600;
    Chances const chances = doubtful(random, any_chain(random, size), trial % 5 == 0 ? 1 : 0);
    auto const all = all_costs();
    Costs const& costs = all[random() % all.size()];
    auto rejections = trial % 2 == 0 ? no_rejections : fed_again(costs);
    auto const cost = [&](std::size_t rows) { return costs[rows - 1]; };
    auto const rejection = [&](std::size_t right) { return rejections[right]; };
    auto const looked_at = std::span(chances).first(std::min(chances.size(), max_draft_tokens));
    std::size_t const length = longer_draft(looked_at, cost, rejection);
    CHECK(length == try_all(chances, costs, rejections));
    chosen.insert(length);
    // That is what is drafted if all that is predicted one by one pays, and otherwise it is as if there were no more.
    std::span<float const> const front = std::span(chances).first(max_predicted_tokens);
    std::size_t const first = trial % 2 == 0 ? draft_length(front, cost) : draft_length(front, cost, rejection);
    std::size_t const drafted = trial % 2 == 0 ? draft_length(chances, cost) : draft_length(chances, cost, rejection);
    CHECK(drafted == (first == max_predicted_tokens ? length : first));
    less += first < max_predicted_tokens ? 1U : 0U;
  }
  CHECK(less > 20);
  CHECK(less < 300);
  CHECK(chosen.size() > 30);
  CHECK(chosen.contains(max_predicted_tokens - 1));
  CHECK(chosen.contains(most_drafted));
}

TEST_CASE("a draft is no longer than its chain, nor has its pass more rows than there are classes of") {
  auto const free = [](std::size_t) { return 1; };
  auto const never = [](std::size_t) { return 0.0; };
  for (std::size_t length = 0; length <= 600; ++length) {
    CAPTURE(length);
    Chances const chances(length, 1.0F);
    CHECK(draft_length(chances, free) == std::min(length, most_drafted));
    CHECK(draft_length(chances, free, never) == std::min(length, most_drafted));
  }
  // Rows cost something, but what is left of a chain is drafted, too.
  CHECK(draft_length(Chances(300, 1.0F), [](std::size_t rows) { return 1 + 0.001 * static_cast<double>(rows); }) ==
        300);
}

TEST_CASE("up to 64 tokens no draft costs less") {
  std::mt19937 random(26);
  std::size_t all = 0;
  std::size_t some = 0;
  for (int trial = 0; trial < 400; ++trial) {
    CAPTURE(trial);
    Chances const chances = doubtful(random, any_chain(random, 1 + random() % max_predicted_tokens), trial % 3);
    auto const curves = all_costs();
    Costs const& costs = curves[random() % curves.size()];
    auto const cost = [&](std::size_t rows) { return costs[rows - 1]; };
    auto const rejections = fed_again(costs);
    auto const rejection = [&](std::size_t right) { return rejections[right]; };
    Passes const plain{chances, costs, no_rejections};
    CHECK(plain.with([&](auto left) { return draft_length(left, cost); }) == doctest::Approx(plain.least()));
    Passes const careful{chances, costs, rejections};
    CHECK(careful.with([&](auto left) { return draft_length(left, cost, rejection); }) ==
          doctest::Approx(careful.least()));
    (draft_length(chances, cost) == chances.size() ? all : some) += 1;
  }
  CHECK(all > 50);
  CHECK(some > 30);
}

TEST_CASE("a draft of a long chain ends below a step of the cost") {
  Chances const sure(max_draft_tokens, 0.9999F);
  auto const ends_at = [&](std::size_t step) {
    return draft_length(sure, [&](std::size_t rows) { return rows <= step ? 1.0 : 20.0; });
  };
  for (std::size_t const step : {64U, 80U, 128U, 160U, 256U, 320U, 448U, 512U}) CHECK(ends_at(step) == step - 1);
  // Between two classes, at the largest row count of the lower one.
  CHECK(ends_at(192) == 191);
  CHECK(ends_at(200) == 191);
  CHECK(ends_at(511) == 447);
  // There are no such passes.
  double const never = std::numeric_limits<double>::infinity();
  CHECK(draft_length(sure, [&](std::size_t rows) { return rows <= 100 ? 1.0 : never; }) == 95);
  CHECK(draft_length(sure, [&](std::size_t rows) { return rows <= 65 ? 1.0 : never; }) == 63);
}

TEST_CASE("where a rejection is expensive, a draft of a long chain ends before what is doubtful") {
  Chances chances(400, 1.0F);
  chances[150] = 0.5F;
  auto const cost = [](std::size_t rows) { return 1 + 0.002 * static_cast<double>(rows - 1); };
  CHECK(draft_length(chances, cost, [](std::size_t) { return 0.0; }) == 400);
  // The largest row count of its class up to there.
  CHECK(draft_length(chances, cost, [](std::size_t) { return 40.0; }) == 127);
  // Expensive only if that many were accepted.
  CHECK(draft_length(chances, cost, [](std::size_t right) { return right == 150 ? 40.0 : 0.0; }) == 127);
  CHECK(draft_length(chances, cost, [](std::size_t right) { return right == 150 ? 0.0 : 40.0; }) == 400);
}

TEST_CASE("choosing a length of a long chain allocates nothing, and asks for no pass that cannot be chosen") {
  Chances const chances(700, 0.999F);
  std::size_t most = 0;
  std::size_t asked = 0;
  auto const cost = [&](std::size_t rows) {
    most = std::max(most, rows);
    ++asked;
    return 1 + 0.0001 * static_cast<double>(rows);
  };
  std::size_t const before = allocations();
  std::size_t const length = draft_length(chances, cost);
  CHECK(draft_length(chances, cost, [](std::size_t) { return 0.0; }) == length);
  CHECK(allocations() == before);
  CHECK(length > max_predicted_tokens);
  CHECK(most == RowClasses::most);
  // Of one row up to 65, and of each class from 64 rows on.
  CHECK(asked == 2 * (max_predicted_tokens + 1 + RowClasses::count - max_predicted_tokens + 1));
}
