// SPDX-License-Identifier: MIT
#include <copyspec/decode/batch.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/decode/composer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/random.hpp"

namespace {

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::DecodeBatch;
using copyspec::Draft;
using copyspec::EngineLimits;
using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::MixingProposer;
using copyspec::NoProposer;
using copyspec::OutputDelta;
using copyspec::PassCost;
using copyspec::PassPlan;
using copyspec::Segment;
using copyspec::Sequence;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::StopDecision;
using copyspec::Token;
using copyspec::TreeSegment;
using copyspec::TreeSpace;
using copyspec::Truncation;
using copyspec::Verdict;
using copyspec::testing::ToyModelOptions;

using Toy = copyspec::testing::ToyModel<float>;
using Tokens = std::vector<Token>;
using copyspec_test::Random;

Tokens copy(std::span<Token const> tokens) {
  return {tokens.begin(), tokens.end()};
}

struct Refused {};

// Writes down what it is fed, and fails now and then, sometimes after it has fed something.
class Engine {
 public:
  Engine(ToyModelOptions const& options, std::size_t fails_one_in) : toy_(options), fails_one_in_(fails_one_in) {}

  std::vector<std::string> fed;  // in passes that did not fail
  std::size_t failed = 0;
  std::size_t trees = 0;
  std::size_t kept = 0;  // nodes

  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }
  [[nodiscard]] std::size_t max_branches() const { return toy_.max_branches(); }
  [[nodiscard]] std::span<Token const> held(SequenceId id) const { return toy_.held(id); }

  LogitsView<float> forward(std::span<Segment const> batch) { return run(batch); }
  LogitsView<float> forward(std::span<TreeSegment const> batch) {
    ++trees;
    return run(batch);
  }
  std::size_t truncate(SequenceId id, std::size_t length) { return toy_.truncate(id, length); }
  std::size_t keep(SequenceId id, std::size_t length, std::span<std::int32_t const> path) {
    kept += path.size();
    return toy_.keep(id, length, path);
  }

 private:
  template <class AnySegment>
  LogitsView<float> run(std::span<AnySegment const> batch) {
    ++calls_;
    bool const fails = fails_one_in_ > 0 && calls_ * 2654435761U % 1000 < 1000 / fails_one_in_;
    if (fails && calls_ % 2 == 0) throw_away();
    LogitsView<float> const rows = toy_.forward(batch);
    if (fails) throw_away();
    fed.emplace_back();
    for (AnySegment const& segment : batch) {
      fed.back() += "(" + std::to_string(static_cast<std::int32_t>(segment.sequence)) + ":";
      for (Token const token : segment.tokens) fed.back() += " " + std::to_string(token);
      fed.back() += ", " + std::to_string(segment.rows) + ")";
    }
    return rows;
  }

  [[noreturn]] void throw_away() {
    ++failed;
    throw Refused{};
  }

  Toy toy_;
  std::size_t fails_one_in_;
  std::size_t calls_ = 0;
};

// Copies, and where there are branches, puts a wrong guess before what it copies.
class CopiesInTrees {
 public:
  Draft propose(std::span<Token const> context, std::span<Token> space) { return copying_.propose(context, space); }
  Draft propose_tree(std::span<Token const> context, TreeSpace space) {
    if (space.tokens.size() < 2) return {};
    Draft const chain = propose(context, space.tokens.subspan(1));
    if (chain.length == 0) return {};
    space.tokens[0] = space.tokens[1] == 0 ? 1 : 0;
    space.parents[0] = space.parents[1] = -1;
    for (std::size_t i = 1; i < chain.length; ++i) space.parents[i + 1] = static_cast<std::int32_t>(i);
    return {chain.length + 1};
  }
  void truncate(std::size_t length) { copying_.truncate(length); }
  void reserve(std::size_t length) { copying_.reserve(length); }

 private:
  CopyProposer copying_{{.match_length = 1, .draft_length = 6}};
};

using Batch = DecodeBatch<CopiesInTrees, GreedyVerifier>;

// The shortest loop around a batch, with the calls of a composer.
class ByHand {
 public:
  explicit ByHand(Engine& engine)
      : engine_(engine), batch_(copyspec::limits_of(engine), CopiesInTrees(), GreedyVerifier()) {}

