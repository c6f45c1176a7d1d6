// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/draft_model_place_finder.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/cost/sequence_cost.hpp"
#include "support/copying_text.hpp"

using copyspec::PassCost;
using copyspec::SequenceCost;
using copyspec::detail::DraftModelGain;
using copyspec::detail::DraftModelPlaceFinder;

namespace {

using Chain = std::vector<float>;

// A chain of up to twelve tokens, many of them certain and some hopeless.
Chain some_chain(Random& random) {
  constexpr std::array values{0.0F, 0.15F, 0.5F, 0.7F, 0.9F, 0.97F, 0.99F, 1.0F};
  Chain chain(below(random, 13));
  for (float& value : chain) value = values[below(random, values.size())];
  return chain;
}

// Teaches `gain` that the draft model is right in so many of ten cases.
void teach(DraftModelGain& gain, std::size_t right) {
  for (int i = 0; i < 20; ++i)
    for (float const copied : {-1.0F, 0.0F, 0.15F, 0.5F, 0.7F, 0.9F, 0.97F, 1.0F})
      for (std::size_t j = 0; j < 10; ++j) gain.record().observe({.confidence = 0.9F, .copied = copied}, j < right);
}

// The first place from `first` on at which asking pays, if nothing has to be read: by looking at every place.
std::optional<std::size_t> first_that_pays(DraftModelGain const& gain, Chain const& chain, std::size_t first,
                                           std::size_t limit, bool copying_is_surer) {
  for (std::size_t place = first; place < std::min(limit, chain.size() + 1); ++place) {
    float survival = 1;
    for (std::size_t i = 0; i < place; ++i) survival *= chain[i];
    bool const copies = place < chain.size();
    bool const likely = survival > 0.02F;
    bool const surer = copies && gain.copying_is_surer(chain[place]);
    if (likely && !surer &&
        gain({.chain = chain,
              .place = place,
              .survival = survival,
              .limit = limit,
              .unfed = 1,
              .copying_is_surer = copying_is_surer}) > 0)
      return place;
  }
  return std::nullopt;
}

// The index of the next place, if `unfed` tokens must be fed for each.
std::optional<std::size_t> next_place(DraftModelPlaceFinder& finder, DraftModelGain const& gain, Chain const& chain,
                                      std::size_t unfed, double gain_of_turns = 0) {
  auto const place = finder.next(chain, chain.size() + 1, gain, gain_of_turns, [&](std::size_t) { return unfed; });
  return place ? std::optional(place->place) : std::nullopt;
}

}  // namespace

TEST_CASE("the places found are those at which asking pays, in order") {
  Random random(1);
  SequenceCost const draft(PassCost::marginal(0.1));
  std::array<std::size_t, 3> found{};  // within the chain, after it, none
  for (int round = 0; round < 3000; ++round) {
    CAPTURE(round);
    constexpr std::array units{0.01, 0.1, 0.3, 0.8};
    DraftModelGain gain(PassCost::marginal(0.05), draft, units[below(random, units.size())]);
    teach(gain, below(random, 11));
    gain.observe_step(true, 3, 1.0);
    Chain chain = some_chain(random);
    std::size_t const limit = below(random, 15);
    DraftModelPlaceFinder finder;
    finder.begin(chain, gain);
    bool const surer = !chain.empty() && gain.copying_is_surer(chain[0]);
    REQUIRE(finder.copying_is_surer() == surer);
    for (std::size_t first = 0;;) {
      REQUIRE(finder.decided() == first);
      auto const wanted = first_that_pays(gain, chain, first, limit, surer);
      auto const place = finder.next(chain, limit, gain, 0, [](std::size_t) { return std::size_t{1}; });
      REQUIRE(place.has_value() == wanted.has_value());
      ++found[!place ? 2 : place->place == chain.size() ? 1 : 0];
      if (!place) break;
      REQUIRE(place->place == *wanted);
      REQUIRE(finder.decided() == *wanted);
      REQUIRE(place->chain.data() == chain.data());
      REQUIRE(place->limit == limit);
      REQUIRE(place->unfed == 1);
      REQUIRE(place->copying_is_surer == surer);
      finder.advance();
      first = finder.decided();
      // The answer is the same token, or another one after which something else is copied.
      if (place->place == chain.size() || below(random, 2) == 0) {
        chain.resize(place->place);
        chain.push_back(0.9F);
        for (float const value : some_chain(random)) chain.push_back(value);
      } else {
        chain[place->place] = 0.98F;
      }
    }
  }
  for (std::size_t const count : found) CHECK(count > 500);
}

