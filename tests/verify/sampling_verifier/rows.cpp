// SPDX-License-Identifier: MIT
#include <copyspec/verify/sampling_verifier.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/sampled_turn.hpp"
#include "support/sanitized.hpp"
#include "support/three_tokens.hpp"

namespace {

using copyspec::LogitsView;
using copyspec::PenaltyOptions;
using copyspec::RowHooks;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;
using copyspec_test::each_turn;
using copyspec_test::sanitized;

using Tokens = std::vector<Token>;
using Random = std::mt19937_64;

SamplingVerifier in_turn(SamplingOptions const& options, std::size_t vocabulary) {
  return copyspec_test::in_turn<SamplingVerifier>(options, vocabulary);
}

constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

// A language of three tokens: a row for each beginning of it.
class Language {
 public:
  explicit Language(std::uint64_t seed) {
    Random random(seed);
    std::normal_distribution<float> normal(0, 2);
    for (Row& row : rows_)
      for (float& logit : row) logit = normal(random);
  }

  [[nodiscard]] Row const& after(std::span<Token const> said) const {
    std::size_t index = said.size();
    for (Token const token : said) index = index * vocabulary + static_cast<std::size_t>(token);
    return rows_.at(index);
  }

 private:
  std::array<Row, 3 * vocabulary * vocabulary> rows_{};
};

constexpr Token context_token = 3;  // what stands before what is said

// Says three tokens, with drafts of any length that are sometimes right.
std::size_t say_three(Language const& language, SamplingVerifier& verifier, Random& random) {
  std::array<Token, 4> tokens{context_token};
  std::size_t length = 1;
  std::array<float, 3 * vocabulary> rows;
  while (length < 4) {
    std::size_t const drafted = random() % (4 - length);
    for (std::size_t i = 0; i <= drafted; ++i) {
      std::span<Token const> const said(tokens.data() + 1, length - 1 + i);
      Row const& row = language.after(said);
      std::ranges::copy(row, rows.begin() + static_cast<std::ptrdiff_t>(i * vocabulary));
      if (i == drafted) break;
      auto const best = std::ranges::max_element(row) - row.begin();
      tokens[length + i] = static_cast<Token>(random() % 4 > 0 ? best : static_cast<std::ptrdiff_t>(random() % 8));
    }
    Verdict const verdict = verifier.verify(LogitsView<float>(rows.data(), drafted + 1, vocabulary),
                                            std::span<Token const>(tokens.data(), length + drafted), length);
    length += verdict.accepted;
    tokens[length++] = verdict.next;
  }
  return static_cast<std::size_t>((tokens[1] * 8 + tokens[2]) * 8 + tokens[3]);
}

std::vector<std::pair<std::string, SamplingOptions>> settings() {
  std::vector<std::pair<std::string, SamplingOptions>> all;
  all.emplace_back("the model's own distribution", SamplingOptions{});
  all.emplace_back("hot", SamplingOptions{.temperature = 1.7F});
  all.emplace_back("filtered", SamplingOptions{.temperature = 0.8F, .top_k = 6, .top_p = 0.9F, .min_p = 0.05F});
  all.emplace_back("filtered after the temperature",
                   SamplingOptions{.temperature = 1.5F, .temperature_first = true, .top_k = 7, .top_p = 0.8F});
  all.emplace_back("typical", SamplingOptions{.typical_p = 0.7F});
  all.emplace_back("penalties and bias",
                   SamplingOptions{.top_p = 0.95F,
                                   .penalties = {.repetition = 1.3F, .frequency = 0.4F, .presence = 0.2F, .window = 3},
                                   .logit_bias = {{2, 1.5F}, {5, minus_infinity}}});
  SamplingOptions edited{.top_k = 5};
  edited.hooks = each_turn({.edit = [](std::span<Token const> before, std::span<float> row) {
    row[static_cast<std::size_t>(before.back())] = minus_infinity;
  }});
  all.emplace_back("edited", edited);
  return all;
}

}  // namespace

TEST_CASE("three tokens in a row have the joint distribution of the options, and one percent more would show") {
  constexpr std::size_t draws = sanitized ? 50000 : 1000000;
  Language const language(5);
  for (auto const& setting : settings()) {
    SamplingOptions const& options = setting.second;
    CAPTURE(setting.first);
    std::vector<std::size_t> seen(vocabulary * vocabulary * vocabulary);
    Random random(7);
    SamplingOptions seeded = options;
    SamplingVerifier verifier;
    for (std::size_t seed = 0; seed < draws; ++seed) {
      seeded.seed = seed;
      verifier.begin_turn({.options = &seeded, .vocabulary = vocabulary, .answer = 1});
      ++seen[say_three(language, verifier, random)];
    }
    auto const row_after = [&](Tokens const& before) { return language.after(std::span(before).subspan(1)); };
    CHECK(surprise(seen, joint(row_after, {context_token}, options), draws) < 4);
    if (!sanitized) CHECK(surprise(seen, joint(row_after, {context_token}, options, 1.01), draws) > 4);
  }
}

