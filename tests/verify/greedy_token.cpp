// SPDX-License-Identifier: MIT
#include <copyspec/verify/greedy_token.hpp>

#include <doctest/doctest.h>

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "support/greedy_scan.hpp"

using copyspec::greedy_token;
using copyspec::Token;

namespace {

using Sizes = std::vector<std::size_t>;

template <class Scalar>
std::optional<Token> greedy(std::vector<Scalar> const& row) {
  return greedy_token(std::span<Scalar const>(row));
}

// Lengths on both sides of every multiple of a block, whatever the vector width it was made for.
std::vector<std::size_t> block_borders() {
  std::vector<std::size_t> lengths;
  for (std::size_t block = 512; block <= 8192; block *= 2) {
    for (std::size_t times = 1; times <= 3; ++times) {
      for (std::size_t const length : Sizes{block * times - 1, block * times, block * times + 1})
        lengths.push_back(length);
    }
  }
  return lengths;
}

constexpr std::size_t large_vocabulary = 151936;

}  // namespace

#define EVERY_SCALAR float, double, Eigen::half, Eigen::bfloat16

TEST_CASE_TEMPLATE("the greatest logit wins, the lowest id among equals", Scalar, EVERY_SCALAR) {
  CHECK(greedy<Scalar>({Scalar(1), Scalar(3), Scalar(2)}) == Token{1});
  CHECK(greedy<Scalar>({Scalar(3), Scalar(3), Scalar(3)}) == Token{0});
  CHECK(greedy<Scalar>({Scalar(-5)}) == Token{0});
  CHECK(greedy<Scalar>({Scalar(-5), Scalar(-4), Scalar(-4)}) == Token{1});
}

TEST_CASE_TEMPLATE("rows of every length agree with a scan", Scalar, EVERY_SCALAR) {
  Random random(1);
  for (std::size_t length = 0; length <= 1000; ++length) {
    for (std::size_t const values : Sizes{1, 3, 64}) {
      auto const row = coarse_row<Scalar>(random, length, values);
      REQUIRE(greedy(row) == scan(row));
    }
  }
  for (std::size_t const length : block_borders()) {
    for (std::size_t const values : Sizes{2, 20000}) {
      auto const row = coarse_row<Scalar>(random, length, values);
      REQUIRE(greedy(row) == scan(row));
    }
  }
  for (std::size_t const values : Sizes{3, 1000, 1000000}) {
    auto const row = coarse_row<Scalar>(random, large_vocabulary, values);
    REQUIRE(greedy(row) == scan(row));
  }
}

TEST_CASE_TEMPLATE("the greatest logit is found at every place", Scalar, EVERY_SCALAR) {
  for (std::size_t const length : Sizes{1, 7, 64, 1025, 2500}) {
    CAPTURE(length);
    std::vector<Scalar> row(length, Scalar(-2));
    for (std::size_t i = 0; i < length; ++i) {
      row[i] = Scalar(-1);
      REQUIRE(greedy(row) == static_cast<Token>(i));
      row[i] = Scalar(-2);
    }
  }
  for (std::size_t const length : block_borders()) {
    CAPTURE(length);
    std::vector<Scalar> row(length, -infinity<Scalar>);
    for (std::size_t const i : Sizes{0, length / 3, length / 2, length - 2, length - 1}) {
      row[i] = Scalar(-60000);
      REQUIRE(greedy(row) == static_cast<Token>(i));
      row[i] = -infinity<Scalar>;
    }
  }
}

TEST_CASE_TEMPLATE("the lowest id wins across blocks, and minus zero equals zero", Scalar, EVERY_SCALAR) {
  Random random(2);
  for (std::size_t const length : block_borders()) {
    for (int round = 0; round < 12; ++round) {
      std::vector<Scalar> row(length, Scalar(-1));
      std::size_t const first = below(random, length);
      std::size_t const second = first + below(random, length - first);
      Scalar const zero = Scalar(0);
      row[first] = round % 2 == 0 ? zero : -zero;
      if (second != first) row[second] = round % 3 == 0 ? zero : -zero;
      REQUIRE(greedy(row) == static_cast<Token>(first));
    }
  }
  CHECK(greedy<Scalar>({Scalar(-0.0F), Scalar(0.0F)}) == Token{0});
  CHECK(greedy<Scalar>({Scalar(0.0F), Scalar(-0.0F)}) == Token{0});
}

TEST_CASE_TEMPLATE("zeros of both signs agree with a scan", Scalar, EVERY_SCALAR) {
  Random random(3);
  for (std::size_t const length : Sizes{2, 3, 17, 100, 1023, 4096, 4100, 8200}) {
    for (int round = 0; round < 20; ++round) {
      std::vector<Scalar> row(length, Scalar(-1));
      for (Scalar& logit : row) {
        if (below(random, 50) == 0) logit = below(random, 2) == 0 ? Scalar(0.0F) : Scalar(-0.0F);
      }
      REQUIRE(greedy(row) == scan(row));
    }
  }
}

