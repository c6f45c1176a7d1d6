// SPDX-License-Identifier: MIT
#include "bench/checkpoint_model.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bench/replay_model.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/model/model.hpp"
#include "copyspec/testing/model_laws.hpp"
#include "copyspec/testing/toy_model.hpp"

using copyspec::Model;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::bench::CheckpointModel;
using copyspec::bench::ReplayModel;
using copyspec::testing::ToyModel;

namespace {

static_assert(Model<CheckpointModel<ReplayModel>> && Model<CheckpointModel<ToyModel<>>>);

constexpr SequenceId first{0};
constexpr SequenceId second{1};

void feed(CheckpointModel<ToyModel<>>& model, SequenceId sequence, std::size_t tokens, std::size_t rows) {
  std::vector<Token> const fed(tokens, 1);
  Segment const segment{.sequence = sequence, .tokens = fed, .rows = rows};
  (void)model.forward({&segment, 1});
}

}  // namespace

TEST_CASE("the laws of a model hold") {
  Token const recording_of[] = {1, 2, 1, 1, 2, 1, 2, 2, 1, 2, 1, 1, 1, 2, 1, 2, 2, 2, 1, 2, 1, 2, 1, 1, 2, 2};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    CheckpointModel toy(ToyModel({.seed = seed}));
    CheckpointModel replay(ReplayModel(recording_of, 3));
    for (auto const& report : {copyspec::testing::check_model_laws(toy, {.seed = seed}),
                               copyspec::testing::check_model_laws(replay, {.seed = seed})})
      CHECK_MESSAGE(report.ok(), (report.ok() ? "" : report.violations.front()));
  }
}

TEST_CASE("a rejected draft goes back to before the token that it stood behind") {
  CheckpointModel model(ToyModel<>{});
  feed(model, first, 10, 1);
  CHECK(model.checkpoint_counters().made == 0);
  feed(model, first, 4, 4);  // a token and a draft of three
  CHECK(model.checkpoint_counters().made == 1);
  CHECK(model.checkpoint_counters().splits == 0);
  CHECK(model.truncate(first, 14) == 14);
  CHECK(model.truncate(first, 12) == 10);
  CHECK(model.checkpoint_counters().replayed == 0);

  SUBCASE("and what was right is fed again, once") {
    feed(model, first, 3, 1);
    CHECK(model.checkpoint_counters().replayed == 2);
    CHECK(model.checkpoint_counters().replays == 1);
    feed(model, first, 1, 1);
    CHECK(model.checkpoint_counters().replayed == 2);
    CHECK(model.checkpoint_counters().replays == 1);
  }
  SUBCASE("in several passes, if the model takes no more") {
    feed(model, first, 1, 0);
    feed(model, first, 2, 1);
    CHECK(model.checkpoint_counters().replayed == 2);
    CHECK(model.checkpoint_counters().replays == 2);
  }
  SUBCASE("but not what is taken back in the meantime") {
    CHECK(model.truncate(first, 11) == 10);
    feed(model, first, 3, 1);
    CHECK(model.checkpoint_counters().replayed == 1);
  }
}

TEST_CASE("before its checkpoint a sequence is lost") {
  CheckpointModel model(ToyModel<>{});
  feed(model, first, 10, 1);
  feed(model, first, 4, 4);
  CHECK(model.truncate(first, 9) == 0);
  feed(model, first, 9, 1);
  CHECK(model.checkpoint_counters().replayed == 9);
  // The checkpoint was of tokens that are gone.
  feed(model, first, 6, 0);
  CHECK(model.truncate(first, 12) == 0);
}

TEST_CASE("a draft behind a prompt takes a pass more") {
  CheckpointModel model(ToyModel<>{});
  feed(model, first, 10, 3);  // two of them a draft
  CHECK(model.checkpoint_counters().made == 1);
  CHECK(model.checkpoint_counters().splits == 1);
  CHECK(model.truncate(first, 8) == 7);
}

TEST_CASE("each sequence has a checkpoint, and a pass counts once") {
  CheckpointModel model(ToyModel<>{});
  feed(model, first, 5, 1);
  feed(model, second, 7, 1);
  std::vector<Token> const tokens(3, 1);
  std::array const batch{Segment{.sequence = first, .tokens = tokens, .rows = 3},
                         Segment{.sequence = second, .tokens = tokens, .rows = 3}};
  (void)model.forward(batch);
  CHECK(model.checkpoint_counters().made == 2);
  CHECK(model.truncate(first, 6) == 5);
  CHECK(model.truncate(second, 8) == 7);
  std::array const again{Segment{.sequence = first, .tokens = tokens, .rows = 1},
                         Segment{.sequence = second, .tokens = tokens, .rows = 1}};
  (void)model.forward(again);
  CHECK(model.checkpoint_counters().replayed == 2);
  CHECK(model.checkpoint_counters().replays == 1);
  CHECK(model.truncate(second, 0) == 0);
  CHECK(model.truncate(first, 9) == 8);
  feed(model, second, 2, 1);
  CHECK(model.checkpoint_counters().replayed == 2);
}
