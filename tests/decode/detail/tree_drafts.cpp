// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/tree_drafts.hpp>

#include <doctest/doctest.h>
#include <copyspec/decode/composer.hpp>
#include <copyspec/model/device_logits.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::Composer;
using copyspec::Draft;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::NoProposer;
using copyspec::OutputDelta;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::TreeSegment;
using copyspec::TreeSpace;
using copyspec::Verdict;
using copyspec::VerifyInput;
using copyspec::detail::DraftsTrees;
using copyspec::testing::ToyModelOptions;
using Toy = copyspec::testing::ToyModel<float>;

namespace {

using Tokens = std::vector<Token>;
using Parents = std::vector<std::int32_t>;

template <class Call>
auto counted(std::size_t& count, Call&& call) {
  std::size_t const before = allocations();
  auto const result = call();
  count += allocations() - before;
  return result;
}

// Writes down how it is called, and can be told not to keep.
class Diary {
 public:
  explicit Diary(ToyModelOptions const& options) : toy_(options) {}

  std::vector<std::string> calls;
  std::size_t own_allocations = 0;
  bool writes = true;
  bool keeps = true;

  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }
  [[nodiscard]] std::size_t max_branches() const { return toy_.max_branches(); }

  LogitsView<float> forward(std::span<Segment const> batch) {
    return counted(own_allocations, [&] {
      if (writes) calls.emplace_back("chains");
      return toy_.forward(batch);
    });
  }
  LogitsView<float> forward(std::span<TreeSegment const> batch) {
    return counted(own_allocations, [&] {
      if (writes) calls.emplace_back("trees");
      for (TreeSegment const& segment : batch)
        if (writes) calls.back() += " " + std::to_string(segment.parents.size());
      return toy_.forward(batch);
    });
  }
  std::size_t truncate(SequenceId sequence, std::size_t length) {
    return counted(own_allocations, [&] {
      if (writes) calls.push_back("truncate to " + std::to_string(length));
      return toy_.truncate(sequence, length);
    });
  }
  std::size_t keep(SequenceId sequence, std::size_t length, std::span<std::int32_t const> path) {
    return counted(own_allocations, [&] {
      if (!keeps) throw 1;
      if (writes) calls.push_back("keep " + std::to_string(length) + ":");
      for (std::int32_t const node : path)
        if (writes) calls.back() += " " + std::to_string(node);
      return toy_.keep(sequence, length, path);
    });
  }

 private:
  Toy toy_;
};

// Guesses what it is told to, as far as there are branches; nothing where it is not asked for a tree.
struct Script {
  Tokens tokens;
  Parents parents;
  std::vector<std::size_t>* shares = nullptr;

  Draft propose(std::span<Token const>, std::span<Token>) {
    if (shares != nullptr) shares->push_back(0);
    return {};
  }
  Draft propose_tree(std::span<Token const>, TreeSpace space) {
    if (shares != nullptr) shares->push_back(space.max_branches);
    std::size_t const fitting = copyspec::tree_size(parents, space.max_branches).nodes;
    std::size_t const length = std::min(fitting, space.tokens.size());
    std::copy_n(tokens.begin(), length, space.tokens.begin());
    std::copy_n(parents.begin(), length, space.parents.begin());
    return {length};
  }
  static void truncate(std::size_t) {}
};

struct DevicePass {
  template <class Rows>
  void verify(Rows, std::span<VerifyInput const>, std::span<Verdict>) const {}
};
struct Both : GreedyVerifier {
  using GreedyVerifier::verify;
  void verify(LogitsView<float>, std::span<VerifyInput const>, std::span<Verdict>) const {}
};

static_assert(DraftsTrees<Script, GreedyVerifier, LogitsView<float>>);
static_assert(!DraftsTrees<NoProposer, GreedyVerifier, LogitsView<float>>);
static_assert(!DraftsTrees<Script, DevicePass, LogitsView<float>>);
static_assert(!DraftsTrees<Script, Both, LogitsView<float>>);

ToyModelOptions const options{.vocabulary = 16, .order = 2, .max_tokens = 64, .max_branches = 7};
Tokens const prompt{3, 1, 4, 1, 5};

Tokens plainly(std::size_t count) {
  Toy model(options);
  Composer composer(model, NoProposer(), GreedyVerifier());
  auto const said = composer.generate(prompt, {.max_new_tokens = count});
  return {said.begin(), said.end()};
}

