// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/interleaved_draft_group.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "copyspec/core/error.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/cost/draft_length.hpp"
#include "copyspec/testing/toy_model.hpp"

using copyspec::max_predicted_tokens;
using copyspec::Token;
using Toy = copyspec::testing::ToyModel<float>;

namespace {

// Asks for one token each round.
struct Member {
  using Group = copyspec::detail::InterleavedDraftGroup<Toy, Member, std::chrono::steady_clock>;
  using Slot = Group::Runner::Slot;

  explicit Member(Group& group) : slot_(group.runner()) {}

  void ask() {
    ++asked;
    slot_.ask(context, {});
  }
  Slot& slot() { return slot_; }
  template <class Row>
  void take(Row row) {
    rows += row.size() > 0 ? 1 : 0;
  }
  void end() { ++ended; }
  void left() noexcept { ++times_left; }

  std::vector<Token> context{1, 2, 3};
  Slot slot_;
  int asked = 0;
  int rows = 0;
  int ended = 0;
  int times_left = 0;
};

}  // namespace

TEST_CASE("a draft model drafts up to 64 tokens, and more are refused in words") {
  Toy model;
  CHECK(Member::Group(model, {}, {}, std::nullopt, max_predicted_tokens).fixed_length() == 64);
  for (std::size_t const length : {max_predicted_tokens + 1, std::size_t{512}, ~std::size_t{0}}) {
    try {
      Member::Group const group(model, {}, {}, std::nullopt, length);
      FAIL("not refused");
    } catch (copyspec::Error const& error) {
      CHECK(error.code() == copyspec::ErrorCode::bad_options);
      CHECK(std::string(error.what()) ==
            "a draft model cannot draft " + std::to_string(length) + " tokens, only up to 64");
    }
  }
}

TEST_CASE("all that joined are drafted for together, and the first to join after that begins a new round") {
  Toy model;
  Member::Group group(model, {}, {}, std::nullopt, 7);
  CHECK(group.fixed_length() == 7);
  Member one(group), two(group), third(group);
  group.join(one);
  group.join(two);
  group.join(third);
  group.leave(third);
  group.draft();
  for (Member const* const member : {&one, &two}) {
    CHECK(member->asked == 1);
    CHECK(member->rows == 1);
    CHECK(member->ended == 1);
    CHECK(member->times_left == 0);
  }
  CHECK(third.asked == 0);
  group.join(two);
  CHECK(one.times_left == 1);
  CHECK(two.times_left == 1);
  group.draft();
  CHECK(one.asked == 1);
  CHECK(two.asked == 2);
}

TEST_CASE("the gain of turns follows what turns had") {
  Toy model;
  Member::Group group(model, {}, {}, std::nullopt, 0);
  for (int i = 0; i < 60; ++i) group.observe_turn(2);
  CHECK(group.gain_of_turns() == doctest::Approx(2).epsilon(0.01));
  CHECK(group.take_time().count() == 0);
}
