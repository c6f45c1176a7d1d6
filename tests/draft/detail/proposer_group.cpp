// SPDX-License-Identifier: MIT
#include <copyspec/draft/detail/proposer_group.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/draft/best_draft.hpp"
#include "copyspec/draft/first_draft.hpp"
#include "copyspec/lookup/copy_proposer.hpp"
#include "copyspec/mix/mixing_proposer.hpp"
#include "support/copying_text.hpp"
#include "support/failing_allocations.hpp"

using copyspec::BestDraft;
using copyspec::CopyProposer;
using copyspec::Draft;
using copyspec::FirstDraft;
using copyspec::MixingProposer;
using copyspec::PassCost;
using copyspec::PassReport;
using copyspec::Token;
using copyspec::detail::ProposerGroup;

namespace {

template <class P>
Tokens drafted(P& proposer, Tokens const& context) {
  Tokens space(64);
  std::size_t const length = proposer.propose(context, space).length;
  space.resize(length);
  return space;
}

MixingProposer mixing() {
  return MixingProposer({.pass_cost = PassCost::marginal(0.02)});
}
auto first() {
  return FirstDraft(CopyProposer({.match_length = 6}), mixing());
}
auto best() {
  return BestDraft(PassCost::marginal(0.02), mixing(), CopyProposer());
}

// Takes nothing that is optional.
struct Plain {
  std::string calls;
  static Draft propose(std::span<Token const>, std::span<Token>) { return {}; }
  void truncate(std::size_t length) { calls += "truncate " + std::to_string(length) + "; "; }
};

// Takes all of it.
struct Full : Plain {
  void reserve(std::size_t length) { calls += "reserve " + std::to_string(length) + "; "; }
  void on_pass(PassReport const& report) { calls += "pass " + std::to_string(report.rows) + "; "; }
  void set_references(std::span<Tokens const> texts) { calls += "refer " + std::to_string(texts.size()) + "; "; }
  void on_turn_end(std::span<Token const> context, std::size_t answer) {
    calls += "end " + std::to_string(context.size()) + " " + std::to_string(answer) + "; ";
  }
  void on_turn_begin(std::span<Token const> context, std::size_t prompt) {
    calls += "begin " + std::to_string(context.size()) + " " + std::to_string(prompt) + "; ";
  }
  void on_draft_chosen(std::span<Token const> context, std::size_t length) {
    calls += "chosen " + std::to_string(context.size()) + " " + std::to_string(length) + "; ";
  }
};

}  // namespace

TEST_CASE("a group passes each call on to those that take it") {
  ProposerGroup<Full, Plain, Full> group(Full{}, Plain{}, Full{});
  group.reserve(9);
  group.set_references(std::vector<Tokens>(2));
  group.on_turn_begin(Tokens{1, 2}, 0);
  group.on_draft_chosen(Tokens{1, 2}, 4);
  group.on_pass({.rows = 3});
  group.on_turn_end(Tokens{1, 2, 3}, 1);
  group.truncate(2);
  std::string const all = "reserve 9; refer 2; begin 2 0; chosen 2 4; pass 3; end 3 1; truncate 2; ";
  CHECK(group.get<0>().calls == all);
  CHECK(group.get<1>().calls == "truncate 2; ");
  CHECK(group.get<2>().calls == all);
}

TEST_CASE("copies of a group are apart") {
  ProposerGroup<Plain> one{Plain{}};
  ProposerGroup<Plain> other = one;
  one.truncate(1);
  CHECK(one.get<0>().calls == "truncate 1; ");
  CHECK(other.get<0>().calls.empty());
}

