// SPDX-License-Identifier: MIT
#include <copyspec/verify/token_sampler.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/filter_reference.hpp"
#include "support/rows.hpp"

using copyspec::SamplingOptions;
using copyspec::Token;
using copyspec::TokenSampler;
using copyspec::detail::gumbel_noise;
using copyspec::detail::gumbel_score;
using copyspec::detail::NoiseStream;
using copyspec::detail::philox4x32_run;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr std::size_t large_vocabulary = 151936;

// Of those that the filters leave, one after the other.
Token brute_force(std::span<float const> row, SamplingOptions const& options, std::size_t position) {
  NoiseStream const stream{.seed = options.seed.value(), .position = position};
  Token best = -1;
  float best_score = 0;
  for (Token const token : FilterReference::left(row, options)) {
    float const logit = row[static_cast<std::size_t>(token)];
    float const score =
        options.temperature == 0 ? logit : gumbel_score(logit, 1 / options.temperature, stream.word(token));
    if (best >= 0 && !(score > best_score)) continue;
    best = token;
    best_score = score;
  }
  return best;
}

using Chances = std::array<double, 8>;

// How often each token of a row of these probabilities comes in so many draws.
std::array<int, 8> counts_of_draws(Chances const& probabilities, std::size_t draws) {
  std::array<float, 8> row;
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(std::log(probabilities[i])) + 3;
  std::array<int, 8> counts{};
  TokenSampler sampler;
  for (std::size_t position = 0; position < draws; ++position)
    ++counts[static_cast<std::size_t>(sampler.draw(row, {.seed = 1}, position).value())];
  return counts;
}

// Pearson's statistic.
double chi_square(std::array<int, 8> const& counts, Chances const& probabilities, double draws) {
  double statistic = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    double const expected = draws * probabilities[i];
    statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  return statistic;
}

// With seven degrees of freedom, a greater one comes once in a million times.
constexpr double chi_square_bound = 40.5;

}  // namespace

TEST_CASE("the greatest score of what the filters leave is drawn") {
  Random random(1);
  TokenSampler sampler;
  for (int round = 0; round < 6000; ++round) {
    CAPTURE(round);
    std::size_t const length = 1 + below(random, round % 4 == 0 ? 2000 : 150);
    std::vector<float> const row = random_row(random, length);
    SamplingOptions options = random_filters(random, length);
    if (round % 3 == 0) options = {.temperature = options.temperature};
    options.seed = std::uint64_t{random()} << 32U | random();
    std::size_t const position = below(random, 1000000);
    CAPTURE(length);
    CAPTURE(options.temperature);
    CAPTURE(options.top_k);
    CAPTURE(options.typical_p);
    CAPTURE(options.top_p);
    CAPTURE(options.min_p);
    REQUIRE(sampler.draw(row, options, position) == brute_force(row, options, position));
  }
}

TEST_CASE("rows of every length, and near ties over many blocks, are searched to their end") {
  Random random(2);
  TokenSampler sampler;
  for (std::size_t length = 1; length < 1100; ++length) {
    std::vector<float> const row = normal_row(random, length, 0.1F);
    SamplingOptions const options = {.temperature = 0.5F + static_cast<float>(below(random, 10)), .seed = length};
    for (std::size_t position = 0; position < 3; ++position)
      REQUIRE(sampler.draw(row, options, position) == brute_force(row, options, position));
  }
}

TEST_CASE("the greatest noise there is is found in whatever block it is") {
  struct Place {
    std::size_t position;
    Token token;
  };
  for (Place const place : {Place{3479536, 603}, Place{5682877, 179}, Place{944004, 510}}) {
    std::size_t const position = place.position;
    Token const token = place.token;
    CAPTURE(token);
    NoiseStream const stream{.seed = 1, .position = position};
    REQUIRE(stream.word(token) <= 2);
    std::vector<float> row(1024, -100);
    row[1000] = 0;
    float const even = gumbel_noise(stream.word(1000)) - gumbel_noise(stream.word(token));
    TokenSampler sampler;
    row[static_cast<std::size_t>(token)] = even + 1e-4F;
    CHECK(sampler.draw(row, {.seed = 1}, position) == token);
    row[static_cast<std::size_t>(token)] = even - 1e-4F;
    CHECK(sampler.draw(row, {.seed = 1}, position) == Token{1000});
  }
}