  void begin(SequenceId id, std::span<Token const> prompt, GenerateOptions const& options) {
    batch_.begin(id, prompt, options);
  }
  void truncate(SequenceId id, std::size_t length) { batch_.truncate(id, length); }
  void remove(SequenceId id) {
    if (batch_.remove(id)) engine_.truncate(id, 0);
  }
  [[nodiscard]] Sequence const& sequence(SequenceId id) const { return batch_.sequence(id); }

  template <class OnTokens>
  bool step(OnTokens&& on_tokens) {
    std::optional<LogitsView<float>> rows;
    while (!rows) {
      forget();
      PassPlan const plan = batch_.plan();
      if (plan.segments.empty()) break;
      try {
        rows = plan.tree_segments.empty() ? engine_.forward(plan.segments) : engine_.forward(plan.tree_segments);
      } catch (Refused const&) {
        if (!batch_.fail()) throw;
      }
    }
    if (rows) {
      batch_.commit(*rows);
      forget();
    }
    batch_.emit(on_tokens);
    return batch_.running();
  }

 private:
  void forget() {
    while (auto const due = batch_.next_truncation())
      batch_.truncated(due->sequence, due->path.empty() ? engine_.truncate(due->sequence, due->length)
                                                        : engine_.keep(due->sequence, due->length, due->path));
  }

  Engine& engine_;
  Batch batch_;
};

// One token a pass, of this sequence alone.
Tokens plainly(ToyModelOptions options, Tokens const& context, GenerateOptions const& turn, SequenceStatus& status) {
  options.max_tokens = options.context_limit;
  Toy model(options);
  Composer composer(model, NoProposer(), GreedyVerifier());
  Tokens const said = copy(composer.generate(context, turn));
  status = composer.sequence(SequenceId{0}).status();
  return said;
}

// Sequences that join and leave, with everything that can be done to them. Returns what was shown of all.
template <class Driver>
std::vector<std::string> drive(Driver& driver, ToyModelOptions const& options, std::uint64_t seed) {
  struct Talk {
    std::size_t turns = 3;
    bool known = false;
    Tokens said;
    SequenceStatus status = SequenceStatus::idle;
  };
  Random random(seed);
  std::vector<Talk> talks(random.between(1, 5));
  std::vector<std::string> shown;
  auto const any_stop = [&] { return static_cast<Token>(random.below(options.vocabulary)); };
  for (bool busy = true; busy;) {
    for (std::size_t i = 0; i < talks.size(); ++i) {
      Talk& talk = talks[i];
      SequenceId const id{static_cast<std::int32_t>(i)};
      if (talk.known && random.one_in(20)) {
        if (random.one_in(3)) {
          driver.remove(id);
          talk.known = false;
        } else {
          driver.truncate(id, random.below(driver.sequence(id).length() + 1));
        }
      }
      if (talk.turns == 0 || (talk.known && driver.sequence(id).running()) || random.one_in(2)) continue;
      Tokens context = talk.known ? copy(driver.sequence(id).context()) : Tokens();
      Tokens prompt(random.any_of<std::size_t>({1, 2, 30}));
      for (Token& token : prompt) token = static_cast<Token>(random.below(options.vocabulary));
      if (context.size() + prompt.size() >= options.context_limit) {
        talk.turns = 0;
        continue;
      }
      --talk.turns;
      GenerateOptions turn{.max_new_tokens = random.between(0, 40)};
      if (random.one_in(2)) turn.stop.sequences = {{any_stop(), any_stop()}};
      context.insert(context.end(), prompt.begin(), prompt.end());
      talk.said = plainly(options, context, turn, talk.status);
      talk.known = true;
      driver.begin(id, prompt, turn);
    }
    try {
      busy = driver.step([&](OutputDelta const& delta) {
        shown.push_back(std::to_string(static_cast<std::int32_t>(delta.sequence)) + ":");
        for (Token const token : delta.tokens) shown.back() += " " + std::to_string(token);
        if (delta.status == SequenceStatus::running) return;
        shown.back() += " end " + std::to_string(static_cast<int>(delta.status));
        Talk const& talk = talks[static_cast<std::size_t>(delta.sequence)];
        CHECK(copy(driver.sequence(delta.sequence).generated()) == talk.said);
        CHECK(delta.status == talk.status);
      });
    } catch (Refused const&) {
      shown.emplace_back("failed");
    }
    for (Talk const& talk : talks) busy = busy || talk.turns > 0;
  }
  return shown;
}

