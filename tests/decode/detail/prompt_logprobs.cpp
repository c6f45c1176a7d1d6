// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/prompt_logprobs.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/detail/row_logprobs.hpp>
#include <copyspec/verify/logprobs.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "support/random.hpp"
#include "support/tokens.hpp"

using copyspec::LogitsView;
using copyspec::Token;
using copyspec::detail::PromptLogprobs;
using copyspec_test::Tokens;

namespace {

// The row after position `p` gives token t the logit (p + 1) * t.
std::vector<float> rows_of(std::size_t first, std::size_t count, std::size_t vocabulary = 4) {
  std::vector<float> rows;
  for (std::size_t p = first; p < first + count; ++p)
    for (std::size_t t = 0; t < vocabulary; ++t) rows.push_back(static_cast<float>((p + 1) * t));
  return rows;
}

double expected(std::size_t position, Token token) {
  double mass = 0;
  for (int t = 0; t < 4; ++t) mass += std::exp(static_cast<double>(position + 1) * (t - 3));
  return static_cast<double>(position + 1) * (token - 3) - std::log(mass);
}

void take(PromptLogprobs& prompt, Tokens const& context, std::size_t first, std::size_t count) {
  std::vector<float> const rows = rows_of(first, count);
  prompt.take(LogitsView<float>(rows.data(), count, 4), context, first);
}

}  // namespace

TEST_CASE("prompt tokens have the log-probability of the row before them, however the rows are cut") {
  Tokens const context{2, 1, 3, 0, 2, 1, 1};
  for (std::size_t begin = 0; begin < context.size(); ++begin)
    for (std::size_t cut = 1; cut < 4; ++cut) {
      PromptLogprobs prompt(begin, context.size(), 2);
      std::size_t const first = begin == 0 ? 0 : begin - 1;
      std::size_t position = first;
      while (prompt.next() != PromptLogprobs::none) {
        REQUIRE(prompt.next() == position);
        take(prompt, context, position, cut);
        position += cut;
      }
      REQUIRE(prompt.view().size() == context.size() - 1 - first);
      for (std::size_t i = 0; i < prompt.view().size(); ++i) {
        auto const entries = prompt.view()[i];
        REQUIRE(entries.size() == 3);
        CHECK(entries[0].token == context[first + 1 + i]);
        CHECK(entries[0].logprob == doctest::Approx(expected(first + i, entries[0].token)));
        CHECK(entries[1].token == 3);
        CHECK(entries[2].token == 2);
        CHECK(entries[2].logprob == doctest::Approx(expected(first + i, 2)));
      }
    }
}

TEST_CASE("a prompt of one token that begins a context needs no rows") {
  CHECK(PromptLogprobs(0, 1, 0).next() == PromptLogprobs::none);
  CHECK(PromptLogprobs(1, 2, 0).next() == 0);
}

TEST_CASE("rows that another sequence has taken already, and those beyond the prompt, are passed over") {
  Tokens const context{2, 1, 3, 0, 2, 1, 1};
  PromptLogprobs once(0, 5, 0), twice(0, 5, 0);
  take(once, context, 0, 7);
  take(twice, context, 0, 2);
  take(twice, context, 0, 3);
  take(twice, context, 1, 6);
  take(twice, context, 0, 4);
  REQUIRE(once.view().size() == 4);
  REQUIRE(twice.view().size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(once.view()[i][0].logprob == twice.view()[i][0].logprob);
}

TEST_CASE("a row that gives no token is an error that names its place, and what came before it stays") {
  Tokens const context{2, 1, 3, 0};
  std::vector<float> rows = rows_of(0, 3);
  rows[9] = std::numeric_limits<float>::quiet_NaN();
  PromptLogprobs prompt(0, 4, 0);
  CHECK_THROWS_WITH_AS(prompt.take(LogitsView<float>(rows.data(), 3, 4), context, 0),
                       doctest::Contains("after token 2"), copyspec::Error);
  CHECK(prompt.view().size() == 2);
  CHECK(prompt.next() == 2);
}

TEST_CASE("the entries are those of samplers, to the last bit") {
  copyspec_test::Random random(9);
  copyspec::detail::RowLogprobs sampler;
  for (int round = 0; round < 300; ++round) {
    std::size_t const vocabulary = random.between(1, 400);
    std::size_t const top = random.below(std::min<std::size_t>(vocabulary, 30) + 1);
    std::vector<float> row(vocabulary);
    for (float& logit : row)
      logit = random.one_in(9) ? -std::numeric_limits<float>::infinity()
                               : static_cast<float>(random.below(round % 2 == 0 ? 8 : 100000)) / 7 - 3;
    row[random.below(vocabulary)] = random.one_in(20) ? std::numeric_limits<float>::infinity() : 1;
    auto const token = static_cast<Token>(random.below(vocabulary));
    std::vector<copyspec::TokenLogprob> expected;
    REQUIRE(sampler.append(row, token, top, expected));
    PromptLogprobs prompt(1, 2, top);
    prompt.take(LogitsView<float>(row.data(), 1, vocabulary), Tokens{0, token}, 0);
    REQUIRE(prompt.view().size() == 1);
    for (std::size_t i = 0; i <= top; ++i) {
      REQUIRE(prompt.view()[0][i].token == expected[i].token);
      REQUIRE(std::bit_cast<std::uint32_t>(prompt.view()[0][i].logprob) ==
              std::bit_cast<std::uint32_t>(expected[i].logprob));
    }
  }
}
