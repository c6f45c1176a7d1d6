// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/answer_end.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/sequence_status.hpp>
#include <copyspec/decode/stop.hpp>
#include <copyspec/verify/verifier.hpp>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "support/random.hpp"

using copyspec::SequenceStatus;
using copyspec::StopDecision;
using copyspec::Token;
using copyspec::VerdictStatus;
using copyspec::detail::AnswerEnd;
using copyspec_test::Random;
using copyspec_test::Tokens;

TEST_CASE("an answer ends where it ends token by token, and holds what it holds then") {
  std::size_t ended = 0;
  for (std::uint64_t seed = 1; seed <= 5000; ++seed) {
    Random random(seed);
    Tokens const answer = copyspec_test::any_tokens(random, 6, random.between(1, 12));
    std::size_t const room = random.between(answer.size(), 14);
    AnswerEnd::Limits const limits{.budget = random.between(1, room), .room = room, .may_continue = random.one_in(2)};
    VerdictStatus const verdict =
        random.any_of({VerdictStatus::ok, VerdictStatus::ok, VerdictStatus::invalid_row, VerdictStatus::all_excluded});
    auto stop = [](std::span<Token const> tokens) {
      return StopDecision{.stop = tokens.size() > 1 && tokens.back() == 5 && tokens[tokens.size() - 2] == 5,
                          .held = static_cast<std::size_t>(tokens.back())};
    };
    auto const advance = [&](std::size_t before, std::size_t held, std::size_t size) {
      return AnswerEnd::of(std::span(answer).first(size), before, held, limits,
                           size == answer.size() ? verdict : VerdictStatus::ok, stop);
    };
    AnswerEnd const whole = advance(0, 0, answer.size());
    AnswerEnd step{};
    std::size_t size = 0;
    for (; size < answer.size() && step.status == SequenceStatus::running; ++size) {
      std::size_t const before = step.held;
      step = advance(size, before, size + 1);
      CHECK(step.kept == 1);
      CHECK(step.held <= before + 1);
    }
    CAPTURE(seed);
    REQUIRE(whole.kept == size);
    REQUIRE(whole.status == step.status);
    REQUIRE(whole.held == step.held);
    ended += whole.status == SequenceStatus::running ? 0U : 1U;
    if (whole.status == SequenceStatus::context_full) CHECK(whole.held == 0);
    if (whole.status == SequenceStatus::length && !limits.may_continue) CHECK(whole.held == 0);
  }
  CHECK(ended > 1000);
}

TEST_CASE("a row without a token ends the answer after the tokens before it, and a stop among them comes first") {
  Tokens const answer{1, 2, 3};
  AnswerEnd::Limits const limits{.budget = 9, .room = 9};
  auto never = [](std::span<Token const>) { return StopDecision{.stop = false, .held = 2}; };
  auto at_two = [](std::span<Token const> tokens) { return StopDecision{.stop = tokens.back() == 2, .held = 1}; };
  for (auto const& [verdict, status] : {std::pair{VerdictStatus::invalid_row, SequenceStatus::invalid_row},
                                        std::pair{VerdictStatus::all_excluded, SequenceStatus::all_excluded}}) {
    AnswerEnd const end = AnswerEnd::of(answer, 1, 0, limits, verdict, never);
    CHECK(end.status == status);
    CHECK(end.kept == 2);
    CHECK(end.held == 0);
    AnswerEnd const stopped = AnswerEnd::of(answer, 1, 0, limits, verdict, at_two);
    CHECK(stopped.status == SequenceStatus::stopped);
    CHECK(stopped.kept == 1);
    CHECK(stopped.held == 1);
  }
}
