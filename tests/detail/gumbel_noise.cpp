// SPDX-License-Identifier: MIT
#include <copyspec/detail/gumbel_noise.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <random>
#include <vector>

using copyspec::Token;
using copyspec::detail::gumbel_noise;
using copyspec::detail::gumbel_score;
using copyspec::detail::max_noise;
using copyspec::detail::noise_bound;
using copyspec::detail::NoiseStream;
using copyspec::detail::philox4x32_run;

namespace {

constexpr std::uint32_t all_ones = 0xFFFFFFFF;

long double formula(std::uint32_t word) {
  long double const v = (word + 0.5L) / 0x1p32L;
  return -std::log(-std::log1p(-v));
}

// All small ones, all great ones, those around each power of two and each quarter, and many others.
std::vector<std::uint32_t> many_words() {
  std::vector<std::uint32_t> words;
  for (std::uint32_t word = 0; word < 5000; ++word) {
    words.push_back(word);
    words.push_back(all_ones - word);
  }
  for (unsigned bit = 12; bit < 32; ++bit)
    for (std::uint32_t near = 0; near < 64; ++near) words.push_back((1U << bit) - 32 + near);
  for (std::uint32_t near = 0; near < 64; ++near) words.push_back(0xC0000000U - 32 + near);
  std::mt19937 random(1);
  for (int i = 0; i < 100000; ++i) words.push_back(static_cast<std::uint32_t>(random()) >> (random() % 24));
  return words;
}

}  // namespace

TEST_CASE("noise is what the formula says, to the float nearest to it or the next") {
  long double worst = 0;
  for (std::uint32_t const word : many_words()) {
    long double const expected = formula(word);
    long double const difference = std::abs(gumbel_noise(word) - expected);
    worst = std::max(worst, difference / std::max(1e-3L, std::abs(expected)));
  }
  CHECK(worst < 0x1p-24L * 1.01L);
}

TEST_CASE("the noise of the word 0 is the greatest, and just below the bound of all") {
  CHECK(gumbel_noise(0) <= max_noise);
  CHECK(gumbel_noise(0) > max_noise - 1e-2F);
  std::vector<std::uint32_t> words = many_words();
  std::ranges::sort(words);
  float previous = max_noise;
  bool falls = true;
  for (std::uint32_t const word : words) {
    float const noise = gumbel_noise(word);
    falls = falls && noise <= previous;
    previous = noise;
  }
  CHECK(falls);
  CHECK(previous > -3.2F);
}

TEST_CASE("a word's bound holds for its noise and that of all greater words, and is near for small ones") {
  std::vector<std::uint32_t> words = many_words();
  std::ranges::sort(words, std::greater<>());
  float greatest = -std::numeric_limits<float>::infinity();
  float farthest = 0;
  bool holds = true;
  for (std::uint32_t const word : words) {
    greatest = std::max(greatest, gumbel_noise(word));
    holds = holds && noise_bound(word) >= greatest;
    if (word <= 0x20000000U) farthest = std::max(farthest, noise_bound(word) - gumbel_noise(word));
  }
  CHECK(holds);
  CHECK(farthest <= 0.41F);
  for (std::uint32_t const word : {0U, 1U, 2U, all_ones}) {
    CAPTURE(word);
    CHECK(noise_bound(word) >= gumbel_noise(word));
    CHECK(noise_bound(word) <= max_noise);
  }
}

TEST_CASE("noise has the mean and the variance of the standard Gumbel distribution") {
  constexpr std::size_t count = std::size_t{1} << 20U;
  constexpr double euler = 0.57721566490153286;
  constexpr double variance = 1.6449340668482264;
  double sum = 0;
  double squares = 0;
  NoiseStream const stream{.seed = 7, .position = 11};
  for (std::uint32_t block = 0; block < count / 4; block += 32) {
    auto const words = philox4x32_run<32>(stream.counter(block), stream.key());
    for (auto const& run : words) {
      for (std::uint32_t const word : run) {
        double const noise = gumbel_noise(word);
        sum += noise;
        squares += (noise - euler) * (noise - euler);
      }
    }
  }
  // Four standard deviations; the kurtosis is 5.4.
  CHECK(std::abs(sum / count - euler) < 4 * std::sqrt(variance / count));
  CHECK(std::abs(squares / count - variance) < 4 * variance * std::sqrt(4.4 / count));
}

