// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/draft_model_runner.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <cstddef>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "support/companion_model.hpp"

using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::detail::DraftModelRunner;
using copyspec::testing::ToyModel;
using copyspec::testing::ToyModelOptions;

namespace {

using Tokens = std::vector<Token>;
using Drafting = DraftModelRunner<CompanionModel>;
using Row = std::vector<float>;

Row row_behind(ToyModelOptions const& toy, CompanionOptions const& options, Tokens const& tokens) {
  CompanionModel model(toy, options);
  Row row;
  for (std::size_t fed = 0; fed < tokens.size();) {
    std::size_t const count = std::min(tokens.size() - fed, model.max_tokens());
    Segment const segment{.sequence = SequenceId{0},
                          .tokens = std::span(tokens).subspan(fed, count),
                          .rows = fed + count == tokens.size() ? std::size_t{1} : std::size_t{0}};
    auto const rows = model.forward({&segment, 1});
    if (segment.rows > 0) row.assign(rows.row(0).begin(), rows.row(0).end());
    fed += count;
  }
  return row;
}

struct Follower {
  explicit Follower(std::shared_ptr<Drafting> const& model) : request(model) {}

  Drafting::Slot request;
  Tokens context{1};
  Tokens draft;
};

}  // namespace

TEST_CASE("whatever was asked before, of however many sequences, the answer is the row behind context and draft") {
  for (std::size_t const checkpoints : {1U, 4U})
    for (std::size_t const max_tokens : {3U, 512U}) {
      CAPTURE(checkpoints);
      CAPTURE(max_tokens);
      ToyModelOptions const toy{.vocabulary = 6, .max_tokens = max_tokens, .checkpoint_interval = checkpoints};
      CompanionModel model(toy, {});
      auto const drafting = std::make_shared<Drafting>(model);
      std::mt19937 random(5);
      auto const pick = [&](std::size_t count) { return std::size_t{random()} % count; };
      auto const extend = [&](Tokens& tokens, std::size_t count) {
        for (; count > 0; --count) tokens.push_back(static_cast<Token>(pick(6)));
      };
      std::vector<std::unique_ptr<Follower>> followers;
      std::size_t answers = 0;
      for (int step = 0; step < 300; ++step) {
        if (followers.empty() || (followers.size() < 4 && pick(10) == 0))
          followers.push_back(std::make_unique<Follower>(drafting));
        if (pick(25) == 0) followers.erase(followers.begin() + static_cast<std::ptrdiff_t>(pick(followers.size())));
        std::vector<Drafting::Slot*> requests;
        std::vector<Follower*> asked;
        for (auto const& follower : followers) {
          Tokens& context = follower->context;
          if (pick(8) == 0) {
            context.resize(1 + pick(context.size()));
            follower->request.truncate(context.size());
          }
          // Often what was guessed is said.
          if (pick(2) == 0) context.insert(context.end(), follower->draft.begin(), follower->draft.end());
          extend(context, pick(3));
          follower->draft.clear();
          if (pick(4) == 0) continue;
          follower->draft.reserve(8);
          extend(follower->draft, pick(3));
          follower->request.ask(context, follower->draft);
          requests.push_back(&follower->request);
          asked.push_back(follower.get());
        }
        drafting->answer(requests, [&](std::size_t index, std::span<float const> row) {
          ++answers;
          Follower& follower = *asked[index];
          Tokens all = follower.context;
          all.insert(all.end(), follower.draft.begin(), follower.draft.end());
          CHECK(std::ranges::equal(row, row_behind(toy, {}, all)));
          if (follower.draft.size() < 4 && pick(2) == 0) {
            extend(follower.draft, 1);
            follower.request.ask(follower.context, follower.draft);
          }
        });
      }
      CHECK(answers > 300);
      CHECK(drafting->failures() == 0);
    }
}

TEST_CASE("many sequences are answered in one pass, and only what is new is fed") {
  CompanionModel model({}, {});
  auto const drafting = std::make_shared<Drafting>(model);
  std::vector<std::unique_ptr<Follower>> followers;
  std::vector<Drafting::Slot*> requests;
  for (int i = 0; i < 5; ++i) {
    followers.push_back(std::make_unique<Follower>(drafting));
    followers.back()->context = {1, 2, static_cast<Token>(i)};
    requests.push_back(&followers.back()->request);
  }
  auto const ask = [&] {
    for (auto const& follower : followers) follower->request.ask(follower->context, follower->draft);
    drafting->answer(requests, [](std::size_t, auto) {});
  };
  ask();
  CHECK(model.passes() == 1);
  CHECK(model.fed() == 15);
  CHECK(model.largest_batch() == 5);
  for (auto const& follower : followers) follower->draft = {7, 8};
  ask();
  CHECK(model.passes() == 2);
  CHECK(model.fed() == 25);
  // The guess came true, and one token more was said.
  for (auto const& follower : followers) {
    CHECK(follower->request.unfed(follower->context, follower->draft) == 1);
    for (Token const token : {7, 8, 9}) follower->context.push_back(token);
    follower->draft.clear();
    CHECK(follower->request.unfed(follower->context, follower->draft) == 1);
  }
  ask();
  CHECK(model.passes() == 3);
  CHECK(model.fed() == 30);
}

