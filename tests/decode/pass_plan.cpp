// SPDX-License-Identifier: MIT
#include <copyspec/decode/pass_plan.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

TEST_CASE("a report is of passes in which each token fed has a row") {
  std::vector<copyspec::Token> const tokens(20, 1);
  auto const report_on = [&](std::initializer_list<std::pair<std::size_t, std::size_t>> shares) {
    std::vector<copyspec::Segment> batch;
    for (auto const& [fed, rows] : shares)
      batch.push_back({.sequence = {}, .tokens = {tokens.data(), fed}, .rows = rows});
    return copyspec::detail::report_on(batch, 1.5);
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