TEST_CASE("a stream's word depends on all of seed, position and token") {
  NoiseStream const stream{.seed = 0x0123456789ABCDEF, .position = 0x0000000200000005};
  for (Token const token : {0, 1, 2, 3, 4, 151935, std::numeric_limits<Token>::max()}) {
    CAPTURE(token);
    std::uint32_t const word = stream.word(token);
    CHECK(stream.word(token) == word);
    for (unsigned bit = 0; bit < 64; ++bit) {
      NoiseStream seed = stream;
      seed.seed ^= std::uint64_t{1} << bit;
      CHECK(seed.word(token) != word);
      NoiseStream position = stream;
      position.position ^= std::uint64_t{1} << bit;
      CHECK(position.word(token) != word);
    }
    for (unsigned bit = 0; bit < 31; ++bit) CHECK(stream.word(token ^ static_cast<Token>(1U << bit)) != word);
  }
}

TEST_CASE("a token's word is found in a run over all tokens") {
  NoiseStream const stream{.seed = 3, .position = std::uint64_t{1} << 40U};
  for (std::uint32_t block = 0; block < 320; block += 32) {
    auto const words = philox4x32_run<32>(stream.counter(block), stream.key());
    for (std::uint32_t i = 0; i < 128; ++i)
      REQUIRE(words[i % 4][i / 4] == stream.word(static_cast<Token>(4 * block + i)));
  }
}

TEST_CASE("a score is the scaled logit with its noise, rounded once") {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, 10);
  long double worst = 0;
  for (int round = 0; round < 10000; ++round) {
    float const logit = normal(random);
    float const inverse = std::exp(normal(random) / 10);
    auto const word = static_cast<std::uint32_t>(random());
    long double const expected = static_cast<long double>(logit) * inverse + gumbel_noise(word);
    long double const difference = std::abs(gumbel_score(logit, inverse, word) - expected);
    worst = std::max(worst, difference / std::max(1e-30L, std::abs(expected)));
  }
  CHECK(worst <= 0x1p-24L);
  constexpr float infinite = std::numeric_limits<float>::infinity();
  CHECK(gumbel_score(infinite, 0.001F, 5) == infinite);
  CHECK(gumbel_score(-infinite, 0.001F, 0) == -infinite);
}

TEST_CASE("every machine and compiler computes the same noise") {
  std::uint64_t digest = 1;
  for (std::uint32_t const word : many_words()) {
    std::uint64_t const bits = copyspec::detail::bits_of_float(gumbel_score(0.1F, 1.7F, word));
    digest = std::rotl(digest ^ bits, 23) * 0x9E3779B97F4A7C15U;
  }
  CHECK(digest == 0x8DCDB2907372AD96);
}

TEST_CASE("a score is infinite only where the logit is") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float most = std::numeric_limits<float>::max();
  for (std::uint32_t const word : {0U, 1U << 31U, ~0U}) {
    CHECK(copyspec::detail::gumbel_score(3e38F, 1000, word) == most);
    CHECK(copyspec::detail::gumbel_score(-3e38F, 1000, word) == -most);
    CHECK(copyspec::detail::gumbel_score(infinity, 0.001F, word) == infinity);
    CHECK(copyspec::detail::gumbel_score(-infinity, 0.001F, word) == -infinity);
  }
}

TEST_CASE("what may reach a score is not left out, also where scores are as great as can be") {
  constexpr float most = std::numeric_limits<float>::max();
  CHECK(copyspec::detail::may_reach(1, 1, 1, 0));
  CHECK(copyspec::detail::may_reach(1, -5, 1, 6));
  CHECK_FALSE(copyspec::detail::may_reach(1, -5, 1, 5.9F));
  CHECK(copyspec::detail::may_reach(-most, -3e38F, 1000, 0));
  CHECK(copyspec::detail::may_reach(std::numeric_limits<float>::infinity(), 3e38F, 1000, 0));
}
