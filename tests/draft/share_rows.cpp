// SPDX-License-Identifier: MIT
#include <copyspec/draft/share_rows.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include <copyspec/draft/offering_proposer.hpp>

#include "support/allocation_counter.hpp"
#include "support/random.hpp"

using copyspec::DraftOffer;
using copyspec::PassWithoutDrafts;
using copyspec::share_rows;
using copyspec_test::Random;

namespace {

using Chains = std::vector<std::vector<float>>;
using Lengths = std::vector<std::size_t>;

std::vector<DraftOffer> offers_of(Chains const& chains) {
  std::vector<DraftOffer> offers;
  for (auto const& chain : chains) offers.push_back({.probabilities = chain, .place = offers.size()});
  return offers;
}

Lengths lengths_of(std::vector<DraftOffer> const& offers) {
  Lengths lengths(offers.size());
  for (DraftOffer const& offer : offers) lengths[offer.place] = offer.length;
  return lengths;
}

template <class Cost>
Lengths shared(Chains const& chains, PassWithoutDrafts const& pass, Cost const& cost) {
  std::vector<DraftOffer> offers = offers_of(chains);
  share_rows(std::span(offers), pass, cost);
  return lengths_of(offers);
}

// Tokens that drafts of these lengths are expected to generate, and their rows.
double gain_of(std::vector<DraftOffer> const& offers, Lengths const& lengths) {
  double gained = 0;
  for (DraftOffer const& offer : offers) {
    double reach = offer.weight;
    for (std::size_t i = 0; i < lengths[offer.place]; ++i)
      gained += reach *= static_cast<double>(offer.probabilities[i]);
  }
  return gained;
}

std::size_t sum(Lengths const& lengths) {
  std::size_t rows = 0;
  for (std::size_t const length : lengths) rows += length;
  return rows;
}

// `visit(lengths)` for all choices of lengths.
void for_all(std::vector<DraftOffer> const& offers, std::function<void(Lengths const&)> const& visit) {
  Lengths lengths(offers.size(), 0);
  for (;;) {
    visit(lengths);
    std::size_t i = 0;
    while (i < offers.size() && lengths[i] == offers[i].probabilities.size()) lengths[i++] = 0;
    if (i == offers.size()) return;
    ++lengths[i];
  }
}

}  // namespace

TEST_CASE("no other choice of lengths makes a token cheaper") {
  Random random(5);
  for (int trial = 0; trial < 2000; ++trial) {
    CAPTURE(trial);
    Chains chains(1 + random.below(4));
    for (auto& chain : chains) {
      chain.resize(random.below(5));
      for (float& probability : chain) probability = static_cast<float>(random.below(101)) / 100;
    }
    PassWithoutDrafts const pass{
        .rows = chains.size() + random.below(3), .tokens = chains.size(), .room = random.below(20)};
    std::vector<double> costs{1};
    while (costs.size() < 40)
      costs.push_back(costs.back() + (random.below(3) > 0 ? 0.0 : 0.01 * static_cast<double>(random.below(100))));
    auto const cost = [&](std::size_t rows) { return costs[rows - 1]; };
    std::vector<DraftOffer> offers = offers_of(chains);
    for (DraftOffer& offer : offers) offer.weight = random.below(2) > 0 ? 1 : 0.5;
    std::vector<DraftOffer> const before = offers;
    share_rows(std::span(offers), pass, cost);
    Lengths const chosen = lengths_of(offers);
    REQUIRE(sum(chosen) <= pass.room);
    auto const rate = [&](Lengths const& lengths) {
      return cost(pass.rows + sum(lengths)) / (static_cast<double>(pass.tokens) + gain_of(before, lengths));
    };
    double const least = rate(chosen);
    for_all(before, [&](Lengths const& lengths) {
      if (sum(lengths) > pass.room) return;
      CHECK(rate(lengths) >= least - 1e-9);
      // Of equal ones, the fewest rows.
      if (sum(lengths) < sum(chosen)) CHECK(rate(lengths) > least * (1 + 1e-13));
    });
  }
}

TEST_CASE("free rows are all given, to the most probable tokens, and no row beyond them") {
  Chains const chains{{0.9F, 0.9F, 0.9F, 0.9F}, {0.99F, 0.99F, 0.99F, 0.99F}, {0.5F, 0.5F, 0.5F}, {}};
  auto const eight_free = [](std::size_t rows) { return rows <= 8 ? 1.0 : 9.0; };
  CHECK(shared(chains, {.rows = 4, .tokens = 4, .room = 100}, eight_free) == Lengths{0, 4, 0, 0});
  CHECK(shared(chains, {.rows = 3, .tokens = 3, .room = 100}, eight_free) == Lengths{1, 4, 0, 0});
  CHECK(shared(chains, {.rows = 4, .tokens = 4, .room = 3}, eight_free) == Lengths{0, 3, 0, 0});
  CHECK(shared(chains, {.rows = 8, .tokens = 8, .room = 100}, eight_free) == Lengths{0, 0, 0, 0});
}

TEST_CASE("drafts share a jump of the cost that none could pay alone") {
  Chains const chains(8, std::vector<float>(3, 0.9F));
  auto const cost = [](std::size_t rows) { return rows <= 8 ? 1.0 : 1.9; };
  CHECK(shared({chains[0]}, {.rows = 8, .tokens = 8, .room = 100}, cost) == Lengths{0});
  CHECK(shared(chains, {.rows = 8, .tokens = 8, .room = 100}, cost) == Lengths(8, 3));
}

TEST_CASE("a row that makes tokens neither cheaper nor dearer is not given") {
  auto const even = [](std::size_t rows) { return static_cast<double>(rows); };
  CHECK(shared({{1.0F, 1.0F}}, {.rows = 1, .tokens = 1, .room = 5}, even) == Lengths{0});
}

TEST_CASE("equal drafts get rows in turn, the first ones first") {
  Chains const chains(3, std::vector<float>(4, 0.9F));
  auto const free = [](std::size_t) { return 1.0; };
  CHECK(shared(chains, {.rows = 3, .tokens = 3, .room = 5}, free) == Lengths{2, 2, 1});
}

TEST_CASE("nothing is given without offers, without room, or for what is never accepted") {
  auto const free = [](std::size_t) { return 1.0; };
  CHECK(shared({}, {.rows = 1, .tokens = 1, .room = 5}, free).empty());
  CHECK(shared({{1.0F}}, {.rows = 1, .tokens = 1, .room = 0}, free) == Lengths{0});
  CHECK(shared({{0.0F, 1.0F}}, {.rows = 1, .tokens = 1, .room = 5}, free) == Lengths{0});
}

TEST_CASE("sharing rows out allocates nothing") {
  Chains const chains(16, std::vector<float>(48, 0.98F));
  std::vector<DraftOffer> offers = offers_of(chains);
  auto const cost = [](std::size_t rows) { return 1 + 0.01 * static_cast<double>(rows); };
  std::size_t const before = allocations();
  share_rows(std::span(offers), {.rows = 16, .tokens = 16, .room = 400}, cost);
  CHECK(allocations() == before);
}
