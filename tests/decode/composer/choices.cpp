// SPDX-License-Identifier: MIT
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/draft_length.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/draft/best_draft.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/draft/proposer_traits.hpp>
#include <copyspec/draft/tree_proposer.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_verifier.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/composer_fixture.hpp"
#include "support/hostile_proposer.hpp"
#include "support/random.hpp"
#include "support/sampled_turn.hpp"
#include "support/thrown.hpp"
#include "support/tokens.hpp"
#include "support/watched_model.hpp"

using copyspec::BestDraft;
using copyspec::Composer;
using copyspec::Draft;
using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::max_draft_tokens;
using copyspec::PassCost;
using copyspec::RowHooks;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::Token;
using copyspec::TreeSpace;
using copyspec::testing::ToyModelOptions;
using copyspec_test::always_right;
using copyspec_test::HostileProposer;
using copyspec_test::id;
using copyspec_test::Random;
using copyspec_test::Refused;
using copyspec_test::show_nothing;
using copyspec_test::some_prompt;
using copyspec_test::Tokens;
using copyspec_test::WatchedModel;

namespace {

// A draft that was proposed, or a length that the proposer was told.
struct Event {
  enum Kind : std::uint8_t { proposed, chosen };
  Kind kind;
  std::size_t context;
  std::size_t length;
};

using Events = std::vector<Event>;

std::vector<std::string> in_words(Events const& events) {
  std::vector<std::string> words;
  for (Event const& it : events)
    words.push_back((it.kind == Event::proposed ? "proposed " : "chosen ") + std::to_string(it.length) + " after " +
                    std::to_string(it.context));
  return words;
}

// By the first token of a sequence.
using Log = std::map<Token, Events>;

// Writes a draft to `space`, as a tree if there is room for parents.
using Propose = std::function<Draft(std::span<Token const> context, TreeSpace space)>;

// Proposes chains, and writes down what it proposes and is told.
class Recording {
 public:
  Recording(Propose propose, Log& log) : propose_(std::move(propose)), log_(&log) {}

  Draft propose(std::span<Token const> context, std::span<Token> space) {
    return propose_and_note(context, {.tokens = space, .parents = {}});
  }
  void on_draft_chosen(std::span<Token const> context, std::size_t length) {
    (*log_)[context.front()].push_back({Event::chosen, context.size(), length});
  }
  static void truncate(std::size_t) {}

 protected:
  Draft propose_and_note(std::span<Token const> context, TreeSpace space) {
    Draft const draft = propose_(context, space);
    (*log_)[context.front()].push_back({Event::proposed, context.size(), draft.length});
    return draft;
  }

 private:
  Propose propose_;
  Log* log_;
};

// The same with trees.
struct RecordingTrees : Recording {
  using Recording::Recording;
  Draft propose_tree(std::span<Token const> context, TreeSpace space) { return propose_and_note(context, space); }
};

static_assert(copyspec::ChoiceObserver<Recording>);
static_assert(!copyspec::TreeProposer<Recording>);
static_assert(copyspec::TreeProposer<RecordingTrees>);

// Always proposes the same, also as a tree.
struct Script {
  Tokens tokens;
  std::vector<std::int32_t> parents = {};

  Draft operator()(std::span<Token const>, TreeSpace space) const {
    std::size_t const length = std::min(tokens.size(), space.tokens.size());
    std::copy_n(tokens.begin(), length, space.tokens.begin());
    std::copy_n(parents.begin(), std::min(length, space.parents.size()), space.parents.begin());
    return {length};
  }
};

// Anything, right or wrong.
Propose anything(ToyModelOptions const& options, std::string& wrong) {
  return [hostile = HostileProposer(HostileProposer::mixed, options, wrong)](std::span<Token const> context,
                                                                             TreeSpace space) mutable {
    return space.parents.empty() ? hostile.propose(context, space.tokens) : hostile.propose_tree(context, space);
  };
}

// No more than the first tokens of a draft are allowed.
SamplingOptions allowing(std::size_t length) {
  RowHooks hooks;
  hooks.allowed_draft = [length](std::span<Token const>, std::span<Token const>) { return length; };
  return {.temperature = 0, .hooks = copyspec_test::each_turn(hooks)};
}

using Words = std::vector<std::string>;

ToyModelOptions const sixteen{.vocabulary = 16, .order = 2, .max_tokens = 64, .max_branches = 3};

// What a proposer of this kind proposes and is told in the first `steps` steps.
template <class Recorder>
Words told(Script const& script, GenerateOptions const& turn, ToyModelOptions const& options = sixteen,
           std::size_t steps = 1) {
  Log log;
  WatchedModel model(options);
  Composer composer(model, Recorder(script, log), SamplingVerifier({.seed = 0}));
  composer.begin(id(0), some_prompt, turn);
  for (std::size_t i = 0; i < steps; ++i) composer.step(show_nothing);
  return in_words(log[some_prompt.front()]);
}

}  // namespace

