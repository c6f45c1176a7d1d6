// SPDX-License-Identifier: MIT
#include <copyspec/testing/pass_curve.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "copyspec/core/error.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/model/logits.hpp"
#include "copyspec/model/model.hpp"

using copyspec::Error;
using copyspec::LogitsView;
using copyspec::PassCost;
using copyspec::PassLevel;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::testing::measure_pass_curve;
using copyspec::testing::PassCurveOptions;

namespace {

// Time that passes only in forward passes.
struct PassClock {
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<PassClock, duration>;
  static time_point now() { return time_point(duration(elapsed)); }
  static inline long elapsed = 0;
};

// A pass of n rows takes n microseconds and one for each sequence, and ten times as long where it is delayed, every
// seventh.
class TimedModel {
 public:
  [[nodiscard]] std::size_t vocabulary_size() const { return 4; }
  [[nodiscard]] std::size_t max_tokens() const { return 64; }
  [[nodiscard]] std::size_t context_limit() const { return 400; }

  LogitsView<float> forward(std::span<Segment const> segments) {
    std::size_t rows = 0;
    for (Segment const& segment : segments) {
      for (Token const token : segment.tokens) CHECK(token < 4);
      held[segment.sequence] += segment.tokens.size();
      rows += segment.rows;
      CHECK(held[segment.sequence] <= context_limit());
    }
    long const delay = ++passes_ % 7 == 0 ? 10 : 1;
    PassClock::elapsed += 1000 * delay * static_cast<long>(rows + segments.size());
    if (rows > 0) timed.push_back(rows);
    rows_.assign(rows * 4, 0);
    return {rows_.data(), rows, 4};
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) {
    std::size_t& tokens = held[sequence];
    if (tokens > length) tokens = length;
    return tokens;
  }

  std::map<SequenceId, std::size_t> held;
  std::vector<std::size_t> timed;

 private:
  std::vector<float> rows_;
  std::size_t passes_ = 0;
};

std::vector<PassLevel> measure(TimedModel& model, PassCurveOptions const& options) {
  return measure_pass_curve<TimedModel, PassClock>(model, options);
}

std::string refusal(PassCurveOptions const& options) {
  TimedModel model;
  try {
    (void)measure(model, options);
  } catch (Error const& error) {
    CHECK(model.timed.empty());
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("the median of each row count is returned, whatever delays a few passes") {
  TimedModel model;
  auto const levels = measure(model, {.rows = {1, 2, 8, 64}, .context = 100, .repetitions = 9});
  REQUIRE(levels.size() == 4);
  for (PassLevel const& level : levels) {
    CHECK(level.seconds == doctest::Approx(1e-6 * static_cast<double>(level.rows + 1)));
    CHECK(level.passes == 9);
  }
  CHECK(PassCost::remembered(levels, "measured")(8) == doctest::Approx(4.5));
  CHECK(model.held.at(SequenceId{0}) == 0);
}

TEST_CASE("row counts are timed in turn, after a round that does not count") {
  TimedModel model;
  std::vector<std::size_t> rounds;
  auto const on_round = [&](std::size_t round, std::size_t all) {
    CHECK(all == 3);
    CHECK(model.timed.size() == 2 * round);
    rounds.push_back(round);
  };
  (void)measure(model, {.rows = {1, 4}, .context = 1, .repetitions = 2, .on_round = on_round});
  CHECK(model.timed == std::vector<std::size_t>{1, 4, 1, 4, 1, 4});
  CHECK(rounds == std::vector<std::size_t>{0, 1, 2});
}

TEST_CASE("several sequences divide the rows of a pass among them, and hold nothing afterwards") {
  TimedModel model;
  auto const levels =
      measure(model, {.rows = {1, 2, 3, 7, 9}, .sequences = 3, .repetitions = 9, .first = SequenceId{4}});
  // A microsecond more for each sequence.
  std::vector<double> const expected{2, 4, 6, 10, 12};
  for (std::size_t i = 0; i < levels.size(); ++i) CHECK(levels[i].seconds == doctest::Approx(1e-6 * expected[i]));
  CHECK(model.held.size() == 3);
  for (auto const& [id, tokens] : model.held) CHECK(tokens == 0);
}

TEST_CASE("passes that cannot be timed are refused before any is") {
  CHECK(refusal({.rows = {1, 3, 3}}) == "passes of 3 rows come after 3");
  CHECK(refusal({.rows = {0, 3}}) == "passes of 0 rows come after 0");
  CHECK(refusal({.rows = {}}) == "no passes to time: there are no row counts, repetitions or sequences");
  CHECK_FALSE(refusal({.sequences = 0}).empty());
  CHECK_FALSE(refusal({.repetitions = 0}).empty());
  CHECK(refusal({.rows = {1, 65}}) == "a pass of 65 rows has more than 64 tokens");
  CHECK(refusal({.context = 337}) ==
        "a sequence of 337 tokens, and a pass of 64 rows, do not fit into a context of 1 to 400 tokens");
  CHECK(refusal({.context = 336}).empty());
  CHECK_FALSE(refusal({.context = 0}).empty());
}
