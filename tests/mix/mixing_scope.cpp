// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_scope.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "copyspec/core/error.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/decode/composer.hpp"
#include "copyspec/draft/best_draft.hpp"
#include "copyspec/draft/first_draft.hpp"
#include "copyspec/draft_model/model_proposer.hpp"
#include "copyspec/lookup/copy_proposer.hpp"
#include "copyspec/mix/mixing_proposer.hpp"
#include "copyspec/testing/toy_model.hpp"
#include "copyspec/verify/greedy_verifier.hpp"
#include "support/copying_text.hpp"
#include "support/mixing_decoder.hpp"
#include "support/mixing_drafts.hpp"

using copyspec::BestDraft;
using copyspec::CopyProposer;
using copyspec::DraftScopeOf;
using copyspec::FirstDraft;
using copyspec::History;
using copyspec::MixingProposer;
using copyspec::MixingScope;
using copyspec::ModelProposer;
using copyspec::NoProposer;
using copyspec::PassCost;

using copyspec_test::decode;
using copyspec_test::propose;

namespace {

struct AnotherScope : DraftScopeOf<AnotherScope> {};

std::shared_ptr<MixingScope> tenant() {
  return std::make_shared<MixingScope>(std::make_shared<History>(std::size_t{1} << 18));
}

MixingProposer with_history() {
  return MixingProposer(
      {.pass_cost = PassCost::marginal(0.01), .history = std::make_shared<History>(std::size_t{1} << 18)});
}

// A turn in `scope`, as a composer has one; all drafts of it.
std::vector<Tokens> turn(MixingProposer& proposer, std::shared_ptr<MixingScope> const& scope, Tokens const& text,
                         std::size_t begin, std::size_t answer) {
  proposer.set_scope(scope);
  proposer.set_references({});
  proposer.on_turn_begin(std::span(text).first(answer), begin);
  std::vector<Tokens> drafts;
  for (std::size_t length = answer; length <= text.size(); length += 1 + length % 3)
    drafts.push_back(propose(proposer, std::span(text).first(length)));
  proposer.on_turn_end(text, answer);
  return drafts;
}

// Notes its drafts with their probabilities; copies share the notes.
struct Recording : MixingProposer {
  using MixingProposer::MixingProposer;

  copyspec::Draft propose(std::span<copyspec::Token const> context, std::span<copyspec::Token> space) {
    copyspec::Draft const draft = MixingProposer::propose(context, space);
    notes->emplace_back(draft.probabilities.begin(), draft.probabilities.end());
    for (std::size_t i = 0; i < draft.length; ++i) notes->back().push_back(static_cast<float>(space[i]));
    return draft;
  }

  std::shared_ptr<std::vector<std::vector<float>>> notes = std::make_shared<std::vector<std::vector<float>>>();
};

}  // namespace

TEST_CASE("in a composer, the drafts of one tenant are bit for bit what they are where another never existed") {
  copyspec::testing::ToyModel<float> model({.vocabulary = 12, .order = 2, .max_tokens = 64});
  auto const drafts = [&](bool with_secrets) {
    Recording const proposer(
        {.pass_cost = PassCost::marginal(0.01), .history = std::make_shared<History>(std::size_t{1} << 18)});
    copyspec::Composer composer(model, proposer, copyspec::GreedyVerifier());
    auto const secrets = tenant();
    auto const here = tenant();
    std::vector<std::vector<float>> own;
    for (std::int32_t round = 0; round < 10; ++round) {
      Tokens const prompt{round, 3, 1, round % 4};
      if (with_secrets) {
        composer.begin(copyspec::SequenceId{1}, prompt, {.max_new_tokens = 200, .scope = secrets});
        composer.run();
      }
      proposer.notes->clear();
      composer.begin(copyspec::SequenceId{0}, prompt, {.max_new_tokens = 100, .scope = here});
      composer.run();
      own.insert(own.end(), proposer.notes->begin(), proposer.notes->end());
    }
    CHECK(here->history()->counters().requests_appended == 10);
    CHECK(secrets->history()->counters().requests_appended == (with_secrets ? 10 : 0));
    CHECK(proposer.history()->counters().requests_appended == 0);
    return own;
  };
  auto const alone = drafts(false);
  CHECK(alone.size() > 20);
  CHECK(drafts(true) == alone);
}

