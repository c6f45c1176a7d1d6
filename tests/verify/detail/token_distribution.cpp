// SPDX-License-Identifier: MIT
#include <copyspec/verify/detail/token_distribution.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <copyspec/verify/token_sampler.hpp>
#include <cstddef>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/filter_reference.hpp"
#include "support/rows.hpp"

using copyspec::SamplingOptions;
using copyspec::Token;
using copyspec::TokenSampler;
using copyspec::detail::TokenDistribution;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();

SamplingOptions any_options(Random& random) {
  SamplingOptions options{.seed = 0};
  options.temperature = std::array{0.0F, 0.001F, 0.3F, 0.7F, 1.0F, 1.5F, 30.0F}[below(random, 7)];
  options.temperature_first = below(random, 2) == 0;
  if (below(random, 2) == 0) options.top_k = 1 + static_cast<std::ptrdiff_t>(below(random, 60));
  if (below(random, 3) == 0) options.typical_p = static_cast<float>(below(random, 100)) / 100;
  if (below(random, 3) == 0) options.top_p = static_cast<float>(below(random, 100)) / 100;
  if (below(random, 3) == 0) options.min_p = static_cast<float>(below(random, 100)) / 300;
  return options;
}

// By the definition, in double precision.
std::map<Token, double> reference(std::span<float const> row, SamplingOptions const& options) {
  Tokens const left = FilterReference::left(row, options);
  auto const logit = [&](Token token) { return row[static_cast<std::size_t>(token)]; };
  Token const best = *std::ranges::max_element(left, {}, logit);
  if (options.temperature == 0 || std::isinf(logit(best))) return {{best, 1.0}};
  std::map<Token, double> probabilities;
  double mass = 0;
  for (Token const token : left)
    mass += probabilities[token] = std::exp((double{logit(token)} - double{logit(best)}) / double{options.temperature});
  for (auto& [token, chance] : probabilities) chance /= mass;
  return probabilities;
}

}  // namespace

TEST_CASE("probabilities are those of the softmax of what the filters leave, and no token else has one") {
  Random random(1);
  TokenDistribution probabilities;
  for (int i = 0; i < 3000; ++i) {
    std::vector<float> const row = random_row(random, 1 + below(random, 400));
    SamplingOptions const options = any_options(random);
    std::map<Token, double> const expected = reference(row, options);
    REQUIRE(probabilities.take(row, options));
    REQUIRE(std::ranges::is_sorted(probabilities.tokens()));
    double sum = 0;
    std::size_t listed = 0;
    for (Token token = -1; token < 500; ++token) {
      double const chance = probabilities.of(token);
      auto const found = expected.find(token);
      double const mean = found == expected.end() ? 0 : found->second;
      // Weights are integers, and distances floats.
      REQUIRE(std::abs(chance - mean) <= 2e-5 * mean + 1e-11);
      if (chance > 0) {
        ++listed;
        REQUIRE(std::ranges::binary_search(probabilities.tokens(), token));
      }
      sum += chance;
    }
    REQUIRE(listed <= probabilities.tokens().size());
    REQUIRE(sum == doctest::Approx(1).epsilon(1e-12));
  }
}

TEST_CASE("what a sampler draws has a chance, and is certain where nothing else has one") {
  Random random(2);
  TokenDistribution probabilities;
  TokenSampler sampler;
  for (std::size_t i = 0; i < 5000; ++i) {
    std::vector<float> const row = random_row(random, 1 + below(random, 300));
    SamplingOptions const options = any_options(random);
    Token const drawn = sampler.draw(row, options, i).value();
    REQUIRE(probabilities.take(row, options));
    REQUIRE(probabilities.of(drawn) > 0);
    if (options.temperature == 0) REQUIRE(probabilities.of(drawn) == 1);
  }
}

TEST_CASE("a row without a token gives no probabilities, and one that is named is certain") {
  TokenDistribution probabilities;
  SamplingOptions const options;
  REQUIRE(probabilities.take(std::vector<float>{1, 2, 3}, options));
  CHECK(probabilities.tokens().size() == 3);
  for (std::vector<float> const& row :
       {std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}, std::vector<float>{-infinite, -infinite}, {}}) {
    CHECK(!probabilities.take(row, options));
    CHECK(probabilities.tokens().empty());
    for (Token token = 0; token < 4; ++token) CHECK(probabilities.of(token) == 0);
  }
  probabilities.take(6);
  CHECK(probabilities.of(6) == 1);
  CHECK(probabilities.of(5) == 0);
  CHECK(probabilities.of(7) == 0);
  CHECK(probabilities.of(std::numeric_limits<Token>::max()) == 0);
  probabilities.clear();
  CHECK(probabilities.of(6) == 0);
}

TEST_CASE("nothing is allocated for rows of a length that was asked for") {
  Random random(4);
  std::vector<float> const row = normal_row(random, 2000, 3);
  TokenDistribution probabilities;
  probabilities.reserve(row.size());
  SamplingOptions const all, filtered{.top_k = 40, .top_p = 0.9F};
  REQUIRE(probabilities.take(row, filtered));
  std::size_t const before = allocations();
  for (int i = 0; i < 3; ++i) {
    REQUIRE(probabilities.take(row, all));
    REQUIRE(probabilities.take(row, filtered));
    probabilities.take(Token{1999});
  }
  CHECK(allocations() == before);
}