TEST_CASE("a new draft begins at its first place, and has its own first token") {
  SequenceCost const draft(PassCost::marginal(0));
  DraftModelGain const gain(PassCost::marginal(0.02), draft, 0.05);
  DraftModelPlaceFinder finder;
  Chain const certain{1.0F, 0.5F};
  finder.begin(certain, gain);
  CHECK(finder.copying_is_surer());
  CHECK(next_place(finder, gain, certain, 1) == 1);
  finder.advance();
  CHECK(next_place(finder, gain, certain, 1) == 2);
  Chain const doubtful{0.5F};
  finder.begin(doubtful, gain);
  CHECK_FALSE(finder.copying_is_surer());
  CHECK(next_place(finder, gain, doubtful, 1) == 0);
  finder.begin({}, gain);
  CHECK_FALSE(finder.copying_is_surer());
  CHECK(next_place(finder, gain, {}, 1) == 0);
}

TEST_CASE("what must be fed is asked for evaluated places only") {
  SequenceCost const draft(PassCost::marginal(0));
  DraftModelGain const gain(PassCost::marginal(0.02), draft, 0.05);
  DraftModelPlaceFinder finder;
  Chain const chain{1.0F, 1.0F, 0.5F};
  finder.begin(chain, gain);
  std::vector<std::size_t> evaluated;
  auto const unfed = [&](std::size_t place) {
    evaluated.push_back(place);
    return place + 1;
  };
  auto const place = finder.next(chain, 8, gain, 0, unfed);
  REQUIRE(place);
  CHECK(place->unfed == 3);
  CHECK(evaluated == std::vector<std::size_t>{2});
}

TEST_CASE("a draft model that has much to read is asked once the gains passed up come to its cost") {
  // Twenty tokens to read, of which two are charged to the request: eighteen passes at 0.05.
  SequenceCost const draft(PassCost::marginal(1));
  DraftModelGain const gain(PassCost::marginal(0.02), draft, 0.05);
  double const gained = gain({.chain = {}, .limit = 1, .unfed = 20});
  double const reading = 0.05 * 18;
  REQUIRE(gained > 0);
  std::size_t steps = 1;
  for (double passed_up = gained / 1.5; passed_up < reading; passed_up += gained / 1.5) ++steps;
  REQUIRE(steps > 1);
  DraftModelPlaceFinder finder;
  for (int time = 0; time < 2; ++time)
    for (std::size_t step = 1; step <= steps; ++step) {
      CAPTURE(step);
      finder.begin({}, gain);
      // Asking empties the budget, so that the second time takes as long.
      CHECK(next_place(finder, gain, {}, 20).has_value() == (step == steps));
    }
  CHECK(finder.end_turn() == doctest::Approx(2 * static_cast<double>(steps) * gained / 1.5));
  CHECK(finder.end_turn() == 0);
  // At once if turns usually gain as much.
  finder.begin({}, gain);
  CHECK(next_place(finder, gain, {}, 20, reading) == 0);
}

TEST_CASE("a place that cannot be afforded ends the search") {
  SequenceCost const draft(PassCost::marginal(1));
  DraftModelGain const gain(PassCost::marginal(0.02), draft, 0.05);
  DraftModelPlaceFinder finder;
  Chain const chain{0.5F, 1.0F};
  finder.begin(chain, gain);
  std::size_t evaluated = 0;
  auto const unfed = [&](std::size_t) { return ++evaluated == 1 ? std::size_t{1000} : std::size_t{1}; };
  CHECK_FALSE(finder.next(chain, 8, gain, 0, unfed));
  CHECK(evaluated == 1);
}
