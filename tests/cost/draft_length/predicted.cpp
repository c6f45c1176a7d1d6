// SPDX-License-Identifier: MIT
#include <copyspec/cost/draft_length.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"

#ifndef NDEBUG
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#endif

using copyspec::draft_length;
using copyspec::max_draft_tokens;
using copyspec::max_predicted_tokens;

namespace {

using Chances = std::vector<float>;
using Costs = std::vector<double>;  // of a pass of one row, two, ...

// Nodes in falling order of their reach, parents first.
struct Tree {
  std::vector<std::int32_t> parents;
  std::vector<float> reaches;
};

std::size_t draft(Chances const& probabilities, Costs const& costs) {
  return draft_length(probabilities, [&](std::size_t rows) { return costs[rows - 1]; });
}

std::size_t draft(Chances const& probabilities, Costs const& costs, Costs const& rejections) {
  return draft_length(
      probabilities, [&](std::size_t rows) { return costs[rows - 1]; },
      [&](std::size_t right) { return rejections[right]; });
}

std::size_t draft_nodes(Tree const& tree, Costs const& costs) {
  return draft_length(tree.parents, tree.reaches, [&](std::size_t rows) { return costs[rows - 1]; });
}

Tree chain_of(Chances const& probabilities) {
  Tree tree;
  float reach = 1.0F;
  for (float const chance : probabilities) {
    tree.parents.push_back(static_cast<std::int32_t>(tree.parents.size()) - 1);
    tree.reaches.push_back(reach *= chance);
  }
  return tree;
}

Costs linear(std::size_t count, double slope) {
  Costs costs(count);
  for (std::size_t i = 0; i < count; ++i) costs[i] = 1.0 + slope * static_cast<double>(i);
  return costs;
}

// Worth of following `policy`, the draft length at each place of the chain, from place `at` on, where a unit of cost is
// worth `rate` tokens: what may happen in the pass, case by case. A draft of which n tokens are right and the next is
// not costs `rejections[n]` besides.
double worth(Chances const& probabilities, double rate, Costs const& costs, Costs const& rejections,
             std::vector<std::size_t> const& policy, std::size_t at) {
  std::size_t const drafted = policy[at];
  double total = -rate * costs[drafted];
  double chance = 1.0;  // that the first `accepted` are right
  for (std::size_t accepted = 0; accepted < drafted; ++accepted) {
    double const right = static_cast<double>(probabilities[at + accepted]);
    total += chance * (1.0 - right) * (static_cast<double>(accepted + 1) - rate * rejections[accepted]);
    chance *= right;
  }
  total += chance * static_cast<double>(drafted + 1);
  if (at + drafted < probabilities.size()) {
    double const goes_on = chance * static_cast<double>(probabilities[at + drafted]);
    if (goes_on > 0) total += goes_on * worth(probabilities, rate, costs, rejections, policy, at + drafted + 1);
  }
  return total;
}

struct Best {
  double worth = -std::numeric_limits<double>::infinity();
  std::vector<double> by_first;  // the most that is reached with this draft at the beginning
};

// Every policy there is.
Best try_all(Chances const& probabilities, double rate, Costs const& costs, Costs const& rejections) {
  std::size_t const places = probabilities.size() + 1;
  Best best;
  best.by_first.assign(places, -std::numeric_limits<double>::infinity());
  std::vector<std::size_t> policy(places, 0);
  for (bool more = true; more;) {
    double const value = worth(probabilities, rate, costs, rejections, policy, 0);
    best.worth = std::max(best.worth, value);
    best.by_first[policy[0]] = std::max(best.by_first[policy[0]], value);
    more = false;
    for (std::size_t at = 0; at < places && !more; ++at) {
      if (at + ++policy[at] <= probabilities.size())
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

double uniform(std::mt19937& random, double low, double high) {
  return low + (high - low) * static_cast<double>(random()) / 4294967295.0;
}

// One of five kinds: a line, steps, free rows, a cliff, and anything.
Costs any_costs(std::mt19937& random, std::size_t kind, std::size_t count) {
  Costs costs(count, 1.0);
  double const slope = uniform(random, 0.0, 0.6);
  std::size_t const step = 1 + random() % 4;
  for (std::size_t i = 1; i < costs.size(); ++i) {
    switch (kind % 5) {
      case 0:
        costs[i] = 1.0 + slope * static_cast<double>(i);
        break;
      case 1:
        costs[i] = 1.0 + slope * static_cast<double>(i / step);
        break;
      case 2:
        costs[i] = i < step ? 1.0 : 1.0 + slope;
        break;
      case 3:
        costs[i] = i < step ? 1.0 + 0.1 * slope : 4.0;
        break;
      default:
        costs[i] = uniform(random, 0.5, 3.0);  // falls as well
    }
  }
  return costs;
}

// A tree whose siblings together have at most the reach of their parent.
Tree any_tree(std::mt19937& random, std::size_t size) {
  Tree tree;
  std::vector<float> left{1.0F};  // of the context and each node, reach that no child has yet
  for (std::size_t node = 0; node < size; ++node) {
    std::size_t const parent = random() % 3 == 0 ? node : random() % (node + 1);
    double const share = random() % 8 == 0 ? 1.0 : uniform(random, 0.2, 1.0);
    float const reach = static_cast<float>(share * static_cast<double>(left[parent]));
    left[parent] -= reach;
    left.push_back(reach);
    tree.parents.push_back(static_cast<std::int32_t>(parent) - 1);
    tree.reaches.push_back(reach);
  }
  std::vector<std::int32_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  auto const reach_of = [&](std::int32_t node) { return tree.reaches[static_cast<std::size_t>(node)]; };
  std::ranges::stable_sort(order, std::greater(), reach_of);
  std::vector<std::int32_t> place(size);
  for (std::size_t i = 0; i < size; ++i) place[static_cast<std::size_t>(order[i])] = static_cast<std::int32_t>(i);
  Tree sorted;
  for (std::int32_t const node : order) {
    std::int32_t const parent = tree.parents[static_cast<std::size_t>(node)];
    sorted.parents.push_back(parent < 0 ? -1 : place[static_cast<std::size_t>(parent)]);
    sorted.reaches.push_back(reach_of(node));
  }
  return sorted;
}

bool stands_behind(Tree const& tree, std::int32_t node, std::int32_t before) {
  while (node > before) node = tree.parents[static_cast<std::size_t>(node)];
  return node == before;
}

// What the passes behind `node`, -1 for the context, cost at least, with each number of nodes drafted now.
Costs expected_costs(Tree const& tree, Costs const& costs, std::int32_t node) {
  auto const reach_of = [&](std::int32_t of) {
    return of < 0 ? 1.0 : static_cast<double>(tree.reaches[static_cast<std::size_t>(of)]);
  };
  auto const size = static_cast<std::int32_t>(tree.parents.size());
  std::vector<std::int32_t> behind;
  for (std::int32_t other = node + 1; other < size; ++other)
    if (stands_behind(tree, other, node)) behind.push_back(other);
  Costs expected;
  for (std::size_t drafted = 0; drafted <= behind.size(); ++drafted) {
    auto const draft = std::span(behind).first(drafted);
    expected.push_back(costs[drafted]);
    for (std::int32_t const next : std::span(behind).subspan(drafted)) {
      std::int32_t const parent = tree.parents[static_cast<std::size_t>(next)];
      if (reach_of(next) == 0 || (parent != node && std::ranges::find(draft, parent) == draft.end())) continue;
      expected.back() += reach_of(next) / reach_of(node) * std::ranges::min(expected_costs(tree, costs, next));
    }
  }
  return expected;
}

// What the passes cost behind `node` if the model says the tokens of the path to `end`, and then something else, where
// `policy` is how much is drafted behind each node, the context first.
double cost_of_saying(Tree const& tree, Costs const& costs, std::vector<std::size_t> const& policy, std::int32_t end) {
  double total = 0.0;
  for (std::int32_t node = -1;;) {
    std::size_t const limit = policy[static_cast<std::size_t>(node + 1)];
    std::size_t drafted = 0;
    std::int32_t next = -1;  // that the model adds itself
    for (std::int32_t other = node + 1; other < static_cast<std::int32_t>(tree.parents.size()); ++other) {
      if (!stands_behind(tree, other, node)) continue;
      if (drafted < limit)
        ++drafted;
      else if (next < 0 && stands_behind(tree, end, other))
        next = other;
    }
    total += costs[drafted];
    if (next < 0) return total;
    node = next;
  }
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
  std::array<std::size_t, 7> chosen{};
  std::array<std::size_t, 7> chosen_with_regret{};
  for (int trial = 0; trial < 3000; ++trial) {
    CAPTURE(trial);
    Chances probabilities(random() % 7);
    for (float& chance : probabilities) {
      switch (random() % 8) {
        case 0:
          chance = 0.0F;
          break;
        case 1:
          chance = 1.0F;
          break;
        default:
          chance = static_cast<float>(uniform(random, 0.2, 1.0));
      }
    }
    Costs const costs = any_costs(random, static_cast<std::size_t>(trial), probabilities.size() + 1);
    double const rate = uniform(random, 0.1, 4.0);  // whichever it is
    std::size_t const length = draft(probabilities, costs);
    REQUIRE(length <= probabilities.size());
    Costs rejections(probabilities.size(), 0.0);
    Best const best = try_all(probabilities, rate, costs, rejections);
    CHECK(best.by_first[length] == doctest::Approx(best.worth).epsilon(1e-9));
    CHECK(length == smallest_best(best));
    CHECK(draft(probabilities, costs, rejections) == length);
    ++chosen[length];

    // With a cost of rejection, as if it were one more kind of pass.
    for (double& rejection : rejections) rejection = uniform(random, 0.0, trial % 2 == 0 ? 0.2 : 1.0);
    std::size_t const careful = draft(probabilities, costs, rejections);
    REQUIRE(careful <= probabilities.size());
    Best const best_careful = try_all(probabilities, rate, costs, rejections);
    CHECK(best_careful.by_first[careful] == doctest::Approx(best_careful.worth).epsilon(1e-9));
    CHECK(careful == smallest_best(best_careful));
    ++chosen_with_regret[careful];
  }
  // The trials mean something.
  for (std::size_t length = 0; length <= 5; ++length) CHECK(chosen[length] > 30);
  for (std::size_t length = 0; length <= 5; ++length) CHECK(chosen_with_regret[length] > 30);
}

TEST_CASE("the tokens expected of a draft are those that are right and one more") {
  CHECK(copyspec::detail::expected_tokens({}) == 1);
  CHECK(copyspec::detail::expected_tokens(Chances{1, 1, 1}) == 4);
  CHECK(copyspec::detail::expected_tokens(Chances{0.5F, 0.5F}) == 1.75);
  CHECK(copyspec::detail::expected_tokens(Chances{0, 1}) == 1);
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
  Chances const probabilities{0.95F, 0.4F, 0.95F, 0.95F};
  CHECK(draft(probabilities, linear(5, 0.2)) == 1);
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

TEST_CASE("where a rejection is dear only what is sure is drafted") {
  Chances const probabilities{0.95F, 0.9F, 0.6F, 0.95F};
  CHECK(draft(probabilities, linear(5, 0.01)) == 4);
  CHECK(draft(probabilities, linear(5, 0.01), Costs(4, 0.0)) == 4);
  CHECK(draft(probabilities, linear(5, 0.01), Costs(4, 4.0)) == 2);
  CHECK(draft(probabilities, linear(5, 0.01), Costs(4, 20.0)) == 0);
  CHECK(draft(Chances(4, 1.0F), linear(5, 0.01), Costs(4, 20.0)) == 4);
  // Dear only if much was right.
  CHECK(draft({0.7F, 0.5F}, linear(3, 0.01), {0.0, 20.0}) == 1);
  CHECK(draft({}, {1.0}, {}) == 0);
}

TEST_CASE("with a cost of rejection a chain is looked at up to the longest, and nothing is allocated") {
  Chances const probabilities(600, 1.0F);
  Costs const costs = linear(700, 0.001);
  std::vector<std::size_t> asked;
  asked.reserve(max_predicted_tokens + max_draft_tokens);
  std::size_t const before = allocations();
  auto const rejection = [&](std::size_t right) {
    asked.push_back(right);
    return 1.0;
  };
  auto const cost = [&](std::size_t rows) { return costs[rows - 1]; };
  std::size_t const length = draft_length(probabilities, cost, rejection);
  CHECK(allocations() == before);
  CHECK(length == max_draft_tokens - 1);
  // First of the tokens that are predicted one by one, and then of all.
  CHECK(asked.size() == max_predicted_tokens + max_draft_tokens);
  CHECK(asked.back() == max_draft_tokens - 1);
  asked.clear();
  CHECK(draft_length(Chances(max_predicted_tokens, 1.0F), cost, rejection) == max_predicted_tokens);
  CHECK(asked.size() == max_predicted_tokens);
  CHECK(asked.back() == max_predicted_tokens - 1);
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
  Costs const costs = linear(1000, 0.001);
  CHECK(draft(Chances(max_draft_tokens - 1, 1.0F), costs) == max_draft_tokens - 1);
  CHECK(draft(Chances(max_draft_tokens, 1.0F), costs) == max_draft_tokens - 1);
  CHECK(draft(Chances(900, 1.0F), costs) == max_draft_tokens - 1);
  std::mt19937 random(3);
  for (float const least : {0.8F, 0.98F, 0.999F}) {
    Chances probabilities(900);
    for (float& chance : probabilities) chance = least + (1 - least) * static_cast<float>(random() % 1000) / 1000.0F;
    Chances const front(probabilities.begin(), probabilities.begin() + max_draft_tokens);
    for (double const row : {0.02, 0.001})
      CHECK(draft(probabilities, linear(1000, row)) == draft(front, linear(1000, row)));
  }
}

TEST_CASE("a cost may be a whole number, or infinite where there is no such pass") {
  CHECK(draft_length(Chances(3, 0.9F), [](std::size_t rows) { return rows < 3 ? 1 : 5; }) == 1);
  double const never = std::numeric_limits<double>::infinity();
  CHECK(draft(Chances(3, 0.9F), {1.0, 1.0, never, never}) == 1);
}

TEST_CASE("choosing a length does not allocate") {
  Chances const probabilities(600, 0.9F);
  std::size_t const before = allocations();
  std::size_t const length = draft_length(probabilities, [](std::size_t rows) { return static_cast<double>(rows); });
  CHECK(allocations() == before);
  CHECK(length == 0);
}

TEST_CASE("of a small tree no draft costs less, whatever a pass costs, and of equals the smallest is taken") {
  std::mt19937 random(11);
  std::array<std::size_t, 7> chosen{};
  for (int trial = 0; trial < 5000; ++trial) {
    CAPTURE(trial);
    Tree const tree = any_tree(random, random() % 7);
    Costs const costs = any_costs(random, static_cast<std::size_t>(trial), tree.parents.size() + 1);
    std::size_t const length = draft_nodes(tree, costs);
    Costs const expected = expected_costs(tree, costs, -1);
    REQUIRE(length < expected.size());
    double const least = std::ranges::min(expected);
    CHECK(expected[length] == doctest::Approx(least).epsilon(1e-9));
    auto const is_least = [&](double cost) { return cost < least + 1e-10; };
    CHECK(static_cast<std::ptrdiff_t>(length) == std::ranges::find_if(expected, is_least) - expected.begin());
    ++chosen[length];
  }
  for (std::size_t length = 0; length <= 6; ++length) CHECK(chosen[length] > 30);
}

TEST_CASE("what a draft of a tree costs is what the passes cost over all that the model may say") {
  std::mt19937 random(12);
  for (int trial = 0; trial < 300; ++trial) {
    CAPTURE(trial);
    Tree const tree = any_tree(random, random() % 5);
    std::size_t const places = tree.parents.size() + 1;
    Costs const costs = any_costs(random, static_cast<std::size_t>(trial), places);
    // Of each node, the context first, the chance that the model says the path to it and then something else.
    std::vector<double> ends{1.0};
    for (float const reach : tree.reaches) ends.push_back(static_cast<double>(reach));
    for (std::size_t node = 0; node + 1 < places; ++node)
      ends[static_cast<std::size_t>(tree.parents[node] + 1)] -= static_cast<double>(tree.reaches[node]);
    // Every policy there is: each draft length at each node, too long ones being all there is.
    double least = std::numeric_limits<double>::infinity();
    std::vector<double> by_first(places, least);
    std::vector<std::size_t> policy(places, 0);
    for (bool more = true; more;) {
      double cost = 0.0;
      for (std::size_t end = 0; end < places; ++end)
        cost += ends[end] * cost_of_saying(tree, costs, policy, static_cast<std::int32_t>(end) - 1);
      least = std::min(least, cost);
      by_first[policy[0]] = std::min(by_first[policy[0]], cost);
      more = false;
      for (std::size_t at = 0; at < places && !more; ++at) {
        more = ++policy[at] < places - at;
        if (!more) policy[at] = 0;
      }
    }
    CHECK(by_first[draft_nodes(tree, costs)] == doctest::Approx(least).epsilon(1e-6));
  }
}

TEST_CASE("a tree that is a chain is drafted as the chain is") {
  std::mt19937 random(13);
  std::size_t drafted = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    CAPTURE(trial);
    // Not so unlikely at the end that rounding decides.
    bool const likely = trial % 2 == 0;
    Chances probabilities(random() % (likely ? max_predicted_tokens + 1 : 17));
    for (float& chance : probabilities) chance = static_cast<float>(uniform(random, likely ? 0.9 : 0.3, 1.0));
    Costs const costs = any_costs(random, static_cast<std::size_t>(trial), probabilities.size() + 1);
    std::size_t const length = draft(probabilities, costs);
    REQUIRE(draft_nodes(chain_of(probabilities), costs) == length);
    drafted += length;
  }
  CHECK(drafted > 10000);
}

TEST_CASE("of an empty tree nothing is drafted") {
  CHECK(draft_nodes(Tree{}, {1.0}) == 0);
  CHECK(draft_nodes(Tree{}, {0.0}) == 0);
}

TEST_CASE("where rows are free all nodes of a tree are drafted, where they cost a pass none is") {
  std::mt19937 random(14);
  for (int trial = 0; trial < 300; ++trial) {
    CAPTURE(trial);
    Tree tree = any_tree(random, 1 + random() % max_predicted_tokens);
    std::size_t const possible = static_cast<std::size_t>(
        std::ranges::find_if(tree.reaches, [](float reach) { return reach < 1e-6F; }) - tree.reaches.begin());
    tree.parents.resize(possible);
    tree.reaches.resize(possible);
    CHECK(draft_nodes(tree, Costs(max_predicted_tokens + 1, 1.0)) == possible);
    CHECK(draft_nodes(tree, linear(max_predicted_tokens + 1, 1.0)) == 0);
    CHECK(draft_nodes(tree, linear(max_predicted_tokens + 1, 3.0)) == 0);
    CHECK(draft_nodes(tree, Costs(max_predicted_tokens + 1, 0.0)) == 0);
  }
}

TEST_CASE("of equal drafts of a tree the smallest is taken, though they may round differently") {
  for (int tenths = 1; tenths < 30; ++tenths) {
    CAPTURE(tenths);
    Costs costs(21);
    for (std::size_t i = 0; i < costs.size(); ++i) costs[i] = 0.1 * tenths * static_cast<double>(i + 1);
    CHECK(draft_nodes(chain_of(Chances(20, 1.0F)), costs) == 0);
  }
}

TEST_CASE("a second guess is drafted if it comes more often than a row costs") {
  Tree const tree{.parents = {-1, -1}, .reaches = {0.55F, 0.3F}};
  CHECK(draft_nodes(tree, linear(3, 0.29)) == 2);
  CHECK(draft_nodes(tree, linear(3, 0.31)) == 1);
  CHECK(draft_nodes(tree, linear(3, 0.56)) == 0);
}

TEST_CASE("a tree's costs may be infinite where there is no such pass, also of nodes that are never reached") {
  double const never = std::numeric_limits<double>::infinity();
  CHECK(draft_nodes(Tree{.parents = {-1, -1, 0}, .reaches = {0.6F, 0.4F, 0.3F}}, {1.0, 1.0, never, never}) == 1);
  CHECK(draft_nodes(Tree{.parents = {-1, 0, 1}, .reaches = {0.5F, 0.0F, 0.0F}}, {1.0, never, never, never}) == 0);
  CHECK(draft_nodes(Tree{.parents = {-1, 0, 1}, .reaches = {0.5F, 0.0F, 0.0F}}, {1.0, 1.0, never, never}) == 1);
}

TEST_CASE("of a tree, too, the costs asked for are those of one row up to one more than the nodes, once each") {
  std::vector<std::size_t> asked;
  Tree const tree{.parents = {-1, -1, 0}, .reaches = {0.6F, 0.4F, 0.3F}};
  auto const cost = [&](std::size_t rows) {
    asked.push_back(rows);
    return 1;
  };
  CHECK(draft_length(tree.parents, tree.reaches, cost) == 3);
  CHECK(asked == std::vector<std::size_t>{1, 2, 3, 4});
}

TEST_CASE("choosing how much of the greatest tree to draft does not allocate") {
  std::mt19937 random(15);
  Tree const tree = any_tree(random, max_predicted_tokens);
  std::size_t const before = allocations();
  std::size_t const length = draft_length(tree.parents, tree.reaches, [](std::size_t) { return 1.0; });
  CHECK(allocations() == before);
  CHECK(length > 10);
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

TEST_CASE("a tree has a parent and a reach each, and no more nodes than are looked at") {
  auto const length_with = [](std::size_t parents, std::size_t reaches) {
    Tree const tree{.parents = std::vector<std::int32_t>(parents, -1), .reaches = Chances(reaches, 0.001F)};
    (void)draft_nodes(tree, linear(100, 0.1));
  };
  CHECK_FALSE(aborts([&] { length_with(max_predicted_tokens, max_predicted_tokens); }));
  CHECK(aborts([&] { length_with(max_predicted_tokens + 1, max_predicted_tokens + 1); }));
  CHECK(aborts([&] { length_with(2, 1); }));
}
#endif
