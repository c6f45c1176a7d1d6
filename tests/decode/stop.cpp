// SPDX-License-Identifier: MIT
#include <copyspec/decode/stop.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::SequenceId;
using copyspec::StopDecision;
using copyspec::StopPredicate;
using copyspec::StopRules;
using copyspec::Token;
using copyspec::detail::NeverStop;

namespace {

using Tokens = std::vector<Token>;

bool same(StopDecision a, StopDecision b) {
  return a.stop == b.stop && a.held == b.held;
}

StopDecision decide(StopRules const& rules, Tokens const& generated) {
  return rules(generated);
}

// What the rules promise, letter by letter: the longest of the stops that end here, if they may, or else the longest
// run at the end that begins a longer stop.
StopDecision naive(StopRules const& rules, Tokens const& generated, bool may_stop) {
  std::vector<Tokens> stops = rules.sequences;
  for (Token const token : rules.tokens) stops.push_back({token});
  StopDecision decision;
  for (std::size_t held = 1; held <= generated.size(); ++held) {
    Tokens const end(generated.end() - static_cast<std::ptrdiff_t>(held), generated.end());
    for (Tokens const& stop : stops) {
      if (may_stop && stop == end) decision = {.stop = true, .held = held};
      if (!decision.stop && stop.size() > held && std::equal(end.begin(), end.end(), stop.begin()))
        decision.held = held;
    }
  }
  return decision;
}

Tokens random_tokens(std::mt19937& random, std::size_t count, Token vocabulary) {
  std::uniform_int_distribution<Token> any(0, vocabulary - 1);
  Tokens tokens(count);
  for (Token& token : tokens) token = any(random);
  return tokens;
}

struct TwoArguments {
  StopDecision operator()(SequenceId, std::span<Token const>) { return {}; }
};
struct OneArgument {
  StopDecision operator()(std::span<Token const>) { return {}; }
};
struct YesOrNo {
  bool operator()(SequenceId, std::span<Token const>) { return false; }
};
struct Overwriting {
  StopDecision operator()(SequenceId, std::span<Token>) { return {}; }
};
struct NotCallable {};

}  // namespace

static_assert(StopPredicate<NeverStop>);
static_assert(StopPredicate<NeverStop const>);
static_assert(StopPredicate<TwoArguments>);
static_assert(StopPredicate<TwoArguments&>);
static_assert(StopPredicate<StopDecision (*)(SequenceId, std::span<Token const>)>);
static_assert(!StopPredicate<TwoArguments const>, "a predicate may have state");
static_assert(!StopPredicate<OneArgument>);
static_assert(!StopPredicate<StopRules>);
static_assert(!StopPredicate<YesOrNo>);
static_assert(!StopPredicate<Overwriting>);
static_assert(!StopPredicate<NotCallable>);

static_assert(!NeverStop{}(SequenceId{0}, {}).stop && NeverStop{}(SequenceId{0}, {}).held == 0);

TEST_CASE("of two decisions the one that stops counts, or else the one that holds more") {
  constexpr StopDecision none{.stop = false, .held = 0};
  constexpr StopDecision holds{.stop = false, .held = 3};
  constexpr StopDecision stops{.stop = true, .held = 1};
  constexpr StopDecision stops_long{.stop = true, .held = 2};
  static_assert((none | holds).held == 3 && !(none | holds).stop);
  CHECK(same(none | none, none));
  CHECK(same(none | holds, holds));
  CHECK(same(holds | none, holds));
  CHECK(same(stops | holds, stops));
  CHECK(same(holds | stops, stops));
  CHECK(same(stops | none, stops));
  CHECK(same(stops | stops_long, stops_long));
  CHECK(same(stops_long | stops, stops_long));
}

TEST_CASE("decisions join in any order") {
  std::vector<StopDecision> all;
  for (bool const stop : {false, true}) {
    for (std::size_t held = 0; held < 4; ++held) all.push_back({.stop = stop, .held = held});
  }
  for (StopDecision const a : all) {
    CHECK(same(a | a, a));
    CHECK(same(a | StopDecision{}, a));
    for (StopDecision const b : all) {
      CHECK(same(a | b, b | a));
      for (StopDecision const c : all) CHECK(same((a | b) | c, a | (b | c)));
    }
  }
}

TEST_CASE("no rules never stop") {
  CHECK(same(decide({}, {}), {}));
  CHECK(same(decide({}, {1, 2, 3}), {}));
}

TEST_CASE("before the first token nothing stops") {
  CHECK(same(decide({.tokens = {0, 1}, .sequences = {{0}, {}}}, {}), {}));
}

TEST_CASE("a stop token stops where it is newest and is held") {
  StopRules const rules{.tokens = {5, 7}};
  CHECK(same(decide(rules, {5}), {.stop = true, .held = 1}));
  CHECK(same(decide(rules, {1, 7}), {.stop = true, .held = 1}));
  CHECK(same(decide(rules, {7, 1}), {}));
}

