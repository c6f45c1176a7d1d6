// SPDX-License-Identifier: MIT
#include <copyspec/testing/pass_curve_report.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "copyspec/cost/pass_level.hpp"

using copyspec::PassLevel;
using copyspec::testing::describe_pass_curve;
using copyspec::testing::judge_pass_curve;
using copyspec::testing::pass_cost_source;

namespace {

// A second row costs `second`, and each after it `row`.
std::vector<PassLevel> curve(double second, double row) {
  std::vector<PassLevel> levels;
  for (std::size_t const rows : {1U, 2U, 4U, 16U, 64U})
    levels.push_back({.rows = rows,
                      .seconds = rows == 1 ? 0.01 : 0.01 * (1 + second + row * static_cast<double>(rows - 2)),
                      .passes = 3});
  return levels;
}

bool has(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("an engine that computes rows one by one is told so") {
  CHECK(judge_pass_curve(curve(1, 1)) ==
        "A row costs 1.00 of a pass: this engine computes rows one by one, so copying cannot pay. Read each weight "
        "once for all rows of a pass.");
  CHECK(has(judge_pass_curve(curve(0.9, 0.9)), "one by one"));
}

TEST_CASE("where rows cost less than passes, the judgement says how many tokens must be accepted") {
  CHECK(judge_pass_curve(curve(0.1, 0.1)) ==
        "Up to 16 rows, each costs 0.10 of a pass: a draft of 15 tokens pays if more than 1.5 of them are accepted.");
  CHECK(
      judge_pass_curve(curve(0.8, 0.2)) ==
      "The second row costs 0.80 of a pass, and up to 16 rows each costs 0.24 on average: a draft of 15 tokens pays if "
      "more than 3.6 of them are accepted.");
  CHECK(has(judge_pass_curve(curve(0, 0)), "pays if more than 0.0 of them"));
  std::vector<PassLevel> const faster{{1, 0.01, 3}, {2, 0.005, 3}};
  CHECK(has(judge_pass_curve(faster),
            "Up to 2 rows, each costs 0.00 of a pass: a draft of 1 tokens pays if more than 0.0"));
  std::vector<PassLevel> const far{{1, 0.01, 3}, {32, 0.05, 3}};
  CHECK(has(judge_pass_curve(far), "a draft of 31 tokens pays if more than 4.0"));
}

TEST_CASE("the description has a line for each row count, and names those that cost less than fewer rows") {
  std::vector<PassLevel> const levels{{1, 0.01, 3}, {2, 0.02, 3}, {7, 0.04, 3}, {8, 0.03, 3}};
  CHECK(describe_pass_curve(levels) ==
        " rows         ms  passes  a row more\n"
        "    1      10.00    1.00              ##########\n"
        "    2      20.00    2.00       1.000  ####################\n"
        "    7      40.00    4.00       0.400  ########################################\n"
        "    8      30.00    3.00      -1.000  ############################## less than 7 rows\n" +
            judge_pass_curve(levels) + "\n");
}

TEST_CASE("the source has a cost for each number of rows, on lines between the levels") {
  std::vector<PassLevel> const levels{{1, 0.01, 3}, {2, 0.02, 3}, {4, 0.03, 3}};
  CHECK(pass_cost_source(levels) == "copyspec::PassCost::table({1.00, 2.00, 2.50, 3.00})\n");
  std::string const many = pass_cost_source(curve(0.1, 0.1));
  CHECK(has(many, "2.10,\n"));  // the twelfth
  CHECK(has(many, "7.30})"));
}
