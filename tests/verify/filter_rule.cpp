// SPDX-License-Identifier: MIT
#include <copyspec/verify/filter_rule.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <type_traits>

using copyspec::detail::FilterRule;
using copyspec::detail::part_of;

static_assert(std::is_trivially_copyable_v<FilterRule>);

TEST_CASE("a rule says what the options say, in numbers") {
  CHECK_FALSE(FilterRule::of({}).any());
  FilterRule const rule = FilterRule::of({.temperature = 0.5F, .top_k = 7, .typical_p = 0.25F, .top_p = 0.5F});
  CHECK(rule.any());
  CHECK(rule.scale == 1.0F);
  CHECK(rule.top_k == 7);
  CHECK(rule.typical_share == FilterRule::whole / 4);
  CHECK(rule.top_share == FilterRule::whole / 2);
  CHECK(rule.farthest == FilterRule::anywhere);
  CHECK(FilterRule::of({.temperature = 0.5F, .temperature_first = true}).scale == 2.0F);
  CHECK(FilterRule::of({.min_p = 0.5F}).farthest == doctest::Approx(std::log(2.0)));
  CHECK(FilterRule::of({.min_p = 1}).farthest == 0.0F);
}

TEST_CASE("a part of a mass is rounded down, and never nothing") {
  CHECK(part_of(100, FilterRule::whole) == 100);
  CHECK(part_of(101, FilterRule::whole / 2) == 50);
  CHECK(part_of(100, 0) == 1);
  CHECK(part_of(0, FilterRule::whole) == 1);
  std::uint64_t const much = (std::uint64_t{1} << 58U) + 12345;
  CHECK(part_of(much, FilterRule::whole) == much);
  CHECK(part_of(much, 1) == much >> 32U);
}