TEST_CASE_TEMPLATE("a NaN is found at every place of a row", Scalar, EVERY_SCALAR) {
  Random random(4);
  for (std::size_t const length : Sizes{1, 2, 5, 31, 32, 33, 100, 600, 1024, 2081}) {
    CAPTURE(length);
    auto row = coarse_row<Scalar>(random, length, 50);
    for (std::size_t i = 0; i < length; ++i) {
      CAPTURE(i);
      Scalar const logit = row[i];
      row[i] = i % 2 == 0 ? not_a_number<Scalar> : -not_a_number<Scalar>;
      REQUIRE_FALSE(greedy(row));
      row[i] = logit;
    }
    REQUIRE(greedy(row));
  }
  for (std::size_t const length : block_borders()) {
    CAPTURE(length);
    auto row = coarse_row<Scalar>(random, length, 50);
    for (std::size_t const i : Sizes{0, length - 2, length - 1, below(random, length)}) {
      CAPTURE(i);
      Scalar const logit = row[i];
      row[i] = not_a_number<Scalar>;
      REQUIRE_FALSE(greedy(row));
      row[i] = logit;
    }
  }
  auto row = coarse_row<Scalar>(random, large_vocabulary, 1000);
  for (int round = 0; round < 10; ++round) {
    std::size_t const i = below(random, row.size());
    row[i] = not_a_number<Scalar>;
    REQUIRE_FALSE(greedy(row));
    row[i] = Scalar(0);
  }
}

TEST_CASE_TEMPLATE("infinities are no NaN, and hide none", Scalar, EVERY_SCALAR) {
  Random random(5);
  for (std::size_t const length : Sizes{1, 2, 3, 40, 1000, 2048, 8200, 20000}) {
    CAPTURE(length);
    for (int round = 0; round < 30; ++round) {
      auto row = coarse_row<Scalar>(random, length, 50);
      for (std::size_t i = below(random, 4); i > 0; --i) row[below(random, length)] = infinity<Scalar>;
      for (std::size_t i = below(random, 4); i > 0; --i) row[below(random, length)] = -infinity<Scalar>;
      std::optional<Token> const expected = scan(row);
      REQUIRE(greedy(row) == expected);
      row[below(random, length)] = not_a_number<Scalar>;
      REQUIRE_FALSE(greedy(row));
    }
  }
}

TEST_CASE_TEMPLATE("logits whose sum overflows are no NaN", Scalar, EVERY_SCALAR) {
  for (std::size_t const length : Sizes{10, 3000, 9000}) {
    CAPTURE(length);
    std::vector<Scalar> row(length, std::numeric_limits<Scalar>::lowest());
    for (std::size_t i = 0; i < length; i += 3) row[i] = std::numeric_limits<Scalar>::max();
    CHECK(greedy(row) == Token{0});
    row[length - 1] = infinity<Scalar>;
    CHECK(greedy(row) == static_cast<Token>(length - 1));
  }
}

TEST_CASE_TEMPLATE("a row with nothing above minus infinity gives no token", Scalar, EVERY_SCALAR) {
  CHECK_FALSE(greedy<Scalar>({}));
  for (std::size_t const length : Sizes{1, 2, 100, 4096, 10000}) {
    CAPTURE(length);
    std::vector<Scalar> row(length, -infinity<Scalar>);
    CHECK_FALSE(greedy(row));
    row[length / 2] = std::numeric_limits<Scalar>::lowest();
    CHECK(greedy(row) == static_cast<Token>(length / 2));
    row[length - 1] = infinity<Scalar>;
    CHECK(greedy(row) == static_cast<Token>(length - 1));
    std::ranges::fill(row, infinity<Scalar>);
    CHECK(greedy(row) == Token{0});
  }
}

TEST_CASE_TEMPLATE("a row may begin at any scalar, and only the row is read", Scalar, EVERY_SCALAR) {
  Random random(6);
  for (std::size_t const length : Sizes{5, 64, 1024, 4096, 8192, 8300}) {
    CAPTURE(length);
    for (std::size_t offset = 0; offset < 70; ++offset) {
      auto const row = coarse_row<Scalar>(random, length, 30);
      std::vector<Scalar> padded(offset, not_a_number<Scalar>);
      padded.insert(padded.end(), row.begin(), row.end());
      padded.insert(padded.end(), 70, infinity<Scalar>);
      REQUIRE(greedy_token(std::span<Scalar const>(padded).subspan(offset, length)) == scan(row));
    }
  }
}