SequenceId id(std::size_t number) {
  return SequenceId{static_cast<std::int32_t>(number)};
}

constexpr auto show_nothing = [](OutputDelta const&) {};

}  // namespace

TEST_CASE("a batch driven by hand feeds and says what a composer does, and says what plain decoding says") {
  std::size_t failed = 0, trees = 0, kept = 0;
  for (std::uint64_t seed = 1; seed <= 600; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ToyModelOptions const options{.vocabulary = random.between(2, 20),
                                  .order = random.between(1, 3),
                                  .seed = seed,
                                  .max_tokens = random.any_of<std::size_t>({1, 2, 3, 7, 20, 100}),
                                  .context_limit = random.any_of<std::size_t>({40, 4096}),
                                  .checkpoint_interval = random.any_of<std::size_t>({1, 1, 4}),
                                  .max_branches = random.any_of<std::size_t>({0, 1, 5})};
    std::size_t const fails_one_in = random.any_of<std::size_t>({0, 5, 20});
    Engine one(options, fails_one_in), other(options, fails_one_in);
    ByHand by_hand(one);
    Composer composer(other, CopiesInTrees(), GreedyVerifier());
    std::vector<std::string> const shown = drive(by_hand, options, seed);
    REQUIRE(shown == drive(composer, options, seed));
    REQUIRE(one.fed == other.fed);
    failed += one.failed;
    trees += one.trees;
    kept += one.kept;
  }
  CHECK(failed > 500);
  CHECK(trees > 500);
  CHECK(kept > 500);
}

namespace {

EngineLimits const limits{.vocabulary_size = 8, .max_tokens = 8, .context_limit = 500};

// Rows that all give token 1, as many as `plan` wants, in storage that lasts.
LogitsView<float> rows_for(PassPlan const& plan) {
  static std::vector<float> const values = [] {
    std::vector<float> some(std::size_t{64} * 8);
    for (std::size_t row = 0; row < 64; ++row) some[row * 8 + 1] = 1.0F;
    return some;
  }();
  std::size_t rows = 0;
  for (Segment const& segment : plan.segments) rows += segment.rows;
  return {values.data(), rows, 8};
}

template <class AnyBatch>
void forget_exactly(AnyBatch& batch) {
  while (auto const due = batch.next_truncation()) batch.truncated(due->sequence, due->length);
}

// Always drafts so many tokens, of which the first are right.
struct Drafting {
  Tokens tokens;
  Draft propose(std::span<Token const>, std::span<Token> space) const {
    std::size_t const length = std::min(tokens.size(), space.size());
    std::copy_n(tokens.begin(), length, space.begin());
    return {length};
  }
  static void truncate(std::size_t) {}
};

template <class AnyBatch>
std::map<SequenceId, std::size_t> fed_by(AnyBatch& batch, PassPlan const& plan) {
  std::map<SequenceId, std::size_t> fed;
  for (Segment const& segment : plan.segments) fed[segment.sequence] = segment.tokens.size();
  batch.commit(rows_for(plan));
  forget_exactly(batch);
  return fed;
}

}  // namespace

TEST_CASE("every sequence gets a token before any gets more, and prompts are fed in chunks of what is left") {
  DecodeBatch batch(limits, Drafting{{1, 1, 1, 1, 1}}, GreedyVerifier());
  batch.begin(id(0), Tokens(20, 2), {});
  batch.begin(id(1), Tokens(1, 2), {.max_draft_length = 2});
  batch.begin(id(2), Tokens(1, 2), {});
  // The second has three, the third what is left but for one, and the prompt one.
  using Fed = std::map<SequenceId, std::size_t>;
  CHECK(fed_by(batch, batch.plan()) == Fed{{id(0), 1}, {id(1), 3}, {id(2), 4}});
  CHECK(fed_by(batch, batch.plan(3)) == Fed{{id(0), 1}, {id(1), 1}, {id(2), 1}});
  batch.truncate(id(1), 0);
  batch.truncate(id(2), 0);
  CHECK(fed_by(batch, batch.plan()) == Fed{{id(0), 8}});
  CHECK(fed_by(batch, batch.plan()) == Fed{{id(0), 8}});
  CHECK(batch.sequence(id(0)).counters().prefill_passes == 4);
}

