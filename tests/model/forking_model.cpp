// SPDX-License-Identifier: MIT
#include <copyspec/model/forking_model.hpp>

#include <doctest/doctest.h>

#include <copyspec/model/device_logits.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

using copyspec::DeviceLogitsView;
using copyspec::ForkingModel;
using copyspec::LogitsView;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;

namespace {

struct Plain {
  static std::size_t vocabulary_size() { return 2; }
  static std::size_t max_tokens() { return 1; }
  static std::size_t context_limit() { return 1; }
  static LogitsView<float> forward(std::span<Segment const>) { return {}; }
  static std::size_t truncate(SequenceId, std::size_t) { return 0; }
};
struct Complete : Plain {
  static std::size_t fork(SequenceId, SequenceId, std::size_t) { return 0; }
};
struct Counting : Plain {
  int fork(SequenceId, SequenceId, std::size_t length) { return count += static_cast<int>(length); }
  int count = 0;
};
struct OnDevice : Complete {
  static DeviceLogitsView<float> forward(std::span<Segment const>) { return {}; }
};
struct Silent : Plain {
  static void fork(SequenceId, SequenceId, std::size_t) {}
};
struct Whole : Plain {
  static std::size_t fork(SequenceId, SequenceId) { return 0; }
};
struct NoEngine {
  static std::size_t fork(SequenceId, SequenceId, std::size_t) { return 0; }
};

static_assert(ForkingModel<Complete>);
static_assert(ForkingModel<Counting>);
static_assert(ForkingModel<OnDevice>);
static_assert(ForkingModel<copyspec::testing::ToyModel<float>>);
static_assert(!ForkingModel<Plain>);
static_assert(!ForkingModel<Silent>);
static_assert(!ForkingModel<Whole>);
static_assert(!ForkingModel<NoEngine>);

}  // namespace

TEST_CASE("a toy model copies up to a checkpoint, and both go on by themselves") {
  for (std::size_t const interval : {1U, 2U, 4U, 9U}) {
    copyspec::testing::ToyModel<float> model({.checkpoint_interval = interval});
    std::array<Token, 7> const tokens{1, 2, 3, 4, 5, 6, 7};
    Segment segment{.sequence = SequenceId{0}, .tokens = tokens, .rows = 0};
    model.forward({&segment, 1});
    std::size_t const held = model.fork(SequenceId{0}, SequenceId{5}, 5);
    CHECK(held == 5 - 5 % interval);
    CHECK(std::ranges::equal(model.held(SequenceId{5}), std::span(tokens).first(held)));
    segment.sequence = SequenceId{5};
    model.forward({&segment, 1});
    CHECK(model.held(SequenceId{5}).size() == held + 7);
    CHECK(std::ranges::equal(model.held(SequenceId{0}), tokens));
  }
}
