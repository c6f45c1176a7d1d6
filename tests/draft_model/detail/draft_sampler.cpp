// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/draft_sampler.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/token_sampler.hpp>
#include <cstddef>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::SamplingOptions;
using copyspec::Token;
using copyspec::TokenSampler;
using copyspec::detail::DraftSampler;

TEST_CASE("greedily the greatest logit is guessed, with its share of the softmax") {
  DraftSampler guesser;
  std::array<float, 3> const row{0, 2, 1};
  auto const guess = guesser.guess(std::span<float const>(row), 7);
  REQUIRE(guess.has_value());
  CHECK(guess->token == 1);
  CHECK(guess->confidence == doctest::Approx(std::exp(2.0) / (1 + std::exp(1.0) + std::exp(2.0))));
}

TEST_CASE("drawn like the turn, a row gives the token that a sampler draws of it") {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> row(500);
  SamplingOptions const options{.temperature = 0.8F, .top_k = 40, .top_p = 0.9F, .seed = 99};
  DraftSampler guesser;
  guesser.set_sampling(options, false);
  TokenSampler sampler;
  for (std::size_t position = 0; position < 200; ++position) {
    for (float& logit : row) logit = normal(random);
    auto const guess = guesser.guess(std::span<float const>(row), position);
    REQUIRE(guess.has_value());
    CHECK(guess->token == sampler.draw(row, options, position));
    CHECK(guess->confidence > 0);
    CHECK(guess->confidence <= 1);
  }
}

TEST_CASE("drawn independently, each guess has numbers of its own, and the row is kept") {
  std::vector<float> const row(100, 1.0F);
  SamplingOptions const options{.temperature = 1, .seed = 99};
  DraftSampler guesser;
  guesser.set_sampling(options, true);
  std::size_t repeated = 0, as_drawn = 0;
  TokenSampler sampler;
  Token last = -1;
  for (int i = 0; i < 200; ++i) {
    Token const token = guesser.guess(std::span<float const>(row), 7)->token;
    repeated += token == last ? 1U : 0U;
    as_drawn += token == sampler.draw(row, options, 7) ? 1U : 0U;
    last = token;
    CHECK(std::ranges::equal(guesser.row(), row));
  }
  CHECK(repeated < 12);
  CHECK(as_drawn < 12);
}

TEST_CASE("penalties and hooks of the turn are left out: they would be asked of rows that are not decided") {
  SamplingOptions options{.temperature = 1, .seed = 4};
  options.hooks = [](std::size_t) -> copyspec::RowHooks { throw 1; };
  options.penalties.presence = 100;
  DraftSampler guesser;
  guesser.set_sampling(options, false);
  std::array<float, 2> const row{0, 9};
  CHECK(guesser.guess(std::span<float const>(row), 0).has_value());
}

TEST_CASE("a row that gives no token gives no guess") {
  DraftSampler guesser;
  constexpr float inf = std::numeric_limits<float>::infinity();
  std::array<float, 2> const none{-inf, -inf};
  std::array<float, 2> const nan{1, std::numeric_limits<float>::quiet_NaN()};
  CHECK(!guesser.guess(std::span<float const>(none), 0).has_value());
  CHECK(!guesser.guess(std::span<float const>(nan), 0).has_value());
}

TEST_CASE("doubles are guessed of as well, and nothing is allocated for a second row") {
  DraftSampler guesser;
  std::vector<double> row(1000, 0.0);
  row[77] = 3;
  CHECK(guesser.guess(std::span<double const>(row), 0)->token == 77);
  std::size_t const before = allocations();
  CHECK(guesser.guess(std::span<double const>(row), 1)->token == 77);
  CHECK(allocations() == before);
}
