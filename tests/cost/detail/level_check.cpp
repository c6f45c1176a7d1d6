// SPDX-License-Identifier: MIT
#include <copyspec/cost/detail/level_check.hpp>

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

#include "copyspec/core/error.hpp"

using copyspec::Error;
using copyspec::ErrorCode;
using copyspec::PassLevel;
using copyspec::detail::longest_pass;
using copyspec::detail::require_levels;
using copyspec::detail::shortest_pass;

namespace {

std::string refusal(std::initializer_list<PassLevel> levels) {
  try {
    require_levels(levels, "costs.txt");
  } catch (Error const& error) {
    CHECK(error.code() == ErrorCode::file);
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("levels that can have been learnt are taken") {
  CHECK(refusal({}).empty());
  CHECK(refusal({{1, 0.5, 3}, {2, 0.25, 1}, {64, shortest_pass, 1}, {512, longest_pass, 7}}).empty());
}

TEST_CASE("levels that cannot have been learnt are refused by name") {
  CHECK(refusal({{2, 1, 1}, {2, 1, 1}}) == "costs.txt: passes of 2 rows come after passes of 2");
  CHECK(refusal({{0, 1, 1}}) == "costs.txt: passes of 0 rows come after passes of 0");
  CHECK(refusal({{1, 1, 1}, {65, 1, 1}}) == "costs.txt: passes of 65 rows are not tracked");
  CHECK(refusal({{100000, 1, 1}}) == "costs.txt: passes of 100000 rows are not tracked");
  CHECK(refusal({{1, 0, 1}}) == "costs.txt: passes of 1 rows cannot take 0.000000 seconds");
  CHECK(refusal({{1, 2 * longest_pass, 1}}).starts_with("costs.txt: passes of 1 rows cannot take 2000000000000"));
  CHECK(refusal({{1, 1, 0}}) == "costs.txt: passes of 1 rows were never observed");
}
