// SPDX-License-Identifier: MIT
#include <copyspec/testing/bitwise_report.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "copyspec/testing/bitwise.hpp"

using copyspec::testing::BitwiseCount;
using copyspec::testing::BitwiseRows;
using copyspec::testing::describe_bitwise;
using copyspec::testing::equal_up_to;
using copyspec::testing::judge_bitwise;

namespace {

BitwiseCount counted(std::size_t differing) {
  return {.compared = 60, .differing = differing, .largest = differing > 0 ? 0.125 : 0, .flips = differing / 10};
}

// Passes that differ from those of one row, or two, from so many rows on.
std::vector<BitwiseRows> results(std::size_t one, std::size_t two, std::size_t context = 32) {
  std::vector<BitwiseRows> all;
  for (std::size_t const rows : {2U, 4U, 8U, 16U})
    all.push_back(
        {.context = context, .rows = rows, .one = counted(rows >= one ? 20 : 0), .two = counted(rows >= two ? 30 : 0)});
  return all;
}

}  // namespace

TEST_CASE("the judgement says up to how many rows there is a promise, and of which reference") {
  CHECK(judge_bitwise(results(100, 100)) == "Rows are bit for bit those of passes of one row up to n = 16.");
  CHECK(judge_bitwise(results(8, 8)) == "Rows are bit for bit those of passes of one row up to n = 4.");
  CHECK(judge_bitwise(results(2, 100)) == "Rows are bit for bit those of passes of two rows from n = 2 to 16.");
  CHECK(judge_bitwise(results(2, 4)) == "Rows are bit for bit those of passes of two rows from n = 2 to 2.");
  CHECK(judge_bitwise(results(2, 2)) ==
        "No promise: rows differ in bits from those of passes of one row and of two rows.");
  CHECK(judge_bitwise({}) == judge_bitwise(results(2, 2)));
}

TEST_CASE("a promise holds in every context") {
  auto all = results(100, 100);
  auto const far = results(8, 16, 400);
  all.insert(all.end(), far.begin(), far.end());
  CHECK(equal_up_to<&BitwiseRows::one>(all) == 4);
  CHECK(equal_up_to<&BitwiseRows::two>(all) == 8);
  CHECK(judge_bitwise(all) == "Rows are bit for bit those of passes of two rows from n = 2 to 8.");
}

TEST_CASE("the description has a line for each context and row count") {
  auto all = results(16, 100);
  all.erase(all.begin(), all.begin() + 2);
  CHECK(describe_bitwise(all) ==
        "                  against passes of one row           against passes of two rows\n"
        "   held    n   rows  differ   largest  flips       rows  differ   largest  flips\n"
        "     32    8     60       0         0      0         60       0         0      0\n"
        "     32   16     60      20     0.125      2         60       0         0      0\n"
        "Rows are bit for bit those of passes of two rows from n = 2 to 16.\n");
}
