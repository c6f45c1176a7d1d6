// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/drawn_rows.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

using copyspec::detail::DrawnRows;
using Row = std::vector<float>;

TEST_CASE("rows are kept as they were, and tokens between that were not drawn have none") {
  DrawnRows rows;
  CHECK(rows.size() == 0);
  CHECK(rows.first(5).empty());
  Row row{1, 2, 3};
  rows.keep(1, row);
  row = {4, 5, 6};
  rows.keep(3, row);
  row = {0, 0, 0};
  CHECK(rows.size() == 4);
  auto const all = rows.first(9);
  REQUIRE(all.size() == 4);
  CHECK(all[0].empty());
  CHECK(std::ranges::equal(all[1], Row{1, 2, 3}));
  CHECK(all[2].empty());
  CHECK(std::ranges::equal(all[3], Row{4, 5, 6}));
  CHECK(rows.first(2).size() == 2);
}

TEST_CASE("what was cleared leaves nothing, also where later rows are fewer") {
  DrawnRows rows;
  rows.keep(0, Row{1});
  rows.keep(1, Row{2});
  rows.clear();
  CHECK(rows.size() == 0);
  rows.keep(1, Row{3});
  auto const all = rows.first(2);
  REQUIRE(all.size() == 2);
  CHECK(all[0].empty());
  CHECK(all[1][0] == 3);
}
