// SPDX-License-Identifier: MIT
#include <copyspec/verify/fresh_seed.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

using copyspec::fresh_seed;

TEST_CASE("no two seeds are alike, whichever threads ask for them") {
  constexpr std::size_t of_each = 20000;
  std::array<std::vector<std::uint64_t>, 3> seeds;
  std::vector<std::thread> threads;
  for (auto& own : seeds)
    threads.emplace_back([&own] {
      for (std::size_t i = 0; i < of_each; ++i) own.push_back(fresh_seed());
    });
  for (std::thread& thread : threads) thread.join();
  std::set<std::uint64_t> all;
  for (auto const& own : seeds) all.insert(own.begin(), own.end());
  CHECK(all.size() == of_each * seeds.size());
}

TEST_CASE("each bit of a seed is set half of the time") {
  constexpr int count = 10000;
  std::array<int, 64> set{};
  for (int i = 0; i < count; ++i) {
    std::uint64_t const seed = fresh_seed();
    for (std::size_t bit = 0; bit < 64; ++bit) set[bit] += static_cast<int>(seed >> bit & 1U);
  }
  // Six standard deviations.
  for (int const times : set) CHECK((times > count / 2 - 300 && times < count / 2 + 300));
}
