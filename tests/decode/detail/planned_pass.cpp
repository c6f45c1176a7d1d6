// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/planned_pass.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::Draft;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::SequenceId;
using copyspec::Token;

namespace {

using Tokens = std::vector<Token>;

// Writes down what it is asked, and drafts one token.
struct Asked {
  std::vector<std::string>* calls;
  void prepare(std::span<Token const> context, std::size_t room) const {
    calls->push_back("prepare " + std::to_string(context.size()) + ", " + std::to_string(room));
  }
  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) const {
    calls->push_back("propose " + std::to_string(context.size()) + ", " + std::to_string(space.size()));
    space[0] = 1;
    return {1};
  }
  static void truncate(std::size_t) {}
};

using Pass = copyspec::detail::PlannedPass<Asked, GreedyVerifier, LogitsView<float>>;

}  // namespace

TEST_CASE("all contexts are prepared before the first draft is asked for, each in a piece of work that is timed") {
  std::vector<std::string> calls;
  Pass::Slots slots({.vocabulary_size = 4, .max_tokens = 6, .context_limit = 50}, Asked{&calls}, GreedyVerifier());
  Pass pass;
  pass.reserve(3);
  for (std::size_t i = 0; i < 3; ++i) slots.begin(SequenceId{static_cast<int>(i)}, Tokens(1 + 4 * i, 1), {});
  auto const timed = [&](auto&& work) -> decltype(auto) {
    calls.emplace_back("timed");
    return work();
  };
  pass.plan(slots, 6, 0, true, timed);
  // One draft, for the one that waits for a token; of the prompts, three tokens and one are fed.
  CHECK(calls == std::vector<std::string>{"timed", "prepare 1, 3", "timed", "propose 1, 3"});
  REQUIRE(pass.segments().size() == 3);
  CHECK(pass.has_drafts());
  CHECK(pass.segments()[0].tokens.size() == 2);
  CHECK(pass.segments()[1].tokens.size() == 3);
  CHECK(pass.segments()[2].tokens.size() == 1);
  pass.cancel(slots);
  calls.clear();
  slots.for_each([](auto& slot) { slot.sequence.truncated(0); });
  pass.plan(slots, 6, 0, false, timed);
  CHECK(calls.empty());
  CHECK_FALSE(pass.has_drafts());
}

namespace {

using copyspec::SequenceStatus;
using copyspec::StopDecision;
using copyspec::Verdict;

struct Rejected {};

// Right up to a token that it cannot judge.
struct Fragile {
  Verdict verify(LogitsView<float> rows, std::span<Token const> tokens, std::size_t length) const {
    for (Token const token : tokens.subspan(length))
      if (token == 3) throw Rejected{};
    return GreedyVerifier{}.verify(rows, tokens, length);
  }
};

struct Drafting {
  Tokens draft;
  [[nodiscard]] Draft propose(std::span<Token const>, std::span<Token> space) const {
    std::size_t const length = std::min(draft.size(), space.size());
    std::copy_n(draft.begin(), length, space.begin());
    return {length};
  }
  static void truncate(std::size_t) {}
};

using FragilePass = copyspec::detail::PlannedPass<Drafting, Fragile, LogitsView<float>>;

copyspec::EngineLimits const small{.vocabulary_size = 4, .max_tokens = 20, .context_limit = 50};

// Rows that give these tokens.
struct Rows {
  std::vector<float> values;
  explicit Rows(Tokens const& tokens) : values(tokens.size() * 4) {
    for (std::size_t i = 0; i < tokens.size(); ++i) values[i * 4 + static_cast<std::size_t>(tokens[i])] = 1;
  }
  [[nodiscard]] LogitsView<float> view() const { return {values.data(), values.size() / 4, 4}; }
};

struct Setting {
  FragilePass::Slots slots;
  FragilePass pass;
  copyspec::detail::Untimed untimed;

  explicit Setting(Tokens draft) : slots(small, Drafting{std::move(draft)}, Fragile()) { pass.reserve(2); }

  void begin(int key, copyspec::GenerateOptions const& options) { slots.begin(SequenceId{key}, Tokens{2}, options); }
  void plan() { pass.plan(slots, 20, 0, true, untimed); }
  template <class Stop>
  void take(Tokens const& tokens, Stop stop) {
    Rows const rows(tokens);
    pass.require_rows(rows.view(), 4);
    pass.take(slots, rows.view(), stop, untimed);
  }
  [[nodiscard]] auto const& sequence(int key) const { return slots.at(SequenceId{key}).sequence; }
  [[nodiscard]] bool failed(int key) const { return slots.at(SequenceId{key}).turn.error() != nullptr; }
};

constexpr auto never = [](SequenceId, std::span<Token const>) { return StopDecision(); };

}  // namespace

TEST_CASE("rows that are not as many, or not as long, as was asked for are refused") {
  Setting setting({1, 2});
  setting.begin(0, {});
  setting.begin(1, {});
  setting.plan();
  CHECK(setting.pass.rows() == 6);
  std::vector<float> const values(100);
  for (std::size_t rows = 0; rows < 10; ++rows) {
    for (std::size_t length : {0U, 3U, 4U, 5U}) {
      LogitsView<float> const view(values.data(), rows, length);
      if (rows == 6 && length == 4)
        CHECK_NOTHROW(setting.pass.require_rows(view, 4));
      else
        CHECK_THROWS_AS(setting.pass.require_rows(view, 4), copyspec::Error);
    }
  }
}