TEST_CASE("drafts leave prompts the tokens that are for these, as far as they need them") {
  using Fed = std::map<SequenceId, std::size_t>;
  auto const fed = [](std::size_t prompt, std::size_t for_prompts) {
    DecodeBatch batch(limits, Drafting{{1, 1, 1, 1, 1}}, GreedyVerifier());
    batch.begin(id(0), Tokens(prompt, 2), {});
    batch.begin(id(1), Tokens(1, 2), {.max_draft_length = 2});
    batch.begin(id(2), Tokens(1, 2), {});
    return fed_by(batch, batch.plan(8, for_prompts));
  };
  CHECK(fed(20, 0) == Fed{{id(0), 1}, {id(1), 3}, {id(2), 4}});
  CHECK(fed(20, 2) == Fed{{id(0), 3}, {id(1), 3}, {id(2), 2}});
  CHECK(fed(20, 3) == Fed{{id(0), 4}, {id(1), 3}, {id(2), 1}});
  CHECK(fed(20, 100) == Fed{{id(0), 6}, {id(1), 1}, {id(2), 1}});
  // One token it gets anyway.
  CHECK(fed(3, 100) == Fed{{id(0), 3}, {id(1), 3}, {id(2), 2}});
  CHECK(fed(1, 100) == fed(1, 0));
}

TEST_CASE("tokens for prompts do not change whose turn it is") {
  for (std::size_t const for_prompts : {0U, 1U, 9U}) {
    DecodeBatch batch(limits, Drafting{{1, 1}}, GreedyVerifier());
    for (std::size_t i = 0; i < 5; ++i) batch.begin(id(i), Tokens(i % 2 == 0 ? 1 : 30, 2), {});
    PassPlan const plan = batch.plan(3, for_prompts);
    CHECK(plan.segments.size() == 3);
    CHECK(std::vector(plan.held_over.begin(), plan.held_over.end()) == std::vector{id(3), id(4)});
  }
}

TEST_CASE("those that a pass has no token for are named, and come first in the next") {
  for (std::size_t const budget : {1U, 2U, 3U, 4U}) {
    CAPTURE(budget);
    DecodeBatch batch(limits, Drafting{{1, 1}}, GreedyVerifier());
    for (std::size_t i = 0; i < 5; ++i) batch.begin(id(i), Tokens(i % 2 == 0 ? 1 : 30, 2), {.max_new_tokens = 100});
    std::vector<SequenceId> held_over;
    std::map<SequenceId, std::size_t> served;
    for (std::size_t pass = 0; pass < 50; ++pass) {
      PassPlan const plan = batch.plan(budget);
      CHECK(plan.segments.size() == budget);
      CHECK(plan.held_over.size() == 5 - budget);
      // In the order in which they were held over, as many as there are tokens.
      for (std::size_t i = 0; i < std::min(budget, held_over.size()); ++i)
        CHECK(plan.segments[i].sequence == held_over[i]);
      held_over.assign(plan.held_over.begin(), plan.held_over.end());
      for (auto const& [sequence, tokens] : fed_by(batch, plan)) served[sequence] += tokens;
    }
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(served[id(i)] >= 10 * budget - 1);
      CHECK(served[id(i)] <= 10 * budget + 1);
    }
  }
}

TEST_CASE("without a budget all are held over, and without sequences nothing is planned") {
  DecodeBatch batch(limits, NoProposer(), GreedyVerifier());
  PassPlan const nothing = batch.plan();
  CHECK(nothing.segments.empty());
  CHECK(nothing.held_over.empty());
  batch.begin(id(3), Tokens{2}, {});
  PassPlan const later = batch.plan(0);
  CHECK(later.segments.empty());
  CHECK(std::ranges::equal(later.held_over, std::vector{id(3)}));
  CHECK(batch.plan().segments.size() == 1);
}

