// SPDX-License-Identifier: MIT
// What host and device must compute alike, bit for bit.
#include <doctest/doctest.h>

#include <cmath>
#include <copyspec/detail/float_bits.hpp>
#include <copyspec/detail/gumbel_noise.hpp>
#include <copyspec/detail/philox.hpp>
#include <copyspec/detail/reproducible_math.hpp>
#include <copyspec/detail/softmax_sum.hpp>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "cuda/support/device_memory.hpp"

// Named, so that a compiler calls it the same each time.
namespace exact_arithmetic {

// Without padding. What is computed of one random word, or two.
struct Computed {
  std::uint32_t noise;
  std::uint32_t score;
  std::uint32_t distance;
  std::uint32_t least;
  std::uint32_t logprob;
  std::uint32_t philox;
  std::uint64_t weight;
  std::uint64_t log;
};
static_assert(sizeof(Computed) == 6 * sizeof(std::uint32_t) + 2 * sizeof(std::uint64_t));

__host__ __device__ inline float some_float(std::uint32_t word) {
  // Every exponent that a logit may have.
  return copyspec::detail::float_from_bits((word & 0x807FFFFFU) | ((word >> 23U) % 254U + 1U) << 23U);
}

__host__ __device__ inline Computed compute(std::uint32_t word, std::uint32_t other) {
  using namespace copyspec;
  using namespace copyspec::detail;
  Computed computed{};
  float const usual = static_cast<float>(static_cast<std::int32_t>(other)) * 0x1p-26F;
  float const logit = word % 4 == 0 ? some_float(other) : usual;
  float const greatest = logit > 9.5F ? logit : 9.5F;
  computed.noise = bits_of_float(gumbel_noise(word));
  computed.score = bits_of_float(gumbel_score(logit, 1.4285715F, word));
  float const distance = distance_below(greatest, logit, 1.4285715F);
  computed.distance = bits_of_float(distance);
  computed.least = bits_of_float(least_within(greatest, distance, 1.4285715F));
  std::uint64_t const mass = (std::uint64_t{1} << 40U) + (std::uint64_t{word} << (other % 28U));
  computed.logprob = bits_of_float(logprob_of(greatest, logit, log_of_softmax_sum(mass)));
  computed.philox = philox4x32({{word, other, 1, 2}}, {{3, 4}}).words[other % 4];
  computed.weight = reproducible_weight(word % 8 == 0 ? distance : static_cast<float>(word) * 0x1p-27F);
  double const log = reproducible_log(static_cast<double>(mass) * 0x1p-60);
  memcpy(&computed.log, &log, sizeof(log));
  return computed;
}

__global__ void compute_all(std::uint32_t const* words, Computed* computed, std::uint32_t count) {
  std::uint32_t const i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i + 1 < count) computed[i] = compute(words[i], words[i + 1]);
}

}  // namespace exact_arithmetic

using exact_arithmetic::compute;
using exact_arithmetic::compute_all;
using exact_arithmetic::Computed;

TEST_CASE("noise, scores, weights, logarithms and log-probabilities have the same bits on host and device") {
  std::mt19937 random(1);
  std::uint32_t const count = 1U << 20U;
  std::vector<std::uint32_t> words(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    words[i] = static_cast<std::uint32_t>(random());
    if (i % 4 == 0) words[i] >>= random() % 32;
    if (i % 64 == 0) words[i] = i % 128 == 0 ? i / 64 : ~(i / 64);
  }
  DeviceArray<std::uint32_t> const input(words);
  DeviceArray<Computed> const output(std::vector<Computed>(count, Computed{}));
  launch(count / 256, 256, &compute_all, input.data(), output.data(), count);
  std::vector<Computed> const on_device = output.download();
  for (std::uint32_t i = 0; i + 1 < count; ++i) {
    Computed const on_host = compute(words[i], words[i + 1]);
    REQUIRE(std::memcmp(&on_host, &on_device[i], sizeof(Computed)) == 0);
  }
}