namespace {

// A row of any length, with many logits near the greatest.
std::vector<float> any_row(Random& random, std::size_t length) {
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> row(length);
  for (float& logit : row) logit = normal(random);
  return row;
}

template <class Scalar>
Verdict verify_one(SamplingVerifier& verifier, std::vector<Scalar> const& row, Tokens const& before) {
  return verifier.verify(LogitsView<Scalar>(row.data(), 1, row.size()), before, before.size());
}

bool is_forbidden(std::span<Token const> before, std::size_t token) {
  return (token * 2654435761U + before.size()) % 100 < 70;
}

}  // namespace

TEST_CASE("what is picked, refused and picked again is what a masked row gives") {
  Random random(11);
  auto const mask = [](std::span<Token const> before, std::span<float> row) {
    for (std::size_t token = 0; token < row.size(); ++token)
      if (is_forbidden(before, token)) row[token] = minus_infinity;
  };
  std::size_t questions = 0;
  auto const allows = [&](std::span<Token const> before, Token token) {
    ++questions;
    return !is_forbidden(before, static_cast<std::size_t>(token));
  };
  SamplingOptions masked{.temperature = 1.3F, .hooks = each_turn({.edit = mask})};
  SamplingOptions asked{.temperature = 1.3F, .hooks = each_turn({.allows = allows})};
  SamplingOptions both{.temperature = 1.3F, .hooks = each_turn({.allows = allows, .mask = mask})};
  std::size_t rows = 0;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    masked.seed = asked.seed = both.seed = seed;
    Tokens const before(1 + random() % 9, 1);
    std::vector<float> const row = any_row(random, 1 + random() % 400);
    SamplingVerifier with_mask = in_turn(masked, row.size());
    SamplingVerifier with_questions = in_turn(asked, row.size());
    SamplingVerifier with_both = in_turn(both, row.size());
    Verdict const verdict = verify_one(with_mask, row, before);
    for (SamplingVerifier* const verifier : {&with_questions, &with_both}) {
      Verdict const other = verify_one(*verifier, row, before);
      REQUIRE(other.status == verdict.status);
      if (verdict.status == VerdictStatus::ok) REQUIRE(other.next == verdict.next);
    }
    if (verdict.status == VerdictStatus::ok) REQUIRE(!is_forbidden(before, static_cast<std::size_t>(verdict.next)));
    ++rows;
  }
  CHECK(questions > 2 * rows);
}

TEST_CASE("hooks see the rows of the accepted path, in order, each with the tokens before it") {
  std::vector<Tokens> edited, asked;
  RowHooks hooks;
  hooks.edit = [&](std::span<Token const> before, std::span<float>) {
    edited.emplace_back(before.begin(), before.end());
  };
  hooks.allows = [&](std::span<Token const> before, Token) {
    asked.emplace_back(before.begin(), before.end());
    return true;
  };
  SamplingVerifier verifier = in_turn({.temperature = 0, .hooks = each_turn(hooks)}, 4);
  // The rows give 1, 2, 0, 3; the draft is wrong at its third token.
  std::vector<float> rows(4 * 4);
  for (std::size_t i = 0; i < 4; ++i) rows[i * 4 + std::array<std::size_t, 4>{1, 2, 0, 3}[i]] = 5;
  Tokens const tokens{7, 7, 1, 2, 3};
  Verdict const verdict = verifier.verify(LogitsView<float>(rows.data(), 4, 4), tokens, 2);
  CHECK(verdict.accepted == 2);
  CHECK(verdict.next == 0);
  std::vector<Tokens> const expected{{7, 7}, {7, 7, 1}, {7, 7, 1, 2}};
  CHECK(edited == expected);
  CHECK(asked == expected);
}

TEST_CASE("what a hook throws comes through, and the same rows give the same again") {
  Random random(3);
  std::vector<float> const row = any_row(random, 50);
  SamplingOptions options{.seed = 0, .penalties = {.repetition = 2, .window = PenaltyOptions::all_tokens}};
  SamplingVerifier calm = in_turn(options, row.size());
  bool throws = true;
  options.hooks = each_turn({.allows = [&](std::span<Token const>, Token) { return throws ? throw 1 : true; }});
  SamplingVerifier verifier = in_turn(options, row.size());
  Tokens const before{1, 2, 3, 3};
  CHECK_THROWS_AS(static_cast<void>(verify_one(verifier, row, before)), int);
  throws = false;
  CHECK(verify_one(verifier, row, before).next == verify_one(calm, row, before).next);
}

