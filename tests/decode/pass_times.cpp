// SPDX-License-Identifier: MIT
#include <copyspec/decode/pass_times.hpp>
#include <copyspec/detail/stopwatch.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace {

// Advances by one each time it is read.
struct TickingClock {
  using duration = std::chrono::duration<int>;
  using time_point = std::chrono::time_point<TickingClock, duration>;
  static time_point now() {
    static int ticks = 0;
    return time_point(duration(++ticks));
  }
};

}  // namespace

TEST_CASE("the time of an action is added, and what it returns is passed on") {
  copyspec::PassTimes<TickingClock> times;
  int const value = copyspec::detail::timed<TickingClock>(times.forward, [] { return 7; });
  CHECK(value == 7);
  copyspec::detail::timed<TickingClock>(times.forward, [] { TickingClock::now(); });
  CHECK(times.forward.count() == 1 + 2);
  CHECK(times.propose.count() == 0);

  int target = 0;
  copyspec::detail::timed<TickingClock>(times.verify, [&]() -> int& { return target; }) = 5;
  CHECK(target == 5);
}

TEST_CASE("the time of an action that throws is added too") {
  copyspec::PassTimes<TickingClock> times;
  CHECK_THROWS_AS(copyspec::detail::timed<TickingClock>(times.forward, [] { throw std::runtime_error("no"); }),
                  std::runtime_error);
  CHECK(times.forward.count() == 1);
}

TEST_CASE("the total is of all that was timed") {
  copyspec::PassTimes<TickingClock> times;
  CHECK(times.total().count() == 0);
  times.propose = TickingClock::duration(1);
  times.forward = TickingClock::duration(20);
  times.verify = TickingClock::duration(300);
  times.truncate = TickingClock::duration(4000);
  CHECK(times.total().count() == 4321);
}

TEST_CASE("a report is of passes in which each token fed has a row") {
  std::vector<copyspec::Token> const tokens(20, 1);
  auto const report_on = [&](std::initializer_list<std::pair<std::size_t, std::size_t>> shares) {
    std::vector<copyspec::Segment> batch;
    for (auto const& [fed, rows] : shares)
      batch.push_back({.sequence = {}, .tokens = {tokens.data(), fed}, .rows = rows});
    return copyspec::detail::report_on(batch, std::chrono::milliseconds(1500));
  };
  auto const report = report_on({{1, 1}, {5, 5}, {2, 2}});
  REQUIRE(report);
  CHECK(report->rows == 8);
  CHECK(report->sequences == 3);
  CHECK(report->seconds == 1.5);
  CHECK_FALSE(report_on({}));
  CHECK_FALSE(report_on({{5, 0}}));
  CHECK_FALSE(report_on({{1, 1}, {5, 4}}));
  CHECK_FALSE(report_on({{5, 1}, {1, 1}}));
}