TEST_CASE("after a pass with drafts that failed, all is as before, and one plan has no drafts") {
  DecodeBatch batch(limits, Drafting{{1, 1, 7}}, GreedyVerifier());
  batch.begin(id(0), Tokens{2}, {});
  auto const rows = [](PassPlan const& plan) { return plan.segments[0].rows; };
  PassPlan plan = batch.plan();
  CHECK(plan.has_drafts);
  CHECK(rows(plan) == 4);
  CHECK(batch.fail());
  CHECK(batch.sequence(id(0)).length() == 1);
  std::optional<Truncation> const due = batch.next_truncation();
  REQUIRE(due);
  CHECK(due->length == 0);
  batch.truncated(id(0), 0);
  CHECK_FALSE(batch.next_truncation());
  plan = batch.plan();
  CHECK_FALSE(plan.has_drafts);
  CHECK(rows(plan) == 1);
  // It failed without, too: that is no reason to do without again.
  CHECK_FALSE(batch.fail());
  forget_exactly(batch);
  plan = batch.plan();
  CHECK(rows(plan) == 4);
  batch.commit(rows_for(plan));
  CHECK(copy(batch.sequence(id(0)).generated()) == Tokens{1, 1, 1});
}

TEST_CASE("a draft is fed up to the first token that is outside the vocabulary") {
  DecodeBatch batch(limits, Drafting{{1, 8, 1}}, GreedyVerifier());
  batch.begin(id(0), Tokens{2}, {});
  CHECK(copy(batch.plan().segments[0].tokens) == Tokens{2, 1});
}

TEST_CASE("a truncation that was not answered is asked for again") {
  DecodeBatch batch(limits, Drafting{{1, 7, 7}}, GreedyVerifier());
  for (std::size_t i = 0; i < 2; ++i) batch.begin(id(i), Tokens{2}, {});
  batch.commit(rows_for(batch.plan()));
  CHECK(batch.next_truncation()->sequence == id(0));
  CHECK(batch.next_truncation()->sequence == id(0));
  batch.truncated(id(0), 1);
  CHECK(batch.sequence(id(0)).cached() == 1);
  std::optional<Truncation> const due = batch.next_truncation();
  REQUIRE(due);
  CHECK(due->sequence == id(1));
  CHECK(due->length == 2);
  batch.truncated(id(1), 2);
  CHECK_FALSE(batch.next_truncation());
  CHECK_FALSE(batch.next_truncation());
}

TEST_CASE("what the engine lost between passes is fed again, in a pass without a draft") {
  DecodeBatch batch(limits, Drafting{{1, 1}}, GreedyVerifier());
  batch.begin(id(0), Tokens(3, 1), {});
  batch.begin(id(1), Tokens(3, 1), {});
  fed_by(batch, batch.plan());
  std::size_t const cached = batch.sequence(id(0)).cached();
  REQUIRE(cached >= 3);
  batch.truncated(id(0), 1);
  CHECK_FALSE(batch.next_truncation());
  PassPlan const plan = batch.plan();
  REQUIRE(plan.segments.size() == 2);
  // The other one, which waits for one token, comes first and has its draft.
  CHECK(plan.segments[0].sequence == id(1));
  CHECK(plan.segments[0].rows == 3);
  CHECK(plan.segments[1].tokens.size() == batch.sequence(id(0)).length() - 1);
  CHECK(plan.segments[1].rows == 1);
  std::size_t const length = batch.sequence(id(0)).length();
  batch.commit(rows_for(plan));
  CHECK(batch.sequence(id(0)).length() == length + 1);
}

TEST_CASE("a sequence that ended is truncated after its pass, or when it begins again") {
  DecodeBatch batch(limits, Drafting{{1, 1, 1}}, GreedyVerifier());
  for (std::size_t i = 0; i < 2; ++i) batch.begin(id(i), Tokens{2}, {.stop = {.tokens = {1}}});
  batch.commit(rows_for(batch.plan()));
  CHECK_FALSE(batch.running());
  CHECK(batch.next_truncation()->length == 2);
  batch.truncated(id(0), 2);
  // Unless another leaves first.
  batch.remove(id(0));
  CHECK_FALSE(batch.next_truncation());
  CHECK(batch.truncation(id(1))->length == 2);
  batch.begin(id(1), Tokens{}, {});
  CHECK(batch.next_truncation()->length == 1);
  batch.truncated(id(1), 1);
  CHECK(batch.plan().segments.size() == 1);
}

