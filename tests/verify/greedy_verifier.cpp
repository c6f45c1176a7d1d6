// SPDX-License-Identifier: MIT
#include <copyspec/verify/greedy_verifier.hpp>

#include <doctest/doctest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::AcceptanceVerifier;
using copyspec::greedy_token;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;

namespace {

using Tokens = std::vector<Token>;
using Sizes = std::vector<std::size_t>;
using Random = std::mt19937;

std::size_t below(Random& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

template <class Scalar>
Scalar const infinity = std::numeric_limits<Scalar>::infinity();
template <class Scalar>
Scalar const not_a_number = std::numeric_limits<Scalar>::quiet_NaN();

template <class Scalar>
std::optional<Token> greedy(std::vector<Scalar> const& row) {
  return greedy_token(std::span<Scalar const>(row));
}

// One logit after the other.
template <class Scalar>
std::optional<Token> scan(std::span<Scalar const> row) {
  Scalar best = -infinity<Scalar>;
  std::optional<Token> token;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] != row[i]) return std::nullopt;
    if (!(row[i] > best)) continue;
    best = row[i];
    token = static_cast<Token>(i);
  }
  return token;
}

template <class Scalar>
std::optional<Token> scan(std::vector<Scalar> const& row) {
  return scan(std::span<Scalar const>(row));
}

// Few different values, so that many are equal, or many.
template <class Scalar>
std::vector<Scalar> random_row(Random& random, std::size_t length, std::size_t values) {
  std::vector<Scalar> row(length);
  for (Scalar& logit : row) logit = Scalar(static_cast<float>(below(random, values)) / 8.0F - 4.0F);
  return row;
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

bool same(Verdict const& a, Verdict const& b) {
  return a.accepted == b.accepted && a.status == b.status && (a.status != VerdictStatus::ok || a.next == b.next);
}

// The law: the draft's tokens as far as rows taken one at a time give them, and the one that they give then.
template <class Scalar>
Verdict one_row_at_a_time(LogitsView<Scalar> rows, Tokens const& tokens, std::size_t length) {
  for (std::size_t i = 0;; ++i) {
    std::optional<Token> const token = scan(rows.row(i));
    if (!token) return {.accepted = i, .next = 0, .status = VerdictStatus::invalid_row};
    if (length + i == tokens.size() || tokens[length + i] != *token)
      return {.accepted = i, .next = *token, .status = VerdictStatus::ok};
  }
}

}  // namespace

#define EVERY_SCALAR float, double, Eigen::half, Eigen::bfloat16

TEST_CASE_TEMPLATE("the greatest logit wins, the lowest id among equals", Scalar, EVERY_SCALAR) {
  static_assert(AcceptanceVerifier<GreedyVerifier, Scalar> && AcceptanceVerifier<GreedyVerifier const, Scalar>);
  CHECK(greedy<Scalar>({Scalar(1), Scalar(3), Scalar(2)}) == Token{1});
  CHECK(greedy<Scalar>({Scalar(3), Scalar(3), Scalar(3)}) == Token{0});
  CHECK(greedy<Scalar>({Scalar(-5)}) == Token{0});
  CHECK(greedy<Scalar>({Scalar(-5), Scalar(-4), Scalar(-4)}) == Token{1});
}

TEST_CASE_TEMPLATE("rows of every length agree with a scan", Scalar, EVERY_SCALAR) {
  Random random(1);
  for (std::size_t length = 0; length <= 1000; ++length) {
    for (std::size_t const values : Sizes{1, 3, 64}) {
      auto const row = random_row<Scalar>(random, length, values);
      REQUIRE(greedy(row) == scan(row));
    }
  }
  for (std::size_t const length : block_borders()) {
    for (std::size_t const values : Sizes{2, 20000}) {
      auto const row = random_row<Scalar>(random, length, values);
      REQUIRE(greedy(row) == scan(row));
    }
  }
  for (std::size_t const values : Sizes{3, 1000, 1000000}) {
    auto const row = random_row<Scalar>(random, large_vocabulary, values);
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
    auto row = random_row<Scalar>(random, length, 50);
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
    auto row = random_row<Scalar>(random, length, 50);
    for (std::size_t const i : Sizes{0, length - 2, length - 1, below(random, length)}) {
      CAPTURE(i);
      Scalar const logit = row[i];
      row[i] = not_a_number<Scalar>;
      REQUIRE_FALSE(greedy(row));
      row[i] = logit;
    }
  }
  auto row = random_row<Scalar>(random, large_vocabulary, 1000);
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
      auto row = random_row<Scalar>(random, length, 50);
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
      auto const row = random_row<Scalar>(random, length, 30);
      std::vector<Scalar> padded(offset, not_a_number<Scalar>);
      padded.insert(padded.end(), row.begin(), row.end());
      padded.insert(padded.end(), 70, infinity<Scalar>);
      REQUIRE(greedy_token(std::span<Scalar const>(padded).subspan(offset, length)) == scan(row));
    }
  }
}