Token other(Token token) {
  return (token + 1) % 16;
}

constexpr auto show_nothing = [](OutputDelta const&) {};

// The calls of one step in which `script` is drafted behind `prompt`.
std::vector<std::string> calls_of(Script script, std::size_t tokens_said) {
  Diary model(options);
  Composer composer(model, std::move(script), GreedyVerifier());
  composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 20});
  model.calls.clear();
  composer.step(show_nothing);
  CHECK(composer.sequence(SequenceId{0}).generated().size() == tokens_said);
  std::vector<std::string> calls = model.calls;
  composer.run();
  Tokens const said(composer.sequence(SequenceId{0}).generated().begin(),
                    composer.sequence(SequenceId{0}).generated().end());
  CHECK(said == plainly(20));
  return calls;
}

}  // namespace

TEST_CASE("of a tree, the model is told to keep the path") {
  Tokens const said = plainly(4);
  using Calls = std::vector<std::string>;
  // A wrong first guess, the right one, a wrong way on from it, the right one.
  Script script{.tokens = {other(said[0]), said[0], other(said[1]), said[1], said[1]}, .parents = {-1, -1, 1, 1, 2}};
  CHECK(calls_of(script, 3) == Calls{"trees 5", "keep 5: 1 3"});
  script.tokens[3] = other(said[1]) + 1;
  CHECK(calls_of(script, 2) == Calls{"trees 5", "keep 5: 1"});
  // Nothing of it is right.
  script.tokens[1] = (said[0] + 2) % 16;
  CHECK(calls_of(script, 1) == Calls{"trees 5", "truncate to 5"});
}

TEST_CASE("a chain is fed and cut back as one, even if it was proposed as a tree") {
  Tokens const said = plainly(4);
  using Calls = std::vector<std::string>;
  CHECK(calls_of({.tokens = {said[0], said[1], other(said[2])}, .parents = {-1, 0, 1}}, 3) ==
        Calls{"chains", "truncate to 7"});
  CHECK(calls_of({.tokens = {said[0], said[1]}, .parents = {-1, 0}}, 3) == Calls{"chains"});
  // What makes it a tree comes after a token that there is not.
  CHECK(calls_of({.tokens = {said[0], 16, said[1]}, .parents = {-1, 0, 0}}, 2) == Calls{"chains"});
  CHECK(calls_of({.tokens = {other(said[0]), said[0], -1, said[1]}, .parents = {-1, -1, 1, 1}}, 2) ==
        Calls{"trees 2", "keep 5: 1"});
}

TEST_CASE("a chain after a tree is cut back to where it begins, and no further") {
  struct TreeThenChain : Script {
    Draft propose_tree(std::span<Token const> context, TreeSpace space) {
      Draft const draft = Script::propose_tree(context, space);
      tokens.resize(1, 0);
      parents = {-1};
      return draft;
    }
  };
  Tokens const said = plainly(5);
  Diary model(options);
  TreeThenChain proposer;
  Token const wrong = (said[0] + 5) % 16;
  REQUIRE(wrong != said[2]);
  proposer.tokens = {wrong, said[0]};
  proposer.parents = {-1, -1};
  Composer composer(model, proposer, GreedyVerifier());
  composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 20});
  model.calls.clear();
  composer.step(show_nothing);
  composer.step(show_nothing);
  CHECK(model.calls == std::vector<std::string>{"trees 2", "keep 5: 1", "chains", "truncate to 7"});
}

TEST_CASE("a draft is no longer than the turn allows, nodes counted") {
  Diary model(options);
  Composer composer(model, Script{.tokens = {1, 2, 3, 4}, .parents = {-1, -1, -1, -1}}, GreedyVerifier());
  composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 20, .max_draft_length = 3});
  composer.step(show_nothing);
  CHECK(composer.sequence(SequenceId{0}).counters().drafted == 3);
  composer.truncate(SequenceId{0}, 5);
  composer.begin(SequenceId{0}, {}, {.max_new_tokens = 3});
  composer.step(show_nothing);
  CHECK(composer.sequence(SequenceId{0}).counters().drafted == 5);
}

