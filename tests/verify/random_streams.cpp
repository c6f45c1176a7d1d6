// SPDX-License-Identifier: MIT
#include <copyspec/verify/random_streams.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>

using copyspec::RandomStream;
using copyspec::seed_for;
using copyspec::detail::NoiseStream;
using copyspec::detail::uniform_number;

TEST_CASE("each purpose of each seed has a seed of its own") {
  std::set<std::uint64_t> seeds;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    seeds.insert(seed);
    for (RandomStream const purpose : {RandomStream::draft, RandomStream::verdict})
      seeds.insert(seed_for(purpose, seed));
  }
  CHECK(seeds.size() == 3000);
  // What answers are drawn with must not change unnoticed.
  CHECK(seed_for(RandomStream::draft, 1) == 2476019081791142108U);
  CHECK(seed_for(RandomStream::verdict, 1) == 1590395465511590892U);
}

TEST_CASE("numbers are spread evenly, also together with the next one, and with those of another purpose") {
  constexpr std::size_t draws = 160000;
  std::array<double, 256> next{}, other{};
  double sum = 0;
  double square = 0;
  NoiseStream const stream{.seed = seed_for(RandomStream::verdict, 5)};
  NoiseStream const drafts{.seed = seed_for(RandomStream::draft, 5)};
  auto const bin = [](NoiseStream from, std::uint64_t position) {
    from.position = position;
    return static_cast<std::size_t>(uniform_number(from) * 16);
  };
  for (std::uint64_t i = 0; i < draws; ++i) {
    double const number = uniform_number({.seed = stream.seed, .position = i});
    REQUIRE(number > 0);
    REQUIRE(number < 1);
    sum += number;
    square += number * number;
    ++next[bin(stream, i) * 16 + bin(stream, i + 1)];
    ++other[bin(stream, i) * 16 + bin(drafts, i)];
  }
  CHECK(std::abs(sum / draws - 0.5) < 4 * std::sqrt(1.0 / 12 / draws));
  CHECK(std::abs(square / draws - 1.0 / 3) < 4 * std::sqrt(4.0 / 45 / draws));
  for (auto const& counts : {next, other}) {
    double statistic = 0;
    for (double const count : counts) statistic += (count - draws / 256.0) * (count - draws / 256.0) / (draws / 256.0);
    CHECK(statistic < 255 + 4 * std::sqrt(2 * 255.0));
  }
}