TEST_CASE("where scores are too great for a float, the lowest of the tokens that are not ruled out is drawn") {
  constexpr float most = std::numeric_limits<float>::max();
  Random random(3);
  TokenSampler sampler;
  for (int round = 0; round < 600; ++round) {
    std::size_t const rare = 2 + below(random, 500);
    float const sign = below(random, 2) == 0 ? 1.0F : -1.0F;
    std::vector<float> row(1 + below(random, 600));
    for (float& logit : row) {
      logit = sign * most / (below(random, rare) == 0 ? 1 : 1.5F);
      if (below(random, rare) > 1) logit = below(random, 2) == 0 ? -infinite : -most;
    }
    row.back() = sign * most;
    for (float const temperature : {0.001F, 0.5F, 1.0F, 1000.0F}) {
      SamplingOptions options = {.temperature = temperature, .seed = 5};
      REQUIRE(sampler.draw(row, options, 7) == brute_force(row, options, 7));
      options.top_k = static_cast<std::ptrdiff_t>(row.size());
      REQUIRE(sampler.draw(row, options, 7) == brute_force(row, options, 7));
    }
  }
}

TEST_CASE("temperature zero draws the greatest logit that is left") {
  TokenSampler sampler;
  std::vector<float> const row = {1, 4, 3.9F, 4, 0};
  CHECK(sampler.draw(row, {.temperature = 0}, 3) == Token{1});
  CHECK(sampler.draw(row, {.temperature = 0, .top_k = 3, .top_p = 0.5F, .seed = 9}, 3) == Token{1});
  // Of probabilities 0.4, 0.3, 0.2 and 0.1, whose most typical is the second.
  std::vector<float> probabilities;
  for (double const chance : {0.4, 0.3, 0.2, 0.1}) probabilities.push_back(static_cast<float>(std::log(chance)));
  CHECK(sampler.draw(probabilities, {.temperature = 0, .typical_p = 0.2F}, 3) == Token{1});
  CHECK(sampler.draw(std::vector<float>{-0.0F, 0.0F}, {.temperature = 0, .top_k = 2}, 3) == Token{0});
}

TEST_CASE("a row that holds a NaN, or nothing above minus infinity, gives nothing") {
  TokenSampler sampler;
  std::array<SamplingOptions, 4> const all = {SamplingOptions{.temperature = 0}, SamplingOptions{.seed = 0},
                                              SamplingOptions{.top_k = 3, .seed = 0},
                                              SamplingOptions{.temperature = 0, .top_p = 0.5F}};
  for (SamplingOptions const& options : all) {
    for (std::size_t const length : {1U, 5U, 128U, 300U}) {
      CAPTURE(length);
      std::vector<float> row(length, 1);
      for (std::size_t const i : {std::size_t{0}, length / 2, length - 1}) {
        row[i] = not_a_number;
        CHECK_FALSE(sampler.draw(row, options, 0));
        row[i] = 1;
      }
      row.assign(length, -infinite);
      CHECK_FALSE(sampler.draw(row, options, 0));
      row.back() = -100;
      CHECK(sampler.draw(row, options, 0) == static_cast<Token>(length - 1));
    }
    CHECK_FALSE(sampler.draw({}, options, 0));
  }
}

TEST_CASE("what is drawn depends on seed and position, and on nothing drawn before") {
  std::vector<float> const row(1000, 2.0F);
  TokenSampler sampler;
  std::vector<std::optional<Token>> drawn;
  for (std::size_t position = 0; position < 100; ++position) drawn.push_back(sampler.draw(row, {.seed = 4}, position));
  std::size_t same_of_other_seed = 0;
  for (std::size_t position = 100; position-- > 0;) {
    same_of_other_seed += sampler.draw(row, {.seed = 5}, position) == drawn[position] ? 1U : 0U;
    TokenSampler other;
    REQUIRE(other.draw(row, {.seed = 4}, position) == drawn[position]);
    REQUIRE(sampler.draw(row, {.seed = 4}, position) == drawn[position]);
  }
  CHECK(same_of_other_seed < 5);
  std::ranges::sort(drawn);
  CHECK(std::unique(drawn.begin(), drawn.end()) - drawn.begin() > 85);
}