TEST_CASE("a proposer is told the length of its draft where it is not fed whole, once") {
  Script const three{.tokens = {1, 2, 3}};
  Script const unknown{.tokens = {1, 2, 16, 3}};
  CHECK(told<Recording>(three, {}) == Words{"proposed 3 after 10"});
  CHECK(told<Recording>({}, {}) == Words{"proposed 0 after 10"});
  CHECK(told<Recording>(three, {.max_draft_length = 2}) == Words{"proposed 2 after 10"});
  // A token outside the vocabulary.
  CHECK(told<Recording>(unknown, {}) == Words{"proposed 4 after 10", "chosen 2 after 10"});
  // A grammar.
  CHECK(told<Recording>(three, {.sampling = allowing(1)}) == Words{"proposed 3 after 10", "chosen 1 after 10"});
  CHECK(told<Recording>(three, {.sampling = allowing(0)}) == Words{"proposed 3 after 10", "chosen 0 after 10"});
  CHECK(told<Recording>(three, {.sampling = allowing(3)}) == Words{"proposed 3 after 10"});
  // Both.
  CHECK(told<Recording>(unknown, {.sampling = allowing(1)}) == Words{"proposed 4 after 10", "chosen 1 after 10"});
  CHECK(told<Recording>(unknown, {.sampling = allowing(3)}) == Words{"proposed 4 after 10", "chosen 2 after 10"});
}

TEST_CASE("a proposer that is not asked is told that no draft is fed") {
  Script const three{.tokens = {1, 2, 3}};
  CHECK(told<Recording>(three, {.max_draft_length = 0}) == Words{"chosen 0 after 10"});
  CHECK(told<Recording>(three, {.max_new_tokens = 1}) == Words{"chosen 0 after 10"});
  // Two parts of a prompt come first.
  ToyModelOptions few = sixteen;
  few.max_tokens = 4;
  CHECK(told<Recording>(three, {}, few, 3) == Words{"chosen 0 after 10", "chosen 0 after 10", "proposed 2 after 10"});
}

TEST_CASE("in a pass that repeats a refused one, a proposer is told that no draft is fed") {
  Log log;
  WatchedModel model(sixteen);
  Composer composer(model, Recording(Script{.tokens = {1, 16, 3}}, log), SamplingVerifier({.seed = 0}));
  composer.begin(id(0), some_prompt, {});
  composer.begin(id(1), Tokens{7}, {.max_draft_length = 0});
  model.fails = [](std::size_t call) { return call == 1 || call == 3 || call == 4; };
  composer.step(show_nothing);
  CHECK(in_words(log[3]) == Words{"proposed 3 after 10", "chosen 1 after 10", "chosen 0 after 10"});
  CHECK(in_words(log[7]) == Words{"chosen 0 after 1", "chosen 0 after 1"});
  // Without drafts it is refused as well, so the proposer is asked again.
  log.clear();
  CHECK_THROWS_AS(composer.step(show_nothing), Refused);
  composer.step(show_nothing);
  CHECK(in_words(log[3]) == Words{"proposed 3 after 11", "chosen 1 after 11", "chosen 0 after 11",
                                  "proposed 3 after 11", "chosen 1 after 11"});
  CHECK(in_words(log[7]) == Words{"chosen 0 after 2", "chosen 0 after 2", "chosen 0 after 2"});
}

TEST_CASE("of a tree, a proposer is told the number of nodes that are fed") {
  Script const whole{.tokens = {1, 2, 3, 4}, .parents = {-1, -1, 1, 0}};
  Script const unknown{.tokens = {1, 2, 3, 16}, .parents = {-1, -1, 1, 0}};
  // What is left of it is a chain, which a grammar may truncate further.
  Script const chain{.tokens = {1, 2, 16, 4}, .parents = {-1, 0, -1, 2}};
  CHECK(told<RecordingTrees>(whole, {.sampling = allowing(0)}) == Words{"proposed 4 after 10"});
  CHECK(told<RecordingTrees>(unknown, {.sampling = allowing(0)}) == Words{"proposed 4 after 10", "chosen 3 after 10"});
  CHECK(told<RecordingTrees>(chain, {}) == Words{"proposed 4 after 10", "chosen 2 after 10"});
  CHECK(told<RecordingTrees>(chain, {.sampling = allowing(1)}) == Words{"proposed 4 after 10", "chosen 1 after 10"});
  ToyModelOptions chains = sixteen;
  chains.max_branches = 0;
  CHECK(told<RecordingTrees>(unknown, {}, chains) == Words{"proposed 4 after 10", "chosen 3 after 10"});
}

