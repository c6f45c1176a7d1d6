// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/interleaved_draft.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "copyspec/core/token.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/draft/proposer.hpp"
#include "copyspec/lookup/copy_proposer.hpp"
#include "copyspec/testing/toy_model.hpp"
#include "copyspec/verify/greedy_token.hpp"

using copyspec::Draft;
using copyspec::PassCost;
using copyspec::Token;
using Toy = copyspec::testing::ToyModel<float>;
using Tokens = std::vector<Token>;

namespace {

template <class Copying>
using Interleaved = copyspec::detail::InterleavedDraft<Toy, Copying, std::chrono::steady_clock>;

// What the toy says after `context`.
Tokens continuation(Tokens context, std::size_t count) {
  Toy model;
  Tokens said;
  for (std::size_t i = 0; i < count; ++i) {
    copyspec::Segment const segment{.sequence = {}, .tokens = context, .rows = 1};
    model.truncate({}, 0);
    said.push_back(*copyspec::greedy_token(model.forward({&segment, 1}).row(0)));
    context.push_back(said.back());
  }
  return said;
}

template <class Copying>
auto make_group(Toy& model, std::size_t fixed_length) {
  return std::make_shared<typename Interleaved<Copying>::Group>(
      model, PassCost::marginal(0.02), PassCost::marginal(0.02), std::optional(0.05), fixed_length);
}

}  // namespace

TEST_CASE("with a fixed length and nothing to copy, the draft is what the draft model says") {
  Toy model;
  Interleaved<copyspec::NoProposer> draft(make_group<copyspec::NoProposer>(model, 5), {});
  Tokens const context{1, 2, 3, 4};
  Tokens space(8, -1);
  Draft const result = draft.propose(context, space);
  REQUIRE(result.length == 5);
  space.resize(5);
  CHECK(space == continuation(context, 5));
  for (std::size_t i = 0; i < 5; ++i) CHECK(result.sources[i] == copyspec::Source::draft_model);
  CHECK(draft.propose(context, std::span(space).first(2)).length == 2);
}

TEST_CASE("a context that was prepared is drafted for once, with all others of its group") {
  Toy model;
  auto const group = make_group<copyspec::NoProposer>(model, 3);
  Interleaved<copyspec::NoProposer> one(group, {});
  Interleaved<copyspec::NoProposer> two(group, {});
  Tokens const first{1, 2, 3}, second{5, 6};
  one.prepare(first, 8);
  two.prepare(second, 8);
  Tokens space(8);
  CHECK(one.propose(first, space).length == 3);
  space.resize(3);
  CHECK(space == continuation(first, 3));
  space.resize(8);
  CHECK(two.propose(second, space).length == 3);
  space.resize(3);
  CHECK(space == continuation(second, 3));
}

TEST_CASE("a prompt and drafts of others teach nothing, what was generated after its own draft does") {
  Toy model;
  auto const expected_after = [&](auto const& steps) {
    auto const group = make_group<copyspec::NoProposer>(model, 1);
    Interleaved<copyspec::NoProposer> draft(group, {});
    steps(draft);
    return group->gain().record().expected(-1);
  };
  Tokens context{1, 2, 3, 4};
  Tokens const next = continuation(context, 1);
  Tokens longer = context;
  longer.push_back(next[0]);
  Tokens space(4);
  float const fresh = expected_after([](auto&) {});
  float const taught = expected_after([&](auto& draft) {
    for (int i = 0; i < 9; ++i) {
      (void)draft.propose(context, space);
      (void)draft.propose(longer, space);
      draft.truncate(context.size());
    }
  });
  CHECK(taught != fresh);
  float const prompted = expected_after([&](auto& draft) {
    for (int i = 0; i < 9; ++i) {
      (void)draft.propose(context, space);
      draft.on_turn_begin(longer, context.size());
      (void)draft.propose(longer, space);
      draft.truncate(context.size());
    }
  });
  CHECK(prompted == fresh);
}

namespace {

// Copies nothing, and writes down what it is told.
struct Told : copyspec::NoProposer {
  std::vector<std::size_t> contexts = {};
  std::vector<std::size_t> lengths = {};
  void on_draft_chosen(std::span<Token const> context, std::size_t length) {
    contexts.push_back(context.size());
    lengths.push_back(length);
  }
};

}  // namespace

TEST_CASE("a draft that is not fed, or not whole, costs no more rows than are fed") {
  Toy model;
  Tokens const text = [] {
    Tokens tokens{1, 2, 3, 4};
    Tokens const said = continuation(tokens, 70);
    tokens.insert(tokens.end(), said.begin(), said.end());
    return tokens;
  }();
  // What asking gains after ten steps whose drafts are right and fed, and ten that are as `fed` says.
  auto const gain_after = [&](std::optional<std::size_t> fed) {
    auto const group = make_group<Told>(model, 5);
    Interleaved<Told> draft(group, {});
    Tokens space(8);
    std::size_t length = 4;
    for (int i = 0; i < 10; ++i) {
      REQUIRE(draft.propose(std::span(text).first(length), space).length == 5);
      length += 6;
      std::span<Token const> const context = std::span(text).first(length);
      (void)draft.propose(context, space);
      if (fed) {
        draft.on_draft_chosen(context, *fed);
        CHECK(draft.copying().contexts.back() == length);
        CHECK(draft.copying().lengths.back() == *fed);
      }
      ++length;
    }
    (void)draft.propose(std::span(text).first(length), space);
    return group->gain()({.limit = 8});
  };
  double const whole = gain_after(std::nullopt);
  CHECK(gain_after(5) == whole);
  CHECK(gain_after(2) < whole);
  CHECK(gain_after(0) < gain_after(2));
}