TEST_CASE("a stop sequence is held from its first token on") {
  StopRules const rules{.sequences = {{1, 2, 3}}};
  CHECK(same(decide(rules, {1}), {.stop = false, .held = 1}));
  CHECK(same(decide(rules, {1, 2}), {.stop = false, .held = 2}));
  CHECK(same(decide(rules, {1, 2, 3}), {.stop = true, .held = 3}));
  CHECK(same(decide(rules, {9, 9, 1, 2, 3}), {.stop = true, .held = 3}));
  CHECK(same(decide(rules, {2, 3}), {}));
  CHECK(same(decide(rules, {1, 2, 4}), {}));
  CHECK(same(decide(rules, {1, 2, 1}), {.stop = false, .held = 1}));
}

TEST_CASE("a sequence that begins again inside itself is found") {
  StopRules const rules{.sequences = {{1, 1, 2}}};
  CHECK(same(decide(rules, {1, 1}), {.stop = false, .held = 2}));
  CHECK(same(decide(rules, {1, 1, 1}), {.stop = false, .held = 2}));
  CHECK(same(decide(rules, {1, 1, 1, 2}), {.stop = true, .held = 3}));
}

TEST_CASE("an empty sequence never stops") {
  CHECK(same(decide({.sequences = {{}}}, {1}), {}));
  CHECK(same(decide({.sequences = {{}, {1}}}, {1}), {.stop = true, .held = 1}));
}

TEST_CASE("of two stops at one token the longer is held back") {
  CHECK(same(decide({.tokens = {3}, .sequences = {{1, 2, 3}, {2, 3}}}, {1, 2, 3}), {.stop = true, .held = 3}));
  CHECK(same(decide({.tokens = {2}, .sequences = {{1, 2, 3}}}, {1, 2}), {.stop = true, .held = 1}));
}

TEST_CASE("where no stop may be complete, what begins one is held all the same") {
  StopRules const rules{.tokens = {5}, .sequences = {{1, 2, 3}, {2, 3, 2, 4}, {}}};
  auto const early = [&](Tokens const& generated) { return rules(generated, false); };
  CHECK(same(early({}), {}));
  CHECK(same(early({5}), {}));
  CHECK(same(early({1, 2}), {.stop = false, .held = 2}));
  CHECK(same(early({1, 2, 3}), {.stop = false, .held = 2}));
  CHECK(same(early({1, 2, 3, 2, 4}), {}));
  // A stop that began before it may be complete is complete all the same.
  CHECK(same(rules(Tokens{1, 2, 3, 2, 4}, true), {.stop = true, .held = 4}));
}

TEST_CASE("rules decide what a naive matcher decides") {
  std::mt19937 random(4);
  int stops = 0;
  int holds = 0;
  int passed_over = 0;
  for (int round = 0; round < 300; ++round) {
    Token const vocabulary = 1 + round % 4;
    StopRules rules;
    if (round % 3 == 0) rules.tokens = random_tokens(random, random() % 2, vocabulary + 3);
    for (std::size_t count = random() % 5; count > 0; --count)
      rules.sequences.push_back(random_tokens(random, random() % 7, vocabulary));
    Tokens const text = random_tokens(random, 40, vocabulary);
    for (std::size_t length = 0; length <= text.size(); ++length) {
      Tokens const generated(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length));
      StopDecision const decision = rules(generated);
      REQUIRE(same(decision, naive(rules, generated, true)));
      StopDecision const early = rules(generated, false);
      REQUIRE(same(early, naive(rules, generated, false)));
      passed_over += decision.stop && early.held > 0 ? 1 : 0;
      stops += decision.stop ? 1 : 0;
      holds += !decision.stop && decision.held > 0 ? 1 : 0;
    }
  }
  CHECK(stops > 500);
  CHECK(holds > 500);
  CHECK(passed_over > 500);
}

TEST_CASE("what was shown once is never held again") {
  std::mt19937 random(5);
  for (int round = 0; round < 100; ++round) {
    StopRules rules;
    for (int i = 0; i < 3; ++i) rules.sequences.push_back(random_tokens(random, 2 + random() % 5, 2));
    Tokens generated;
    std::size_t shown = 0;
    int const minimum = round % 2 == 0 ? 0 : 20;
    for (int i = 0; i < 60; ++i) {
      generated.push_back(static_cast<Token>(random() % 2));
      StopDecision const decision = rules(generated, i >= minimum);
      REQUIRE(decision.held <= generated.size());
      REQUIRE(generated.size() - decision.held >= shown);
      shown = generated.size() - decision.held;
      if (decision.stop) break;
    }
  }
}

TEST_CASE("deciding allocates nothing") {
  StopRules const rules{.tokens = {9}, .sequences = {{1, 2, 3}, {1, 1, 1, 2}}};
  Tokens const generated = {1, 1, 1, 1, 2, 3};
  std::size_t const before = allocations();
  bool stopped = false;
  for (std::size_t i = 0; i <= generated.size(); ++i) stopped = rules(std::span(generated).first(i)).stop || stopped;
  CHECK(allocations() == before);
  CHECK(stopped);
}