TEST_CASE("rows of another type are sampled as the floats they convert to") {
  Random random(5);
  std::vector<float> const row = any_row(random, 300);
  std::vector<double> const wide(row.begin(), row.end());
  for (bool const edits : {false, true}) {
    SamplingOptions options{.seed = 0, .logprobs = 2};
    if (edits) options.logit_bias = {{3, 4.0F}};
    SamplingVerifier one = in_turn(options, row.size());
    SamplingVerifier other = in_turn(options, row.size());
    CHECK(verify_one(one, row, {1}).next == verify_one(other, wide, {1}).next);
    REQUIRE(one.logprobs().size() == 1);
    REQUIRE(other.logprobs().size() == 1);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(one.logprobs()[0][i].token == other.logprobs()[0][i].token);
      CHECK(one.logprobs()[0][i].logprob == other.logprobs()[0][i].logprob);
    }
  }
}

TEST_CASE("log-probabilities are of the row as it was returned, and of what came to stand") {
  std::vector<float> const row{0, 1, 2, 3};
  SamplingOptions options{.temperature = 0, .logit_bias = {{0, 10.0F}}, .logprobs = 2};
  SamplingVerifier verifier = in_turn(options, 4);
  double const log_mass = std::log(1 + std::exp(1.0) + std::exp(2.0) + std::exp(3.0));
  for (Tokens const& before : {Tokens{5}, Tokens{5, 0}, Tokens{5, 0, 0}}) {
    CHECK(verify_one(verifier, row, before).next == 0);
    REQUIRE(verifier.logprobs().size() == before.size());
    auto const newest = verifier.logprobs()[before.size() - 1];
    CHECK(newest[0].token == 0);
    CHECK(newest[0].logprob == doctest::Approx(-log_mass));
    CHECK(newest[1].token == 3);
    CHECK(newest[1].logprob == doctest::Approx(3 - log_mass));
    CHECK(newest[2].token == 2);
  }
  // A pass that is judged again, from the second token on.
  static_cast<void>(verify_one(verifier, row, {5, 0}));
  CHECK(verifier.logprobs().size() == 2);
  verifier.begin_turn({.vocabulary = 4, .budget = 10});
  CHECK(verifier.logprobs().size() == 0);
}

TEST_CASE("a row of the model without a token is told from one whose tokens are all excluded") {
  std::vector<float> const row{1, 2, 3};
  std::vector<std::vector<float>> const invalid{{1, std::numeric_limits<float>::quiet_NaN(), 3},
                                                std::vector<float>(3, minus_infinity)};
  auto const none = [](std::span<Token const>, Token) { return false; };
  auto const empty = [](std::span<Token const>, std::span<float> all) { std::ranges::fill(all, minus_infinity); };
  std::vector<SamplingOptions> excluding(4);
  excluding[0].logit_bias = {{0, minus_infinity}, {1, minus_infinity}, {2, minus_infinity}};
  excluding[1].hooks = each_turn({.edit = empty});
  excluding[2].hooks = each_turn({.allows = none});
  excluding[3].hooks = each_turn({.allows = none, .mask = empty});
  for (float const temperature : {0.0F, 1.0F})
    for (std::ptrdiff_t const top_k : {0, 2}) {
      auto const with_filters = [&](SamplingOptions options) {
        options.temperature = temperature;
        options.top_k = top_k;
        return in_turn(options, row.size());
      };
      for (SamplingOptions const& options : excluding) {
        SamplingVerifier verifier = with_filters(options);
        CHECK(verify_one(verifier, row, {1}).status == VerdictStatus::all_excluded);
        for (std::vector<float> const& of_model : invalid)
          CHECK(verify_one(verifier, of_model, {1}).status == VerdictStatus::invalid_row);
      }
      SamplingVerifier verifier = with_filters({});
      for (std::vector<float> const& of_model : invalid)
        CHECK(verify_one(verifier, of_model, {1}).status == VerdictStatus::invalid_row);
      CHECK(verify_one(verifier, row, {1}).status == VerdictStatus::ok);
    }
}

TEST_CASE("at steady state nothing is allocated, whatever is asked for") {
  Random random(9);
  std::vector<std::vector<float>> rows;
  for (int i = 0; i < 20; ++i) rows.push_back(any_row(random, 3000));
  SamplingOptions everything{.temperature = 0.9F,
                             .top_k = 200,
                             .typical_p = 0.95F,
                             .top_p = 0.9F,
                             .min_p = 0.01F,
                             .penalties = {.repetition = 1.1F, .window = PenaltyOptions::all_tokens},
                             .dry = {.multiplier = 0.5F},
                             .logit_bias = {{3, 1.0F}},
                             .logprobs = 5};
  everything.hooks = each_turn({.allows = [](std::span<Token const>, Token token) { return token % 3 != 0; }});
  for (SamplingOptions const& options : {SamplingOptions{}, SamplingOptions{.top_p = 0.9F}, everything}) {
    SamplingVerifier verifier(options);
    verifier.begin_turn({.vocabulary = 3000, .budget = 200, .answer = 1});
    Tokens said{1};
    said.reserve(300);
    std::size_t before = 0;
    for (std::size_t i = 0; i < 200; ++i) {
      if (i == 60) before = allocations();
      Verdict const verdict = verify_one(verifier, rows[i % rows.size()], said);
      said.push_back(verdict.next);
    }
    CHECK(allocations() == before);
  }
}
