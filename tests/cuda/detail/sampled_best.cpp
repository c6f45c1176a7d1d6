// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/sampled_best.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "cuda/support/batch.hpp"

using copyspec::Token;
using copyspec::cuda::LogitFormat;
using copyspec::detail::BestWord;
using copyspec::detail::gumbel_noise;
using copyspec::detail::gumbel_score;
using copyspec::detail::LogitVector;
using copyspec::detail::nan_seen;
using copyspec::detail::NoiseStream;
using copyspec::detail::nothing_seen;
using copyspec::detail::order_key_of;
using copyspec::detail::rough_noise;
using copyspec::detail::SampledBest;

TEST_CASE("rough noise is near the noise, from the first word to the last") {
  std::mt19937 random(1);
  auto const near = [](std::uint32_t word) { REQUIRE(std::abs(rough_noise(word) - gumbel_noise(word)) < 3e-5F); };
  for (std::uint32_t i = 0; i < 100000; ++i) {
    near(i);
    near(~i);
    near(0x10000000U - 50000 + i);
    near(0x40000000U - 50000 + i);
    near(static_cast<std::uint32_t>(random()));
    near(static_cast<std::uint32_t>(random()) >> (random() % 32));
  }
}

namespace {

BestWord best_by_ranks(std::vector<float> const& logits, NoiseStream stream, float inverse_temperature) {
  BestWord best = nothing_seen;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] != logits[i]) return nan_seen;
    if (logits[i] == special<float>(minus_infinity)) continue;
    auto const token = static_cast<Token>(i);
    best = std::max(best, order_key_of(gumbel_score(logits[i], inverse_temperature, stream.word(token)), token));
  }
  return best;
}

}  // namespace

TEST_CASE("the best is that of all scores, in any order, one by one and in vectors") {
  std::mt19937 random(2);
  std::array<float, 5> const extreme = {3.4e38F, -3.4e38F, special<float>(infinity), special<float>(minus_infinity),
                                        special<float>(not_a_number)};
  for (int round = 0; round < 3000; ++round) {
    NoiseStream const stream{.seed = random(), .position = random()};
    float const inverse_temperature = std::array{1.0F, 0.01F, 1000.0F, 1.7F}[random() % 4];
    std::vector<float> logits(4 * (1 + random() % 20));
    for (float& logit : logits) {
      logit = round % 3 == 0 ? static_cast<float>(random() % 4) : std::normal_distribution<float>(0, 5)(random);
      if (round % 4 == 0 && random() % 8 == 0) logit = extreme[random() % (round % 8 == 0 ? 5 : 4)];
    }
    BestWord const expected = best_by_ranks(logits, stream, inverse_temperature);
    std::vector<std::uint32_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::shuffle(order, random);
    SampledBest shuffled(stream, inverse_temperature);
    for (std::uint32_t const token : order) shuffled(logits[token], token);
    REQUIRE(shuffled.word() == expected);
    SampledBest whole(stream, inverse_temperature);
    for (std::uint32_t first = 0; first < logits.size(); first += 4) {
      LogitVector vector{};
      std::memcpy(&vector, logits.data() + first, sizeof(vector));
      whole.vector<LogitFormat::float32>(vector, first);
    }
    REQUIRE(whole.word() == expected);
    // Of which no group of four is one of the noise's.
    SampledBest shifted(stream, inverse_temperature);
    for (std::uint32_t i = 0; i < 3 && i < logits.size(); ++i) shifted(logits[i], i);
    for (std::uint32_t first = 3; first + 4 <= logits.size(); first += 4) {
      LogitVector vector{};
      std::memcpy(&vector, logits.data() + first, sizeof(vector));
      shifted.vector<LogitFormat::float32>(vector, first);
    }
    shifted(logits.back(), static_cast<std::uint32_t>(logits.size() - 1));
    REQUIRE(shifted.word() == expected);
  }
}

TEST_CASE("scores that are all but equal are told apart as they are") {
  std::mt19937 random(3);
  std::size_t equal = 0;
  for (int round = 0; round < 20000; ++round) {
    NoiseStream const stream{.seed = random(), .position = random()};
    // Every token is brought to the same score, give or take the last few bits.
    std::vector<float> logits(8);
    for (std::size_t i = 0; i < 8; ++i) {
      logits[i] = 3 - gumbel_noise(stream.word(static_cast<Token>(i)));
      logits[i] += static_cast<float>(static_cast<int>(random() % 5) - 2) * 1e-6F;
    }
    BestWord const expected = best_by_ranks(logits, stream, 1);
    SampledBest best(stream, 1);
    for (std::uint32_t i = 8; i-- > 0;) best(logits[i], i);
    REQUIRE(best.word() == expected);
    std::size_t winners = 0;
    for (std::size_t i = 0; i < 8; ++i)
      winners += gumbel_score(logits[i], 1, stream.word(static_cast<Token>(i))) ==
                 copyspec::detail::value_of_order_key(expected);
    equal += winners > 1 ? 1 : 0;
  }
  CHECK(equal > 1000);
}