TEST_CASE("a path is asked for once") {
  EngineLimits trees = limits;
  trees.max_branches = 2;
  struct Script : Drafting {
    static Draft propose_tree(std::span<Token const>, TreeSpace space) {
      space.tokens[0] = 7;
      space.tokens[1] = 1;
      space.parents[0] = space.parents[1] = -1;
      return {2};
    }
  };
  DecodeBatch batch(trees, Script{}, GreedyVerifier());
  batch.begin(id(0), Tokens{2}, {});
  PassPlan const plan = batch.plan();
  REQUIRE(plan.tree_segments.size() == 1);
  CHECK(plan.tree_segments[0].parents.size() == 2);
  batch.commit(rows_for(plan));
  std::optional<Truncation> due = batch.next_truncation();
  REQUIRE(due);
  CHECK(due->length == 1);
  CHECK(std::ranges::equal(due->path, std::vector{1}));
  due = batch.next_truncation();
  REQUIRE(due);
  CHECK(due->length == 1);
  CHECK(due->path.empty());
  batch.truncated(id(0), 1);
  CHECK(batch.sequence(id(0)).pending() == 2);
}

TEST_CASE("between two begins nothing is allocated") {
  Toy model({.vocabulary = 8, .order = 2, .max_tokens = 16, .checkpoint_interval = 4, .max_branches = 4});
  DecodeBatch batch(copyspec::limits_of(model), CopiesInTrees(), GreedyVerifier());
  std::size_t allocated = 0;
  auto const counted = [&](auto&& call) {
    std::size_t const before = allocations();
    if constexpr (requires { PassPlan(call()); }) {
      PassPlan const plan = call();
      allocated += allocations() - before;
      return plan;
    } else {
      call();
      allocated += allocations() - before;
    }
  };
  std::size_t shown = 0;
  auto const show = [&](OutputDelta const& delta) { shown += delta.tokens.size(); };
  for (int turn = 0; turn < 2; ++turn) {
    for (std::size_t i = 0; i < 4; ++i)
      batch.begin(id(i), Tokens(1 + 10 * i, static_cast<Token>(i)), {.max_new_tokens = 100});
    for (std::size_t pass = 0; batch.running(); ++pass) {
      while (auto const due = batch.next_truncation()) {
        std::size_t const held = due->path.empty() ? model.truncate(due->sequence, due->length)
                                                   : model.keep(due->sequence, due->length, due->path);
        counted([&] { batch.truncated(due->sequence, held); });
      }
      PassPlan const plan = counted([&] { return batch.plan(); });
      if (pass % 5 == 0) {
        counted([&] { batch.fail(); });
        continue;
      }
      auto const rows = plan.tree_segments.empty() ? model.forward(plan.segments) : model.forward(plan.tree_segments);
      counted([&] { batch.commit(rows); });
      counted([&] { batch.report(0.001); });
      counted([&] { batch.emit(show); });
    }
  }
  CHECK(allocated == 0);
  CHECK(shown == 800);
  CHECK(batch.sequence(id(3)).counters().accepted > 0);
}

TEST_CASE("what passes cost is learnt from reports, and stays as it was without") {
  auto const cost_after = [](bool reports) {
    MixingProposer const proposer;
    Toy model({.vocabulary = 8, .order = 1});
    DecodeBatch batch(copyspec::limits_of(model), proposer, GreedyVerifier());
    for (std::size_t i = 0; i < 2; ++i) batch.begin(id(i), Tokens(10, 1), {.max_new_tokens = 200});
    while (batch.running()) {
      while (auto const due = batch.next_truncation())
        batch.truncated(due->sequence, model.truncate(due->sequence, due->length));
      PassPlan const plan = batch.plan();
      std::size_t rows = 0;
      for (Segment const& segment : plan.segments) rows += segment.rows;
      batch.commit(model.forward(plan.segments));
      // Rows that cost hardly anything.
      if (reports) batch.report(1.0 + 0.001 * static_cast<double>(rows));
    }
    return proposer.pass_cost();
  };
  PassCost const prior;
  PassCost const unreported = cost_after(false);
  PassCost const reported = cost_after(true);
  for (std::size_t rows = 1; rows < 20; ++rows) CHECK(unreported(rows) == prior(rows));
  CHECK(reported(8) < prior(8));
}