namespace {

// Whether a sequence of which `rows` rows were returned was told of its draft as the law of `ChoiceObserver` says, in a
// step of one pass, or of two if the first was `refused`.
bool keeps_law(Events events, std::size_t context, std::size_t rows, bool refused) {
  if (std::ranges::any_of(events, [&](Event const& it) { return it.context != context; })) return false;
  if (events.empty() || events.back().length != (rows == 0 ? 0 : rows - 1)) return false;
  if (refused) {
    if (events.back().kind != Event::chosen) return false;
    events.pop_back();
    if (events.empty()) return true;  // it was held over in the first pass
  }
  bool const asked = events[0].kind == Event::proposed;
  if (!asked) return events.size() == 1 && events[0].length == 0;
  return events.size() == 1 ||
         (events.size() == 2 && events[1].kind == Event::chosen && events[1].length < events[0].length);
}

// Runs sequences over an engine that refuses passes, and counts the drafts that were truncated, and those that were not
// fed because a pass was repeated.
template <class Proposer>
void check_law(std::uint64_t seed, std::size_t& truncated, std::size_t& repeated) {
  Random random(seed);
  ToyModelOptions const options{.vocabulary = 12,
                                .order = 2,
                                .seed = seed,
                                .max_tokens = random.any_of<std::size_t>({1, 4, 9, 100}),
                                .checkpoint_interval = random.any_of<std::size_t>({1, 1, 4}),
                                .max_branches = random.any_of<std::size_t>({0, 4})};
  WatchedModel model(options);
  std::size_t calls = 0;
  model.fails = [&](std::size_t) { return ++calls % 5 == 0 || random.one_in(7); };
  Log log;
  std::string wrong;
  Composer composer(model, Proposer(anything(options, wrong), log), SamplingVerifier({.seed = 0}));
  std::map<Token, std::size_t> lengths;
  for (std::size_t i = 0; i < 3; ++i) {
    Tokens prompt = copyspec_test::any_tokens(random, 12, random.any_of<std::size_t>({1, 2, 30}));
    prompt.front() = static_cast<Token>(i);
    GenerateOptions turn{.max_new_tokens = random.between(1, 40), .max_draft_length = random.below(7)};
    if (random.one_in(2)) turn.sampling = allowing(random.below(4));
    composer.begin(id(i), prompt, turn);
  }
  for (bool more = true; more;) {
    log.clear();
    calls = 0;
    for (std::size_t i = 0; i < 3; ++i) lengths[static_cast<Token>(i)] = composer.sequence(id(i)).length();
    try {
      more = composer.step(show_nothing);
    } catch (Refused const&) {
      continue;
    }
    for (auto const& share : model.newest) {
      auto const sequence = static_cast<Token>(share.sequence);
      Events const& events = log[sequence];
      CAPTURE(sequence);
      CHECK(keeps_law(events, lengths[sequence], share.rows, calls > 1));
      truncated += events.size() == 2 && calls == 1 ? 1U : 0U;
      repeated += events.size() >= 2 && calls > 1 ? 1U : 0U;
    }
  }
  CHECK(wrong == "");
}

}  // namespace

TEST_CASE("a proposer always knows how long the draft is that is fed, and hears of it no more than once a pass") {
  std::size_t truncated = 0, repeated = 0, truncated_trees = 0, repeated_trees = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    check_law<Recording>(seed, truncated, repeated);
    check_law<RecordingTrees>(seed, truncated_trees, repeated_trees);
  }
  CHECK(truncated > 50);
  CHECK(repeated > 50);
  CHECK(truncated_trees > 50);
  CHECK(repeated_trees > 50);
}

namespace {

// Proposes this many tokens, all of them right, and tells this probability of each.
class Telling {
 public:
  Telling(std::size_t length, float probability, ToyModelOptions const& options)
      : length_(length), inner_(always_right(options)) {
    probabilities_.fill(probability);
  }

  Draft propose(std::span<Token const> context, std::span<Token> space) {
    Draft draft = inner_.propose(context, space.first(std::min(length_, space.size())));
    draft.probabilities = std::span(probabilities_).first(draft.length);
    return draft;
  }
  void truncate(std::size_t length) { inner_.truncate(length); }

 private:
  std::size_t length_;
  HostileProposer inner_;
  std::array<float, max_draft_tokens> probabilities_{};
};

}  // namespace

TEST_CASE("a draft that was refused costs BestDraft one row, so it does not take longer drafts after it") {
  ToyModelOptions const options;
  WatchedModel model(options);
  // The longer draft gains more where a token costs more than 0.8 passes, as it does at first.
  BestDraft const best(PassCost::marginal(0.5), Telling(4, 0.97F, options), Telling(8, 0.944F, options));
  Composer composer(model, best, GreedyVerifier());
  composer.begin(id(0), some_prompt, {.max_new_tokens = 100});
  // After the first pass: one that is refused, one that repeats it, and one that is not refused.
  model.fails = [](std::size_t call) { return call % 3 == 2; };
  composer.step(show_nothing);
  REQUIRE(model.newest[0].rows == 9);
  for (int i = 0; i < 10; ++i) {
    composer.step(show_nothing);
    CHECK(model.newest[0].rows == 1);
    composer.step(show_nothing);
    CHECK(model.newest[0].rows == 5);
  }
}
