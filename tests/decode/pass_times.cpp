// SPDX-License-Identifier: MIT
#include <copyspec/decode/pass_times.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

namespace {

struct Milliseconds {
  using duration = std::chrono::milliseconds;
};

}  // namespace

TEST_CASE("the total is of all that was timed") {
  copyspec::PassTimes<Milliseconds> times;
  CHECK(times.total().count() == 0);
  times.propose = Milliseconds::duration(1);
  times.forward = Milliseconds::duration(20);
  times.verify = Milliseconds::duration(300);
  times.truncate = Milliseconds::duration(4000);
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