TEST_CASE("the branches of a pass are shared by the sequences that wait for a token") {
  std::vector<std::size_t> shares;
  auto const shared = [&](Script script, ToyModelOptions const& toy) {
    shares.clear();
    Toy model(toy);
    script.shares = &shares;
    Composer composer(model, script, GreedyVerifier());
    for (int i = 0; i < 3; ++i) composer.begin(SequenceId{i}, Tokens{1}, {.max_new_tokens = 9, .max_draft_length = 4});
    composer.begin(SequenceId{3}, Tokens{1, 2, 3}, {.max_new_tokens = 9, .max_draft_length = 4});
    composer.step(show_nothing);
    return shares;
  };
  using Shares = std::vector<std::size_t>;
  // What one does not need, the others have; prompts come last.
  CHECK(shared({}, options) == Shares{2, 3, 7, 7});
  CHECK(shared({.tokens = {1, 2, 3}, .parents = {-1, -1, -1}}, options) == Shares{2, 2, 3, 1});
  CHECK(shared({.tokens = {1, 2}, .parents = {-1, -1}}, options) == Shares{2, 3, 5, 4});
  ToyModelOptions few = options;
  few.max_branches = 2;
  CHECK(shared({.tokens = {1, 2}, .parents = {-1, -1}}, few) == Shares{0, 1, 1, 0});
  few.max_branches = 0;
  CHECK(shared({}, few) == Shares{0, 0, 0, 0});
}

TEST_CASE("a path that could not be kept is fed again, and not judged again") {
  Tokens const said = plainly(20);
  Diary model(options);
  Composer composer(model, Script{.tokens = {other(said[0]), said[0], said[1]}, .parents = {-1, -1, 1}},
                    GreedyVerifier());
  composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 20});
  model.keeps = false;
  model.calls.clear();
  CHECK_THROWS_AS(composer.step(show_nothing), int);
  CHECK(composer.sequence(SequenceId{0}).generated().size() == 3);
  model.keeps = true;
  composer.step(show_nothing);
  CHECK(model.calls == std::vector<std::string>{"trees 3", "truncate to 5", "chains"});
  composer.run();
  CHECK(std::ranges::equal(composer.sequence(SequenceId{0}).generated(), said));
}

TEST_CASE("a path that was not kept in time is not kept later") {
  Tokens const said = plainly(20);
  Diary model(options);
  Composer composer(model, Script{.tokens = {other(said[0]), said[0], said[1]}, .parents = {-1, -1, 1}},
                    GreedyVerifier());
  // Two turns that a stop ends in this pass; cutting the first back fails, and the second is not reached.
  REQUIRE(said[0] != said[1]);
  for (int i = 0; i < 2; ++i)
    composer.begin(SequenceId{i}, prompt, {.max_new_tokens = 20, .stop = {.tokens = {said[1]}}});
  composer.begin(SequenceId{2}, prompt, {.max_new_tokens = 20});
  model.keeps = false;
  CHECK_THROWS_AS(composer.step(show_nothing), int);
  model.keeps = true;
  composer.step(show_nothing);
  model.calls.clear();
  composer.begin(SequenceId{1}, {}, {.max_new_tokens = 3});
  CHECK(model.calls.empty());
  composer.step(show_nothing);
  CHECK(model.calls.front() == "truncate to 5");
  composer.run();
  CHECK(
      std::ranges::equal(composer.sequence(SequenceId{1}).context().subspan(5), std::span<Token const>(said).first(5)));
}

TEST_CASE("no pass with trees allocates") {
  ToyModelOptions small = options;
  small.vocabulary = 4;
  small.checkpoint_interval = 4;
  Diary model(small);
  model.writes = false;
  // Every pair of tokens.
  Script const pairs{.tokens = {0, 1, 2, 3, 0, 0, 0, 0}, .parents = {-1, -1, -1, -1, 0, 1, 2, 3}};
  Composer composer(model, pairs, GreedyVerifier());
  for (int turn = 0; turn < 2; ++turn) {
    for (int i = 0; i < 4; ++i)
      composer.begin(SequenceId{i}, Tokens(static_cast<std::size_t>(1 + 10 * i), 1), {.max_new_tokens = 200});
    std::size_t const before = allocations() - model.own_allocations;
    composer.run();
    CHECK(allocations() - model.own_allocations == before);
  }
  for (int i = 0; i < 4; ++i) CHECK(composer.sequence(SequenceId{i}).counters().accepted > 20);
}