TEST_CASE("a copy made between two calls drafts on by itself, and leaves the original alone") {
  // Two worlds that share nothing. In one of them the original has a copy beside it, which goes another way.
  auto const check = [](std::string const& name, auto const& make_one) {
    CAPTURE(name);
    // As much room in all, since what is remembered depends on it.
    auto const make = [&] {
      auto proposer = make_one();
      proposer.reserve(1000);
      return proposer;
    };
    Random random(51);
    for (int round = 0; round < 20; ++round) {
      Tokens const before = copying_text(random, 100 + below(random, 100), 8);
      Tokens const one = before + copying_text(random, 60, 8, before);
      Tokens const other = before + copying_text(random, 60, 8, before);
      auto original = make();
      auto undisturbed = make();
      // What is learnt is shared with the copy, so it is not learnt from while both go on: all of it is a prompt.
      auto const propose = [](auto& proposer, Tokens const& text, std::size_t length) {
        Tokens const context(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length));
        if constexpr (requires { proposer.on_turn_begin(context, 0); }) proposer.on_turn_begin(context, 0);
        return drafted(proposer, context);
      };
      std::size_t length = 20;
      for (; length < before.size(); length += 7)
        REQUIRE(propose(original, one, length) == propose(undisturbed, one, length));
      auto copy = original;
      for (length = before.size(); length <= one.size(); length += 3) {
        auto fresh = make();
        REQUIRE(propose(copy, other, length) == propose(fresh, other, length));
        REQUIRE(propose(original, one, length) == propose(undisturbed, one, length));
      }
      // And goes back alone.
      copy.truncate(before.size() - 3);
      auto fresh = make();
      REQUIRE(propose(copy, before, before.size() - 3) == propose(fresh, before, before.size() - 3));
      REQUIRE(propose(original, one, one.size()) == propose(undisturbed, one, one.size()));
    }
  };
  check("MixingProposer", mixing);
  check("CopyProposer", [] { return CopyProposer(); });
  check("FirstDraft", first);
}

TEST_CASE("a copy of a choice learns with the original, and drafts its own tokens") {
  Random random(52);
  auto original = best();
  Tokens const before = copying_text(random, 200, 8);
  drafted(original, before);
  auto copy = original;
  Tokens one = before;
  Tokens other = before;
  for (Token step = 0; step < 40; ++step) {
    // They never meet: whatever is drafted after the first token is of the text of each.
    one.push_back(100 + step % 5);
    other.push_back(200 + step % 5);
    for (Token const token : drafted(original, one)) REQUIRE((token < 8 || (token >= 100 && token < 105)));
    for (Token const token : drafted(copy, other)) REQUIRE((token < 8 || (token >= 200 && token < 205)));
  }
}

TEST_CASE("a proposer that could not get its memory drafts what a fresh one drafts, the second of two as well") {
  Random random(53);
  Tokens const text = copying_text(random, 300, 8);
  Tokens const longer = text + text;
  Tokens space(64);
  auto const check = [&](std::size_t fewest, auto const& make) {
    auto const used = [&] {
      auto proposer = make();
      proposer.reserve(400);
      static_cast<void>(drafted(proposer, text));
      return proposer;
    };
    auto const compare = [&](auto& proposer) {
      auto fresh = make();
      REQUIRE(drafted(proposer, text) == drafted(fresh, text));
      proposer.reserve(40000);
      REQUIRE(drafted(proposer, text) == drafted(fresh, text));
    };
    CHECK(fail_each_allocation(
              used, [](auto& proposer) { proposer.reserve(20000); }, compare) >= fewest);
    auto const begin_turn = [&](auto& proposer) {
      if constexpr (requires { proposer.on_turn_begin(longer, 0); }) proposer.on_turn_begin(longer, 0);
    };
    auto const go_on = [&](auto& proposer) {
      begin_turn(proposer);
      static_cast<void>(proposer.propose(longer, space));
    };
    auto const compare_longer = [&](auto& proposer) {
      auto fresh = make();
      begin_turn(proposer);
      REQUIRE(drafted(proposer, longer) == drafted(fresh, longer));
    };
    fail_each_allocation(used, go_on, compare_longer);
  };
  check(2, [] { return CopyProposer(); });
  check(0, [] { return CopyProposer({.window = 100}); });
  check(4, first);
  check(4, best);
}