namespace {

struct Told {
  std::vector<std::string> calls;
  std::vector<copyspec::PassReport> reports;
  bool throws = false;

  void note(char const* call, std::span<Token const> context, std::size_t at) {
    calls.push_back(call + std::to_string(context.size()) + " from " + std::to_string(at));
    if (throws) throw Refused{};
  }
};

struct ToldProposer : NoProposer {
  Told* told;
  explicit ToldProposer(Told& all) : told(&all) {}
  void truncate(std::size_t length) const { told->calls.push_back("truncated to " + std::to_string(length)); }
  void reserve(std::size_t length) const { told->calls.push_back("reserved " + std::to_string(length)); }
  void on_turn_begin(std::span<Token const> context, std::size_t prompt) const {
    told->note("proposer begins ", context, prompt);
  }
  void on_turn_end(std::span<Token const> context, std::size_t answer) const {
    told->note("proposer ends ", context, answer);
  }
  void on_pass(copyspec::PassReport const& report) const { told->reports.push_back(report); }
};

struct ToldVerifier : GreedyVerifier {
  Told* told;
  explicit ToldVerifier(Told& all) : told(&all) {}
  void on_turn_begin(std::span<Token const> context, std::size_t prompt) const {
    told->note("verifier begins ", context, prompt);
  }
  void on_turn_end(std::span<Token const> context, std::size_t answer) const {
    told->note("verifier ends ", context, answer);
  }
};

// One for all sequences.
struct ToldBatchVerifier {
  std::vector<std::string>* calls;
  void verify(LogitsView<float>, std::span<copyspec::VerifyInput const>, std::span<Verdict> verdicts) const {
    std::ranges::fill(verdicts, Verdict{.accepted = 0, .next = 1});
  }
  void on_turn_begin(SequenceId sequence, std::span<Token const> context, std::size_t prompt) const {
    calls->push_back("begins " + std::to_string(static_cast<int>(sequence)) + ": " + std::to_string(context.size()) +
                     " from " + std::to_string(prompt));
  }
  void on_turn_end(SequenceId sequence, std::span<Token const> context, std::size_t answer) const {
    calls->push_back("ends " + std::to_string(static_cast<int>(sequence)) + ": " + std::to_string(context.size()) +
                     " from " + std::to_string(answer));
  }
};

template <class AnyBatch>
void run_to_end(AnyBatch& batch) {
  while (batch.running()) {
    forget_exactly(batch);
    batch.commit(rows_for(batch.plan()));
  }
}

}  // namespace

TEST_CASE("proposer and verifier are told where a prompt begins, after all else, and where an answer does") {
  using Calls = std::vector<std::string>;
  Told told;
  DecodeBatch batch(limits, ToldProposer(told), ToldVerifier(told));
  batch.begin(id(0), Tokens{2, 2, 2}, {.max_new_tokens = 2});
  CHECK(told.calls == Calls{"reserved 5", "proposer begins 3 from 0", "verifier begins 3 from 0"});
  told.calls.clear();
  run_to_end(batch);
  CHECK(told.calls == Calls{"proposer ends 5 from 3", "verifier ends 5 from 3"});
  told.calls.clear();
  batch.begin(id(0), Tokens{2, 2}, {.max_new_tokens = 1});
  CHECK(told.calls == Calls{"reserved 8", "proposer begins 7 from 5", "verifier begins 7 from 5"});

  Calls calls;
  DecodeBatch one_for_all(limits, NoProposer(), ToldBatchVerifier{&calls});
  one_for_all.begin(id(0), Tokens{2}, {.max_new_tokens = 1});
  one_for_all.begin(id(4), Tokens{2, 2}, {.max_new_tokens = 2});
  run_to_end(one_for_all);
  CHECK(calls == Calls{"begins 0: 1 from 0", "begins 4: 2 from 0", "ends 0: 2 from 1", "ends 4: 4 from 2"});
}

