// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <vector>

#include "support/copying_text.hpp"
#include "support/failing_allocations.hpp"
#include "support/mixing_drafts.hpp"

using copyspec::MixingProposer;
using copyspec_test::propose;
using copyspec_test::with_cost;

namespace {

// What a proposer that failed drafts, against a fresh one that reads the same, now and as the context goes on. Nothing
// is learnt, since all of it is a prompt.
void check_like_fresh(MixingProposer& used, MixingProposer& fresh, Tokens text, Tokens const& more) {
  used.on_turn_begin(text, 0);
  fresh.on_turn_begin(text, 0);
  REQUIRE(propose(used, text) == propose(fresh, text));
  for (std::size_t i = 0; i < more.size(); ++i) {
    text.push_back(more[i]);
    used.on_turn_begin(text, text.size() - 1);
    fresh.on_turn_begin(text, text.size() - 1);
    REQUIRE(propose(used, text) == propose(fresh, text));
  }
}

}  // namespace

TEST_CASE("a proposer that could not get its memory drafts what a fresh one drafts, wherever it failed") {
  Random random(41);
  Tokens const text = copying_text(random, 300, 30);
  Tokens const more = copying_text(random, 60, 30, text);
  std::vector<Tokens> const references{copying_text(random, 100, 30, text), copying_text(random, 50, 30)};
  for (std::size_t const reserved : {std::size_t{0}, std::size_t{310}, std::size_t{9000}}) {
    CAPTURE(reserved);
    auto const make = [&] {
      MixingProposer proposer = with_cost(0.01);
      if (reserved > 0) proposer.reserve(reserved);
      if (reserved > 0) propose(proposer, text);
      return proposer;
    };
    {
      INFO("in reserve");
      auto const check = [&](MixingProposer& used) {
        MixingProposer fresh = with_cost(0.01);
        check_like_fresh(used, fresh, text, more);
      };
      CHECK(fail_each_allocation(
                make, [](MixingProposer& proposer) { proposer.reserve(20000); }, check) >= 3);
    }
    {
      INFO("in set_references");
      auto const check = [&](MixingProposer& used) {
        used.set_references(references);
        MixingProposer fresh = with_cost(0.01);
        fresh.set_references(references);
        check_like_fresh(used, fresh, text, more);
      };
      CHECK(fail_each_allocation(
                make, [&](MixingProposer& proposer) { proposer.set_references(references); }, check) >= 1);
    }
    {
      INFO("in set_references, and the old ones stay");
      bool set = false;
      auto const with_references = [&] {
        MixingProposer proposer = make();
        set = false;
        proposer.set_references(std::vector<Tokens>{references[1]});
        propose(proposer, text);
        return proposer;
      };
      auto const check = [&](MixingProposer& used) {
        MixingProposer fresh = with_cost(0.01);
        fresh.set_references(set ? references : std::vector<Tokens>{references[1]});
        check_like_fresh(used, fresh, text, more);
      };
      auto const action = [&](MixingProposer& proposer) {
        proposer.set_references(references);
        set = true;
      };
      CHECK(fail_each_allocation(with_references, action, check) >= 1);
    }
    {
      INFO("in propose");
      auto const check = [&](MixingProposer& used) {
        MixingProposer fresh = with_cost(0.01);
        check_like_fresh(used, fresh, text + more + text, {});
      };
      Tokens const longer = text + more;
      auto const action = [&](MixingProposer& proposer) {
        proposer.on_turn_begin(longer, 0);
        Tokens space(64);
        static_cast<void>(proposer.propose(longer, space));
      };
      fail_each_allocation(make, action, check);
    }
  }
}

TEST_CASE("references are dropped without an allocation") {
  MixingProposer proposer;
  proposer.set_references(std::vector<Tokens>{counting(0, 100)});
  propose(proposer, counting(0, 50));
  std::size_t const before = allocations();
  fail_allocation(0);
  proposer.set_references({});
  CHECK_FALSE(stop_failing_allocations());
  CHECK(allocations() == before);
  CHECK(propose(proposer, Tokens{7, 8, 9}).empty());
}

TEST_CASE("a turn is begun at the cost of its own room") {
  MixingProposer const original;
  MixingProposer copy = original;
  copy.reserve(1124);
  CHECK(copy.memory_bytes() < 64 * 1024);
}