TEST_CASE("the drafts of one tenant are bit for bit what they are where another never existed") {
  // The copies of a composer: one with a tenant of secrets before and beside the other, one without.
  Random random(31);
  MixingProposer const shared = with_history();
  MixingProposer const apart = with_history();
  auto const secret = tenant();
  auto const here = tenant();
  auto const there = tenant();
  std::size_t drafted = 0;
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    // Both tenants have much the same to say, so that anything that reached across would help.
    Tokens const text = copying_text(random, 200, 10);
    MixingProposer spy = shared;
    MixingProposer one = shared;
    MixingProposer other = apart;
    turn(spy, secret, text, 0, 20);
    Tokens const own = copying_text(random, 100, 10, text);
    auto const drafts = turn(one, here, own, 0, 10);
    REQUIRE(drafts == turn(other, there, own, 0, 10));
    for (Tokens const& draft : drafts) drafted += draft.size();
    turn(spy, secret, text + text, text.size(), text.size() + 5);
  }
  CHECK(drafted > 1000);
  CHECK(here->learnt() == there->learnt());
  CHECK(here->learnt() != secret->learnt());
  CHECK(here->history()->counters().requests_held == 30);
  CHECK(here->history()->counters().tokens_held == there->history()->counters().tokens_held);
  // Nothing was learnt or remembered in what the proposers were made with.
  CHECK(shared.learnt() == with_history().learnt());
  CHECK(shared.history()->counters().requests_appended == 0);
}

TEST_CASE("a sequence that changes its scope leaves all of the old one behind") {
  auto const secret = tenant();
  auto const other = tenant();
  Tokens const remembered = counting(100, 60);
  secret->history()->append(remembered);
  MixingProposer proposer({.pass_cost = PassCost::marginal(0.001)});
  proposer.reserve(1000);
  Tokens const begun = Tokens{1, 2} + counting(100, 10);
  proposer.set_scope(secret);
  CHECK(proposer.history() == secret->history());
  CHECK(propose(proposer, begun, 8) == counting(110, 8));
  std::vector<float> const learnt = secret->learnt();
  std::vector<float> const nothing = other->learnt();
  SUBCASE("for another") {
    proposer.set_scope(other);
    CHECK(proposer.history() == other->history());
  }
  SUBCASE("for that of construction") {
    proposer.set_scope(nullptr);
    CHECK(proposer.history() == nullptr);
  }
  CHECK_FALSE(proposer.remembered().has_value());
  CHECK(propose(proposer, begun, 8).empty());
  // What the last pass of the old turn generated is learnt nowhere, if the next prompt is empty.
  CHECK(propose(proposer, begun + counting(110, 3), 8).empty());
  CHECK(secret->learnt() == learnt);
  CHECK(other->learnt() == nothing);
  // Nor are the tokens before a prompt remembered in another scope than theirs.
  Tokens const text = begun + counting(110, 3) + Tokens{7} + counting(200, 5);
  proposer.on_turn_begin(text, begun.size() + 3);
  proposer.on_turn_end(text, begun.size() + 4);
  if (proposer.history() == other->history()) CHECK(other->history()->counters().tokens_held == 6);
}

