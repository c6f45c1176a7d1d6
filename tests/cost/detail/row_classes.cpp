// SPDX-License-Identifier: MIT
#include <copyspec/cost/detail/row_classes.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <limits>

using copyspec::detail::RowClasses;

static_assert(RowClasses::of(1) == 0);
static_assert(RowClasses::of(64) == 63);
static_assert(RowClasses::of(65) == 64);
static_assert(RowClasses::of(512) == RowClasses::count - 1);
static_assert(RowClasses::largest(0) == 1);
static_assert(RowClasses::largest(64) == 80);
static_assert(RowClasses::is_largest(144) == false);
static_assert(RowClasses::is_largest(160));
static_assert(RowClasses::count == 76);

namespace {

// By counting: how many of the largest row counts of a class, listed one by one, are smaller than `rows`.
std::array<std::size_t, RowClasses::count> listed() {
  std::array<std::size_t, RowClasses::count> largest{};
  std::size_t rows = 0;
  for (std::size_t& next : largest) next = rows += rows < 64 ? 1 : rows < 128 ? 16 : rows < 256 ? 32 : 64;
  return largest;
}

}  // namespace

TEST_CASE("row counts have classes of one up to 64, and of a quarter of a doubling beyond") {
  auto const largest = listed();
  REQUIRE(largest.back() == RowClasses::most);
  std::size_t index = 0;
  for (std::size_t rows = 1; rows <= RowClasses::most; ++rows) {
    CAPTURE(rows);
    if (rows > largest[index]) ++index;
    CHECK(RowClasses::of(rows) == index);
    CHECK(RowClasses::is_largest(rows) == (rows == largest[index]));
  }
  CHECK(index == RowClasses::count - 1);
  for (std::size_t i = 0; i < RowClasses::count; ++i) CHECK(RowClasses::largest(i) == largest[i]);
}

TEST_CASE("the largest row count of a class is of that class, and not less than any that is") {
  for (std::size_t rows = 1; rows <= RowClasses::most; ++rows) {
    CAPTURE(rows);
    std::size_t const largest = RowClasses::largest(RowClasses::of(rows));
    CHECK(largest >= rows);
    CHECK(RowClasses::of(largest) == RowClasses::of(rows));
    CHECK(RowClasses::is_largest(largest));
    // What counts as more rows than it has, counts as less than a quarter more.
    CHECK(4 * (largest - rows) < rows);
    if (rows > 1) {
      std::size_t const step = RowClasses::of(rows) - RowClasses::of(rows - 1);
      CHECK(step == (RowClasses::is_largest(rows - 1) ? 1 : 0));
    }
  }
}

TEST_CASE("no row count beyond the largest class is the largest of one") {
  for (std::size_t rows = RowClasses::most + 1; rows <= 5000; ++rows) CHECK_FALSE(RowClasses::is_largest(rows));
  CHECK_FALSE(RowClasses::is_largest(std::numeric_limits<std::size_t>::max()));
}