TEST_CASE_TEMPLATE("a draft is judged as one row at a time would judge it", Scalar, EVERY_SCALAR) {
  Random random(7);
  std::size_t accepted = 0;
  std::size_t invalid = 0;
  for (int round = 0; round < 400; ++round) {
    std::size_t const vocabulary = 2 + below(random, 40);
    std::size_t const stride = vocabulary + below(random, 5);
    std::size_t const length = below(random, 4);
    std::size_t const drafted = below(random, 8);
    // Between the rows lies what must not be read.
    std::vector<Scalar> data((drafted + 1) * stride, not_a_number<Scalar>);
    LogitsView<Scalar> const rows(data.data(), drafted + 1, vocabulary, stride);
    Tokens tokens(length, 1);
    for (std::size_t i = 0; i <= drafted; ++i) {
      auto const row = random_row<Scalar>(random, vocabulary, 20);
      std::ranges::copy(row, data.begin() + static_cast<std::ptrdiff_t>(i * stride));
      bool const right = below(random, 5) != 0;
      if (i < drafted) tokens.push_back(right ? *scan(row) : static_cast<Token>(below(random, vocabulary)));
      if (below(random, 15) == 0) data[i * stride + below(random, vocabulary)] = not_a_number<Scalar>;
    }
    Verdict const verdict = GreedyVerifier{}.verify(rows, tokens, length);
    REQUIRE(same(verdict, one_row_at_a_time(rows, tokens, length)));
    accepted += verdict.accepted;
    invalid += verdict.status == VerdictStatus::invalid_row ? 1 : 0;
  }
  CHECK(accepted > 400);
  CHECK(invalid > 20);
}

TEST_CASE("an empty draft gives the row's own token") {
  std::vector<float> const row = {0, 2, 1};
  Verdict const verdict = GreedyVerifier{}.verify(LogitsView<float>(row.data(), 1, 3), Tokens{5, 6}, 2);
  CHECK(same(verdict, {.accepted = 0, .next = 1, .status = VerdictStatus::ok}));
}

TEST_CASE("draft tokens outside the vocabulary are rejected like others") {
  std::vector<float> const data = {0, 2, 1, 9, 0, 0};
  LogitsView<float> const rows(data.data(), 2, 3);
  for (Token const token : {-1, 3, 1000000}) {
    CAPTURE(token);
    CHECK(same(GreedyVerifier{}.verify(rows, Tokens{0, token}, 1), {.accepted = 0, .next = 1}));
  }
}

TEST_CASE("a row without a token ends the draft where it comes, not earlier") {
  float const bad = not_a_number<float>;
  std::vector<float> const data = {1, 0, 0, 1, bad, 1, 1, 0};
  LogitsView<float> const rows(data.data(), 4, 2);
  Tokens const right = {0, 1, 0};
  CHECK(
      same(GreedyVerifier{}.verify(rows, right, 0), {.accepted = 2, .next = 0, .status = VerdictStatus::invalid_row}));
  CHECK(same(GreedyVerifier{}.verify(rows, Tokens{0, 0, 0}, 0), {.accepted = 1, .next = 1}));
  CHECK(same(GreedyVerifier{}.verify(rows.subview(0, 3), Tokens{0, 1}, 0),
             {.accepted = 2, .next = 0, .status = VerdictStatus::invalid_row}));
  CHECK(same(GreedyVerifier{}.verify(rows.subview(2, 1), {}, 0),
             {.accepted = 0, .next = 0, .status = VerdictStatus::invalid_row}));
}

TEST_CASE_TEMPLATE("rows after the first mismatch are not read, nor anything behind a row", Scalar, EVERY_SCALAR) {
  auto const page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const memory = mmap(nullptr, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  std::size_t const vocabulary = page / sizeof(Scalar);
  auto* const data = static_cast<Scalar*>(memory);
  data[vocabulary - 1] = Scalar(1);
  data[vocabulary + 5] = Scalar(1);
  REQUIRE(mprotect(data + 2 * vocabulary, page, PROT_NONE) == 0);

  LogitsView<Scalar> const rows(data, 3, vocabulary);
  auto const last = static_cast<Token>(vocabulary - 1);
  CHECK(same(GreedyVerifier{}.verify(rows, Tokens{last, 4}, 0), {.accepted = 1, .next = 5}));
  REQUIRE(mprotect(data + vocabulary, page, PROT_NONE) == 0);
  CHECK(same(GreedyVerifier{}.verify(rows, Tokens{0, 5}, 0), {.accepted = 0, .next = last}));
  for (std::size_t shorter = 1; shorter < vocabulary; shorter += 61)
    CHECK(greedy_token(std::span<Scalar const>(data + vocabulary - shorter, shorter)) ==
          static_cast<Token>(shorter - 1));
  REQUIRE(munmap(memory, 3 * page) == 0);
}

TEST_CASE("judging allocates nothing") {
  std::vector<float> data(3 * 5000);
  data[7] = data[5000 + 4999] = data[10000 + 2500] = 1;
  LogitsView<float> const rows(data.data(), 3, 5000);
  Tokens const tokens = {0, 7, 4999};
  std::size_t const before = allocations();
  Verdict const verdict = GreedyVerifier{}.verify(rows, tokens, 1);
  CHECK(allocations() == before);
  CHECK(same(verdict, {.accepted = 2, .next = 2500}));
}