TEST_CASE("a pass that asks for no rows takes an empty view of any kind") {
  Setting setting({});
  setting.slots.begin(SequenceId{0}, Tokens(30, 1), {});
  setting.plan();
  CHECK(setting.pass.rows() == 0);
  CHECK_NOTHROW(setting.pass.require_rows({}, 4));
}

TEST_CASE("a verifier that throws fails its sequence after the tokens before, as without a draft") {
  Setting setting({1, 1, 3, 1});
  setting.begin(0, {});
  setting.begin(1, {.max_draft_length = 2});
  setting.plan();
  setting.take({1, 1, 3, 1, 2, 1, 1, 2}, never);
  CHECK(setting.sequence(0).status() == SequenceStatus::failed);
  CHECK(setting.failed(0));
  // The third token is what the row before gives, and no draft that could be judged.
  CHECK(setting.sequence(0).generated().size() >= 2);
  CHECK(std::ranges::equal(setting.sequence(0).generated().first(2), Tokens{1, 1}));
  CHECK(setting.sequence(1).running());
  CHECK_FALSE(setting.failed(1));
  CHECK(std::ranges::equal(setting.sequence(1).generated(), Tokens{1, 1, 2}));
}

TEST_CASE("a row that throws is not reached by a turn that ends before it") {
  Setting setting({1, 1, 3, 1});
  setting.begin(0, {.max_new_tokens = 5, .stop = {.tokens = {1}}});
  setting.begin(1, {});
  setting.plan();
  setting.take({1, 1, 3, 1, 2, 1, 1, 3, 1, 2}, never);
  CHECK(setting.sequence(0).status() == SequenceStatus::stopped);
  CHECK_FALSE(setting.failed(0));
  CHECK(setting.failed(1));
}

TEST_CASE("a stop predicate that throws fails its sequence with the token it was asked about, which is not shown") {
  Setting setting({1, 1});
  setting.begin(0, {});
  setting.begin(1, {});
  setting.plan();
  setting.take({1, 1, 2, 1, 1, 2}, [](SequenceId key, std::span<Token const> generated) -> StopDecision {
    if (key == SequenceId{0} && generated.size() == 2) throw Rejected{};
    return {};
  });
  CHECK(setting.sequence(0).status() == SequenceStatus::failed);
  CHECK(std::ranges::equal(setting.sequence(0).generated(), Tokens{1, 1}));
  CHECK(std::ranges::equal(setting.sequence(0).released(), Tokens{1}));
  CHECK_THROWS_AS(std::rethrow_exception(setting.slots.at(SequenceId{0}).turn.error()), Rejected);
  CHECK(std::ranges::equal(setting.sequence(1).generated(), Tokens{1, 1, 2}));
}

TEST_CASE("no stop is complete before the least number of tokens, neither by rules nor by the predicate") {
  for (std::size_t least = 0; least < 6; ++least) {
    for (bool const by_rule : {false, true}) {
      CAPTURE(least);
      CAPTURE(by_rule);
      Setting setting({1, 1, 1, 1, 1, 1});
      copyspec::GenerateOptions options{.max_new_tokens = 20, .min_new_tokens = least};
      if (by_rule) options.stop.sequences = {{1, 1}};
      setting.begin(0, options);
      setting.plan();
      setting.take(Tokens(7, 1), [&](SequenceId, std::span<Token const> generated) -> StopDecision {
        return {.stop = !by_rule && generated.size() >= 2};
      });
      CHECK(setting.sequence(0).status() == SequenceStatus::stopped);
      CHECK(setting.sequence(0).generated().size() == std::max<std::size_t>(2, least + 1));
    }
  }
}

TEST_CASE("sequences that are paused or wait for their source are not part of a pass") {
  Setting setting({1});
  for (int key = 0; key < 3; ++key) setting.begin(key, {});
  setting.slots.fork(SequenceId{2}, SequenceId{3}, std::nullopt);
  setting.slots.at(SequenceId{0}).paused = true;
  setting.slots.begin(SequenceId{4}, Tokens(9, 2), {});
  setting.slots.fork(SequenceId{4}, SequenceId{5}, std::nullopt);
  setting.plan();
  std::vector<SequenceId> fed;
  for (auto const& segment : setting.pass.segments()) fed.push_back(segment.sequence);
  // The copy of the one token shares nothing that could be copied.
  CHECK(fed == std::vector{SequenceId{1}, SequenceId{2}, SequenceId{3}, SequenceId{4}});
  CHECK(setting.pass.held_over().empty());
}

TEST_CASE("memory that runs out in a plan fails the sequence that wanted it") {
  Setting setting({});
  setting.slots.begin(SequenceId{0}, Tokens(3, 2), {.max_new_tokens = 1});
  setting.begin(1, {});
  setting.slots.at(SequenceId{0}).sequence.extend(5);
  bool met = false;
  {
    FailingAllocation const failing(0);
    setting.plan();
    met = failing.met();
  }
  CHECK(met);
  CHECK(setting.failed(0));
  REQUIRE(setting.pass.segments().size() == 1);
  CHECK(setting.pass.segments()[0].sequence == SequenceId{1});
}