TEST_CASE("a pass that throws gives no answer, and the next one reads what was forgotten again") {
  ToyModelOptions const toy{.vocabulary = 5};
  CompanionModel model(toy, {.throws_every = 3});
  auto const drafting = std::make_shared<Drafting>(model);
  Follower follower(drafting);
  std::vector<Drafting::Slot*> const requests{&follower.request};
  std::size_t answers = 0;
  for (int step = 0; step < 30; ++step) {
    follower.context.push_back(static_cast<Token>(step % 5));
    follower.request.ask(follower.context, {});
    drafting->answer(requests, [&](std::size_t, std::span<float const> row) {
      ++answers;
      CHECK(std::ranges::equal(row, row_behind(toy, {}, follower.context)));
    });
    CHECK(!follower.request.asks());
  }
  CHECK(answers == 20);
  CHECK(drafting->failures() == 10);
}

TEST_CASE("what passes cost is learnt, and a sequence that is gone leaves its place to another") {
  struct Seen {
    std::map<SequenceId, std::size_t> held;
    std::vector<float> row = std::vector<float>(4);
    std::size_t vocabulary_size() const { return 4; }
    std::size_t max_tokens() const { return 100; }
    std::size_t context_limit() const { return 100; }
    copyspec::LogitsView<float> forward(std::span<Segment const> batch) {
      for (Segment const& segment : batch) held[segment.sequence] += segment.tokens.size();
      return {row.data(), 1, 4};
    }
    std::size_t truncate(SequenceId id, std::size_t length) {
      if (length == 0) held.erase(id);
      return length == 0 ? 0 : held[id] = std::min(held[id], length);
    }
  } model;
  auto const drafting = std::make_shared<DraftModelRunner<Seen>>(model);
  Tokens const context{1, 2};
  for (int i = 0; i < 3; ++i) {
    DraftModelRunner<Seen>::Slot request(drafting);
    std::vector<DraftModelRunner<Seen>::Slot*> const requests{&request};
    request.ask(context, {});
    drafting->answer(requests, [](std::size_t, auto) {});
    CHECK(model.held.size() == 1);
    CHECK(model.held.count(SequenceId{0}) == 1);
  }
  CHECK(model.held.empty());
  CHECK(drafting->share().pass_cost().observed(2) == 3);
}

TEST_CASE("only who asks takes a sequence, and one for which there is none is not answered") {
  struct One {
    std::vector<float> row = std::vector<float>(4);
    std::size_t held = 0;
    std::size_t vocabulary_size() const { return 4; }
    std::size_t max_tokens() const { return 100; }
    std::size_t context_limit() const { return 100; }
    copyspec::LogitsView<float> forward(std::span<Segment const> batch) {
      REQUIRE(batch.size() == 1);
      held += batch[0].tokens.size();
      return {row.data(), 1, 4};
    }
    std::size_t truncate(SequenceId id, std::size_t length) {
      if (id != SequenceId{0}) copyspec::raise_error(copyspec::ErrorCode::engine, "there is one sequence only");
      return held = std::min(held, length);
    }
  } model;
  using Slot = DraftModelRunner<One>::Slot;
  auto const drafting = std::make_shared<DraftModelRunner<One>>(model);
  Slot const never_asks(drafting);
  auto first = std::make_unique<Slot>(drafting);
  Slot second(drafting);
  std::vector<Slot*> const requests{first.get(), &second};
  Tokens const context{1, 2};
  std::size_t answers = 0;
  auto const answer = [&](std::span<Slot* const> asking) {
    for (Slot* const request : asking) request->ask(context, {});
    drafting->answer(asking, [&](std::size_t index, auto) { answers += index == 0 ? 1 : 100; });
  };
  answer(requests);
  CHECK(answers == 1);
  CHECK(drafting->failures() == 1);
  CHECK(model.held == 2);  // the failure of one is not the other's
  first.reset();
  answer(std::span(requests).last(1));
  CHECK(answers == 2);
  CHECK(drafting->failures() == 1);
}