TEST_CASE("an unknown kind of scope is refused, and everything is as before") {
  auto const known = tenant();
  auto const unknown = std::make_shared<AnotherScope>();
  auto const refuses = [&](auto proposer, auto const& current) {
    proposer.set_scope(known);
    CHECK_THROWS_AS(proposer.set_scope(unknown), copyspec::Error);
    CHECK(current(proposer) == known->history());
    proposer.set_scope(nullptr);
    CHECK(current(proposer) == nullptr);
  };
  copyspec::testing::ToyModel<float> draft_model;
  MixingProposer const mixing;
  refuses(mixing, [](auto const& proposer) { return proposer.history(); });
  refuses(FirstDraft(CopyProposer(), mixing),
          [](auto const& proposer) { return proposer.template get<1>().history(); });
  refuses(BestDraft(PassCost(), mixing, CopyProposer()),
          [](auto const& proposer) { return proposer.template get<0>().history(); });
  refuses(ModelProposer(draft_model, mixing), [](auto const& proposer) { return proposer.copying().history(); });
  // Of several, those that took it take it back.
  struct Refusing : NoProposer {
    static void set_scope(std::shared_ptr<copyspec::DraftScope> const& scope) {
      static_cast<void>(AnotherScope::of(scope));
    }
  };
  FirstDraft two(mixing, Refusing());
  CHECK_THROWS_AS(two.set_scope(known), copyspec::Error);
  CHECK(two.get<0>().history() == nullptr);
  // Where none takes scopes, only none is taken.
  FirstDraft none{CopyProposer()};
  none.set_scope(nullptr);
  CHECK_THROWS_WITH_AS(none.set_scope(known), "a scope was given, and no proposer takes one", copyspec::Error);
  ModelProposer alone(draft_model, CopyProposer());
  CHECK_THROWS_WITH_AS(alone.set_scope(known), "a scope was given, and the proposer takes none", copyspec::Error);
}

TEST_CASE("a scope carries what was learnt to where it is set, and is saved like a proposer") {
  Random random(33);
  Tokens const text = copying_text(random, 500, 10);
  auto const scope = tenant();
  MixingProposer one = with_history();
  one.set_scope(scope);
  decode(one, text, 50, text.size());
  MixingScope other;
  other.set_learnt(scope->learnt(), "here");
  CHECK(other.learnt() == scope->learnt());
  CHECK(other.history() == nullptr);
  CHECK_THROWS_AS(other.set_learnt(std::vector<float>(3), "here"), copyspec::Error);
  CHECK(scope->memory_bytes() < 256 * 1024);
}

TEST_CASE("copies of one proposer, in one scope and in several, serve threads at once") {
  MixingProposer const original = with_history();
  auto const scope = tenant();
  std::array<std::size_t, 4> drafted{};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < drafted.size(); ++i)
    threads.emplace_back([&, i] {
      Random random(static_cast<unsigned>(i));
      for (int round = 0; round < 20; ++round) {
        MixingProposer proposer = original;
        Tokens const text = copying_text(random, 150, 10);
        for (Tokens const& draft : turn(proposer, i % 2 == 0 ? scope : nullptr, text, 0, 10))
          drafted[i] += draft.size();
        proposer.on_pass({.rows = 5, .sequences = 1, .seconds = 0.1});
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t const count : drafted) CHECK(count > 100);
  CHECK(scope->history()->counters().requests_appended == 40);
}

namespace {

// Throws when a turn begins, after everything else was set.
struct Throwing : MixingProposer {
  static inline bool throws = false;
  void on_turn_begin(std::span<copyspec::Token const> context, std::size_t prompt) {
    if (throws) throw std::bad_alloc();
    MixingProposer::on_turn_begin(context, prompt);
  }
};

}  // namespace

TEST_CASE("a turn of another scope that does not begin leaves the old turn in its own scope") {
  copyspec::testing::ToyModel<float> model;
  copyspec::Composer composer(model, Throwing(), copyspec::GreedyVerifier());
  auto const one = std::make_shared<History>(4 * History::min_bytes());
  auto const other = std::make_shared<History>(4 * History::min_bytes());
  std::vector<copyspec::Token> const prompt(50, 3);
  copyspec::SequenceId const id{1};
  composer.begin(id, prompt, {.max_new_tokens = 20, .may_continue = true, .scope = std::make_shared<MixingScope>(one)});
  composer.run();
  Throwing::throws = true;
  CHECK_THROWS_AS(composer.begin(id, prompt, {.scope = std::make_shared<MixingScope>(other)}), std::bad_alloc);
  Throwing::throws = false;
  CHECK(composer.proposer(id).history() == one);
  composer.extend(id, 30);
  composer.run();
  CHECK(one->counters().requests_appended == 2);
  CHECK(other->counters().requests_appended == 0);
}
