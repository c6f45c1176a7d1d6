// SPDX-License-Identifier: MIT
#include <copyspec/verify/detail/block_maxima.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/rows.hpp"

using copyspec::detail::BlockMaxima;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr std::size_t block = BlockMaxima::block;

using Found = std::vector<std::pair<std::size_t, float>>;

std::vector<std::size_t> lengths_around_blocks() {
  std::vector<std::size_t> lengths = {1, 2, 3, 7, 8, 63, 64, 65};
  for (std::size_t blocks = 1; blocks <= 5; ++blocks)
    for (std::size_t const near : {0U, 1U, 2U, 3U, 4U}) lengths.push_back(blocks * block + near - 2);
  return lengths;
}

Found at_least(BlockMaxima const& maxima, float least) {
  Found found;
  maxima.for_each_at_least(least, [&](std::size_t token, float logit) { found.emplace_back(token, logit); });
  return found;
}

}  // namespace

TEST_CASE("each block has the greatest logit of its own, and the row that of all") {
  Random random(1);
  BlockMaxima maxima;
  for (std::size_t const length : lengths_around_blocks()) {
    CAPTURE(length);
    for (int round = 0; round < 20; ++round) {
      std::vector<float> const row = random_row(random, length);
      REQUIRE(maxima.take(row));
      REQUIRE(maxima.row().data() == row.data());
      REQUIRE(maxima.row().size() == length);
      REQUIRE(maxima.blocks() == (length + block - 1) / block);
      REQUIRE(maxima.all().size() == maxima.blocks());
      for (std::size_t b = 0; b < maxima.blocks(); ++b) {
        std::span const part = std::span(row).subspan(b * block, std::min(block, length - b * block));
        REQUIRE(maxima.of(b) == *std::ranges::max_element(part));
        REQUIRE(maxima.all()[b] == maxima.of(b));
      }
      REQUIRE(maxima.greatest() == *std::ranges::max_element(row));
    }
  }
}

TEST_CASE("a NaN is refused wherever it is, and whatever stands beside it") {
  Random random(2);
  BlockMaxima maxima;
  for (std::size_t const length : lengths_around_blocks()) {
    CAPTURE(length);
    for (std::size_t i = 0; i < length; i += 1 + below(random, 3)) {
      std::vector<float> row = random_row(random, length);
      row[i] = i % 2 == 0 ? not_a_number : -not_a_number;
      REQUIRE_FALSE(maxima.take(row));
    }
    std::vector<float> row(length, infinite);
    row.back() = not_a_number;
    CHECK_FALSE(maxima.take(row));
  }
}

TEST_CASE("a row with nothing above minus infinity is refused") {
  BlockMaxima maxima;
  for (std::size_t const length : lengths_around_blocks()) {
    CAPTURE(length);
    std::vector<float> row(length, -infinite);
    CHECK_FALSE(maxima.take(row));
    for (std::size_t const i : {std::size_t{0}, length / 2, length - 1}) {
      row[i] = std::numeric_limits<float>::lowest();
      CHECK(maxima.take(row));
      CHECK(maxima.greatest() == std::numeric_limits<float>::lowest());
      row[i] = -infinite;
    }
  }
  CHECK_FALSE(maxima.take({}));
  CHECK(maxima.blocks() == 0);
}

TEST_CASE("infinities of both signs, and sums that are too great, are no NaN") {
  BlockMaxima maxima;
  for (std::size_t const length : lengths_around_blocks()) {
    if (length < 2) continue;
    CAPTURE(length);
    std::vector<float> row(length, 1.0F);
    row.front() = infinite;
    row.back() = -infinite;
    CHECK(maxima.take(row));
    CHECK(maxima.greatest() == infinite);
    row.assign(length, std::numeric_limits<float>::max());
    row.back() = -infinite;
    CHECK(maxima.take(row));
    CHECK(maxima.greatest() == std::numeric_limits<float>::max());
  }
}

TEST_CASE("what is at least so great is what a scan finds") {
  Random random(3);
  BlockMaxima maxima;
  for (std::size_t const length : lengths_around_blocks()) {
    CAPTURE(length);
    for (int round = 0; round < 20; ++round) {
      std::vector<float> const row = random_row(random, length);
      REQUIRE(maxima.take(row));
      for (float const least : {-infinite, -3.0F, 0.25F, row[below(random, length)], maxima.greatest(), infinite}) {
        Found expected;
        for (std::size_t i = 0; i < length; ++i)
          if (row[i] >= least) expected.emplace_back(i, row[i]);
        REQUIRE(at_least(maxima, least) == expected);
      }
    }
  }
}

TEST_CASE("a row no longer than one before allocates nothing") {
  Random random(4);
  std::vector<float> const row = random_row(random, 1000);
  BlockMaxima maxima;
  REQUIRE(maxima.take(row));
  std::size_t const before = allocations();
  bool taken = true;
  for (std::size_t length = 1000; length > 500; --length) taken = maxima.take(std::span(row).last(length)) && taken;
  CHECK(allocations() == before);
  CHECK(taken);
}
