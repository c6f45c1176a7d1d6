// SPDX-License-Identifier: MIT
#include <copyspec/verify/detail/row_logprobs.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/rows.hpp"

using copyspec::Token;
using copyspec::TokenLogprob;
using copyspec::detail::RowLogprobs;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();

using Row = std::vector<float>;
using Logprobs = std::vector<TokenLogprob>;

Logprobs logprobs(Row const& row, Token token, std::size_t top) {
  RowLogprobs of_row;
  Logprobs out;
  REQUIRE(of_row.append(row, token, top, out));
  return out;
}

// The logarithm of the softmax; several infinities share it.
std::vector<long double> log_softmax(Row const& row) {
  float const greatest = *std::ranges::max_element(row);
  long double sum = 0;
  std::vector<long double> logs;
  for (float const logit : row)
    sum += std::exp(logs.emplace_back(logit == greatest ? 0 : static_cast<long double>(logit) - greatest));
  for (long double& log : logs) log -= std::log(sum);
  return logs;
}

// To within 2e-6, and the rounding to a float.
bool near(float value, long double expected) {
  if (std::isinf(expected)) return static_cast<long double>(value) == expected;
  return std::abs(value - expected) < 2e-6L + std::abs(expected) * 0x1p-24L;
}

}  // namespace

TEST_CASE("log-probabilities are those of the softmax, the token's own and the likeliest") {
  Random random(1);
  RowLogprobs of_row;
  Logprobs out;
  for (int round = 0; round < 1000; ++round) {
    Row const row = random_row(random, 1 + below(random, round % 2 == 0 ? 1000 : 30));
    std::vector<long double> const expected = log_softmax(row);
    auto const token = static_cast<Token>(below(random, row.size()));
    std::size_t const top = below(random, std::min<std::size_t>(row.size(), 20) + 1);
    Tokens order = counting(0, row.size());
    std::ranges::stable_sort(
        order, [&](Token a, Token b) { return row[static_cast<std::size_t>(a)] > row[static_cast<std::size_t>(b)]; });
    out.assign(3, {});
    REQUIRE(of_row.append(row, token, top, out));
    REQUIRE(out.size() == 3 + 1 + top);
    REQUIRE(out[3].token == token);
    for (std::size_t i = 0; i < top; ++i) REQUIRE(out[4 + i].token == order[i]);
    for (std::size_t i = 3; i < out.size(); ++i)
      REQUIRE(near(out[i].logprob, expected[static_cast<std::size_t>(out[i].token)]));
  }
}

TEST_CASE("of equal ones the lower token comes first, and all of a row may be asked for") {
  Logprobs const flat = logprobs(Row(300, 7.0F), 200, 300);
  REQUIRE(flat.size() == 301);
  CHECK(flat[0].token == 200);
  for (std::size_t i = 0; i < 300; ++i) {
    REQUIRE(flat[1 + i].token == static_cast<Token>(i));
    REQUIRE(near(flat[1 + i].logprob, -std::log(300.0L)));
  }
  Logprobs const two = logprobs({1, 3, 3, -infinite}, 3, 4);
  CHECK(two[0].logprob == -infinite);
  CHECK(two[1].token == 1);
  CHECK(two[2].token == 2);
  CHECK(two[3].token == 0);
  CHECK(two[4].token == 3);
  CHECK(two[4].logprob == -infinite);
}

TEST_CASE("a token alone is certain, and infinities share what there is") {
  CHECK(logprobs({-5}, 0, 1)[0].logprob == 0.0F);
  CHECK(logprobs({-infinite, -5, -100}, 1, 0)[0].logprob == 0.0F);
  Logprobs const shared = logprobs({infinite, 4, infinite}, 2, 3);
  CHECK(near(shared[0].logprob, -std::log(2.0L)));
  CHECK(near(shared[1].logprob, -std::log(2.0L)));
  CHECK(shared[3].token == 1);
  CHECK(shared[3].logprob == -infinite);
}

TEST_CASE("great logits, and distances that are too great for a float, have their logarithms") {
  constexpr float most = std::numeric_limits<float>::max();
  CHECK(near(logprobs({3e4F, 3e4F - 50}, 1, 0)[0].logprob, -50.0L));
  CHECK(near(logprobs({-3e4F, -3e4F - 8}, 0, 0)[0].logprob, -std::log1p(std::exp(-8.0L))));
  CHECK(logprobs({most, -most}, 1, 0)[0].logprob == -infinite);
}

TEST_CASE("every machine and compiler computes the same bits") {
  std::uint64_t digest = 1;
  std::mt19937 random(2);
  for (int round = 0; round < 50; ++round) {
    Row row(1000);
    for (float& logit : row) logit = static_cast<float>(random() % 4096) / 100;
    for (TokenLogprob const& each : logprobs(row, 3, 20))
      digest = std::rotl(digest ^ std::bit_cast<std::uint32_t>(each.logprob), 23) * 0x9E3779B97F4A7C15U;
  }
  CHECK(digest == 0xCF1DD6519E4EBF4F);
}

TEST_CASE("appending to memory that is there allocates nothing") {
  Random random(3);
  Row const row = normal_row(random, 2000, 3);
  RowLogprobs of_row;
  Logprobs out;
  out.reserve(1000);
  CHECK(of_row.append(row, 5, 20, out));
  std::size_t const before = allocations();
  for (int i = 0; i < 20; ++i) CHECK(of_row.append(row, 7, 20, out));
  CHECK(allocations() == before);
  CHECK(out.size() == 21 * 21);
}