TEST_CASE("tokens are drawn with the probabilities of the softmax, and a chance one percent off would show") {
  constexpr Chances probabilities = {0.5, 0.2, 0.1, 0.08, 0.06, 0.04, 0.015, 0.005};
  constexpr std::size_t draws = 1000000;
  std::array<int, 8> const counts = counts_of_draws(probabilities, draws);
  CHECK(chi_square(counts, probabilities, draws) < chi_square_bound);
  Chances wrong = probabilities;
  wrong[0] *= 1.01;
  for (std::size_t i = 1; i < wrong.size(); ++i) wrong[i] *= (1 - wrong[0]) / (1 - probabilities[0]);
  CHECK(chi_square(counts, wrong, draws) > chi_square_bound);
}

TEST_CASE("in a flat row of a large vocabulary no token is favoured") {
  std::vector<float> const row(large_vocabulary, -1.5F);
  TokenSampler sampler;
  constexpr std::size_t draws = 1000;
  double sum = 0;
  for (std::size_t position = 0; position < draws; ++position)
    sum += sampler.draw(row, {.seed = 6}, position).value() / static_cast<double>(large_vocabulary);
  CHECK(std::abs(sum / draws - 0.5) < 4 * std::sqrt(1.0 / 12 / draws));
}

TEST_CASE("in flat rows of a large vocabulary no two tokens have the greatest noise") {
  // Noise falls as words rise, so it is the noise of the two least words that matters.
  std::size_t ties = 0;
  for (std::uint64_t position = 0; position < 1000; ++position) {
    NoiseStream const stream{.seed = 8, .position = position};
    std::uint32_t least = ~0U;
    std::uint32_t second = ~0U;
    for (std::uint32_t block = 0; block < large_vocabulary / 4; block += 32) {
      auto const words = philox4x32_run<32>(stream.counter(block), stream.key());
      for (auto const& run : words) {
        if (*std::ranges::min_element(run) >= second) continue;
        for (std::uint32_t const word : run) {
          if (word < second) second = word;
          if (second < least) std::swap(least, second);
        }
      }
    }
    ties += gumbel_noise(least) == gumbel_noise(second) ? 1U : 0U;
  }
  CHECK(ties == 0);
}

TEST_CASE("drawing again allocates nothing") {
  Random random(9);
  std::vector<std::vector<float>> rows;
  std::vector<SamplingOptions> options;
  for (int i = 0; i < 50; ++i) {
    rows.push_back(random_row(random, 1 + below(random, 2000)));
    options.push_back(random_filters(random, rows.back().size()));
  }
  TokenSampler sampler;
  std::size_t drawn = 0;
  auto const draw_all = [&] {
    for (std::size_t i = 0; i < rows.size(); ++i) drawn += sampler.draw(rows[i], options[i], i).has_value() ? 1U : 0U;
  };
  draw_all();
  std::size_t const before = allocations();
  draw_all();
  CHECK(allocations() == before);
  CHECK(drawn == 2 * rows.size());
}

TEST_CASE("a token that is ruled out is not drawn, however small the others' scores are") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  TokenSampler sampler;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<float> const low = {-infinity, -3e38F, -infinity};
    CHECK(sampler.draw(low, {.temperature = 0.001F, .seed = seed}, 0) == 1);
    CHECK(sampler.draw(low, {.temperature = 0.001F, .top_k = 2, .seed = seed}, 0) == 1);
    // Filters that take nothing out change nothing.
    std::vector<float> const high = {2e38F, infinity, 3e38F};
    CHECK(sampler.draw(high, {.temperature = 0.001F, .seed = seed}, 0) == 1);
    CHECK(sampler.draw(high, {.temperature = 0.001F, .top_k = 9, .seed = seed}, 0) == 1);
  }
}

TEST_CASE("the token drawn from a whole row is the one with the greatest score") {
  std::vector<float> row;
  for (int i = 0; i < 300; ++i) row.push_back(static_cast<float>(i * 7919 % 101) / 20);
  copyspec::TokenSampler sampler;
  for (float const temperature : {0.0F, 0.7F, 1.5F})
    for (std::size_t position = 0; position < 50; ++position) {
      copyspec::SamplingOptions const options{.temperature = temperature, .seed = 11};
      auto const drawn = sampler.draw(std::span<float const>(row), options, position);
      REQUIRE(drawn);
      auto const score = [&](copyspec::Token token) {
        return copyspec::sampling_score(row[static_cast<std::size_t>(token)], token, options, position);
      };
      for (copyspec::Token token = 0; token < 300; ++token) CHECK(score(token) <= score(*drawn));
    }
}