TEST_CASE("what is thrown when a turn begins leaves no turn") {
  Told told;
  DecodeBatch batch(limits, ToldProposer(told), ToldVerifier(told));
  batch.begin(id(0), Tokens{2, 2, 2}, {.max_new_tokens = 2});
  run_to_end(batch);
  batch.emit(show_nothing);
  told.throws = true;
  CHECK_THROWS_AS(batch.begin(id(0), Tokens{3, 3}, {}), Refused);
  CHECK_THROWS_AS(batch.begin(id(1), Tokens{3, 3}, {}), Refused);
  told.throws = false;
  CHECK_FALSE(batch.contains(id(1)));
  CHECK(batch.size() == 1);
  CHECK_FALSE(batch.running());
  CHECK(copy(batch.sequence(id(0)).context()) == Tokens{2, 2, 2, 1, 1});
  batch.emit([](OutputDelta const&) { FAIL("a turn that never began"); });
  batch.begin(id(0), Tokens{3}, {.max_new_tokens = 1});
  run_to_end(batch);
  CHECK(copy(batch.sequence(id(0)).context()) == Tokens{2, 2, 2, 1, 1, 3, 1});
}

TEST_CASE("a request that cannot be served is refused and changes nothing") {
  DecodeBatch batch(limits, NoProposer(), GreedyVerifier());
  auto const refused = [&](Tokens const& prompt, GenerateOptions const& options, copyspec::ErrorCode code) {
    try {
      batch.require_servable(id(0), prompt, options);
      FAIL("it can be served");
    } catch (copyspec::Error const& error) {
      CHECK(error.code() == code);
    }
    CHECK_THROWS_AS(batch.begin(id(0), prompt, options), copyspec::Error);
    CHECK(batch.size() == 0);
  };
  refused({}, {}, copyspec::ErrorCode::empty_prompt);
  refused(Tokens(500, 1), {}, copyspec::ErrorCode::prompt_too_long);
  refused({1, 8}, {}, copyspec::ErrorCode::unknown_token);
  refused({1}, {.sampling = copyspec::SamplingOptions{}}, copyspec::ErrorCode::bad_options);
  batch.require_servable(id(0), Tokens{1}, {});
}

TEST_CASE("a pass is reported once, if it was committed and each token fed had a row") {
  Told told;
  DecodeBatch batch(limits, ToldProposer(told), GreedyVerifier());
  batch.report(1.0);
  batch.begin(id(0), Tokens(10, 2), {});
  batch.begin(id(1), Tokens(1, 2), {});
  auto const pass = [&] {
    batch.commit(rows_for(batch.plan()));
    batch.report(2.0);
  };
  pass();
  pass();
  CHECK(told.reports.empty());
  pass();
  batch.report(3.0);
  REQUIRE(told.reports.size() == 1);
  CHECK(told.reports[0].rows == 2);
  CHECK(told.reports[0].sequences == 2);
  CHECK(told.reports[0].seconds == 2.0);
  static_cast<void>(batch.plan());
  batch.fail();
  batch.report(4.0);
  CHECK(told.reports.size() == 1);
}

TEST_CASE("what a stop predicate throws ends its sequence and no other") {
  DecodeBatch batch(limits, NoProposer(), GreedyVerifier());
  for (std::size_t i = 0; i < 3; ++i) batch.begin(id(i), Tokens{2}, {.max_new_tokens = 3});
  auto const stop = [](SequenceId sequence, std::span<Token const>) -> StopDecision {
    if (sequence == id(1)) throw Refused{};
    return {};
  };
  PassPlan const plan = batch.plan();
  batch.commit(rows_for(plan), stop);
  CHECK(batch.sequence(id(1)).status() == SequenceStatus::failed);
  CHECK_THROWS_AS(std::rethrow_exception(batch.error(id(1))), Refused);
  CHECK(batch.sequence(id(1)).generated().size() == 1);
  CHECK(batch.sequence(id(1)).released().empty());
  run_to_end(batch);
  for (std::size_t i : {0U, 2U}) {
    CHECK(copy(batch.sequence(id(i)).generated()) == Tokens{1, 1, 1});
    CHECK(batch.error(id(i)) == nullptr);
  }
}
