// SPDX-License-Identifier: MIT
#include <copyspec/verify/greedy_verifier.hpp>

#include <doctest/doctest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/greedy_scan.hpp"

using copyspec::AcceptanceVerifier;
using copyspec::greedy_token;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;

namespace {

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

TEST_CASE_TEMPLATE("a draft is judged as one row at a time would judge it", Scalar, EVERY_SCALAR) {
  static_assert(AcceptanceVerifier<GreedyVerifier, Scalar> && AcceptanceVerifier<GreedyVerifier const, Scalar>);
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
      auto const row = coarse_row<Scalar>(random, vocabulary, 20);
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
