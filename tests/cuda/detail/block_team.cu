// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/block_team.cuh>

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "cuda/support/device_memory.hpp"

using copyspec::detail::BestWord;
using copyspec::detail::BlockTeam;
using copyspec::detail::float_from_half;

namespace {

// Without padding, of which a copy would read what nobody wrote.
struct Seen {
  std::uint32_t block;
  std::uint32_t size;
  std::uint32_t any;
  std::uint32_t none;
  std::uint32_t told[2];
  std::uint32_t last;
  std::uint32_t sum;
  std::uint64_t long_sums[2];
  std::uint32_t counted;
  std::uint32_t places;  // that were given out, each once
  BestWord greatest;
  BestWord maximum;
};
static_assert(sizeof(Seen) == 10 * sizeof(std::uint32_t) + 4 * sizeof(BestWord));

template <std::uint32_t threads>
__global__ void use_team(BestWord const* words, BestWord* shared, std::uint32_t* counter, Seen* seen) {
  __shared__ std::uint32_t scratch[threads + 1];
  __shared__ BestWord warp_words[threads / 32];
  __shared__ std::uint32_t told;
  BlockTeam<threads> team(scratch, warp_words, &told);
  auto* const places = static_cast<std::uint32_t*>(team.scratch());
  team.each([&](std::uint32_t thread) { places[(thread + 1) % threads] = thread; });
  Seen found{};
  found.block = blockIdx.x;
  found.size = team.size();
  found.sum = team.lead([&] {
    std::uint32_t sum = 0;
    for (std::uint32_t i = 0; i < threads; ++i) sum += places[i];
    return sum;
  });
  found.any = team.any([](std::uint32_t thread) { return thread == threads - 1; }) ? 1 : 0;
  found.none = team.any([](std::uint32_t) { return false; }) ? 1 : 0;
  // Two in a row, and told to all.
  for (std::uint32_t i = 0; i < 2; ++i) found.told[i] = team.lead([&] { return 100 + i; });
  for (std::uint32_t i = 0; i < 2; ++i)
    found.long_sums[i] = team.sum([&](std::uint32_t thread) { return (std::uint64_t{i + 1} << 40U) + thread; });
  bool const told_all = !team.any([&](std::uint32_t) {
    return found.told[0] != 100 || found.told[1] != 101 ||
           found.long_sums[1] - found.long_sums[0] != (std::uint64_t{threads} << 40U);
  });
  if (!told_all) found.long_sums[0] = 0;
  // Every thread takes a place and marks it.
  team.each([&](std::uint32_t thread) {
    places[thread] = 0;
    if (thread == 0) places[threads] = 0;
  });
  team.each([&](std::uint32_t) { atomicAdd(places + team.count_up(places + threads), 1U); });
  found.counted = team.lead([&] { return places[threads]; });
  found.places = team.lead([&] {
    std::uint32_t taken = 0;
    for (std::uint32_t i = 0; i < threads; ++i) taken += places[i] == 1 ? 1 : 0;
    return taken;
  });
  found.greatest = team.greatest([&](std::uint32_t thread) { return words[thread]; });
  found.last = team.lead([&] {
    team.maximise(shared, words[0]);
    return team.arrive(counter, gridDim.x) ? 1U : 0U;
  });
  // Every thread of the last block sees what all blocks have done.
  BestWord const maximum = team.read(shared);
  bool const agreed = !team.any([&](std::uint32_t) { return found.last != 0 && maximum != words[0]; });
  found.maximum = agreed ? maximum : 0;
  if (threadIdx.x == 0) seen[blockIdx.x] = found;
}

template <std::uint32_t threads>
void check_team() {
  constexpr std::uint32_t blocks = 7;
  // Of other lanes and warps each time.
  for (std::uint32_t place = 0; place < threads; place += threads / 16 + 1) {
    std::vector<BestWord> words(threads, 5);
    words[place] = (BestWord{1} << 63U) + place;
    DeviceArray<BestWord> const input(words);
    DeviceArray<BestWord> const shared(std::vector<BestWord>{0});
    DeviceArray<std::uint32_t> const counter(std::vector<std::uint32_t>{0});
    DeviceArray<Seen> const output(blocks);
    launch(blocks, threads, &use_team<threads>, input.data(), shared.data(), counter.data(), output.data());
    std::uint32_t last = 0;
    std::uint32_t block = 0;
    for (Seen const& seen : output.download()) {
      REQUIRE(seen.block == block++);
      REQUIRE(seen.size == threads);
      REQUIRE(seen.sum == threads * (threads - 1) / 2);
      for (std::uint64_t i = 0; i < 2; ++i)
        REQUIRE(seen.long_sums[i] == ((i + 1) << 40U) * threads + threads * (threads - 1) / 2);
      REQUIRE(seen.counted == threads);
      REQUIRE(seen.places == threads);
      REQUIRE(seen.any == 1);
      REQUIRE(seen.none == 0);
      REQUIRE(seen.told[0] == 100);
      REQUIRE(seen.told[1] == 101);
      REQUIRE(seen.greatest == words[place]);
      if (seen.last != 0) REQUIRE(seen.maximum == words[0]);
      last += seen.last;
    }
    REQUIRE(last == 1);
    REQUIRE(counter.download()[0] == 0);
  }
}

__global__ void convert_halves(float* values) {
  std::uint32_t const bits = blockIdx.x * blockDim.x + threadIdx.x;
  values[bits] = float_from_half(bits);
}

}  // namespace

TEST_CASE("a block does what a team is to do") {
  check_team<32>();
  check_team<96>();
  check_team<256>();
  check_team<1024>();
}

TEST_CASE("every half has the value on the device that it has on the host") {
  DeviceArray<float> const values(65536);
  launch(256, 256, &convert_halves, values.data());
  std::vector<float> const on_device = values.download();
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    float const on_host = float_from_half(bits);
    REQUIRE((on_host != on_host) == (on_device[bits] != on_device[bits]));
    if (on_host == on_host)
      REQUIRE(copyspec::detail::bits_of_float(on_device[bits]) == copyspec::detail::bits_of_float(on_host));
  }
}
