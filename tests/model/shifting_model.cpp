// SPDX-License-Identifier: MIT
#include <copyspec/model/shifting_model.hpp>

#include <doctest/doctest.h>

#include <copyspec/model/logits.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

using copyspec::LogitsView;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::ShiftingModel;
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
  static std::size_t shift(SequenceId, std::size_t, std::size_t) { return 0; }
};
struct Silent : Plain {
  static void shift(SequenceId, std::size_t, std::size_t) {}
};
struct FromTheFront : Plain {
  static std::size_t shift(SequenceId, std::size_t) { return 0; }
};
struct NoEngine {
  static std::size_t shift(SequenceId, std::size_t, std::size_t) { return 0; }
};

static_assert(ShiftingModel<Complete>);
static_assert(ShiftingModel<copyspec::testing::ToyModel<float>>);
static_assert(!ShiftingModel<Plain>);
static_assert(!ShiftingModel<Silent>);
static_assert(!ShiftingModel<FromTheFront>);
static_assert(!ShiftingModel<NoEngine>);

}  // namespace

TEST_CASE("a toy model forgets tokens from the middle, and no others") {
  copyspec::testing::ToyModel<float> model;
  std::array<Token, 7> const tokens{1, 2, 3, 4, 5, 6, 7};
  Segment const segment{.sequence = SequenceId{0}, .tokens = tokens, .rows = 0};
  model.forward({&segment, 1});
  CHECK(model.shift(SequenceId{0}, 2, 3) == 4);
  CHECK(std::ranges::equal(model.held(SequenceId{0}), std::array<Token, 4>{1, 2, 6, 7}));
  CHECK(model.shift(SequenceId{0}, 4, 0) == 4);
  CHECK(model.shift(SequenceId{0}, 2, 2) == 2);
  CHECK(std::ranges::equal(model.held(SequenceId{0}), std::array<Token, 2>{1, 2}));
}
