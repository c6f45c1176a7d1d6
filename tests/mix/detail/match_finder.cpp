// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/match_finder.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::detail::MatchFinder;

namespace {

using Random = std::mt19937_64;
using Positions = std::vector<std::size_t>;

std::size_t below(Random& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

std::uint64_t key(std::size_t number) {
  return (number + 1) * 0x9e3779b97f4a7c15;
}

// The positions on the way from the newest on, which is checked to end.
Positions walk(MatchFinder const& finder, std::uint64_t key) {
  Positions positions;
  for (std::size_t at = finder.newest(key); at != 0; at = finder.previous(at)) {
    REQUIRE((positions.empty() || at < positions.back()));
    positions.push_back(at);
    REQUIRE(positions.size() <= finder.capacity());
  }
  return positions;
}

MatchFinder with_capacity(std::size_t positions) {
  MatchFinder finder;
  finder.reserve(positions);
  return finder;
}

}  // namespace

TEST_CASE("nothing was entered yet") {
  MatchFinder const finder = with_capacity(10);
  CHECK(finder.newest(0) == 0);
  CHECK(finder.newest(key(1)) == 0);
  CHECK(finder.newest(~std::uint64_t{0}) == 0);
  CHECK(MatchFinder().capacity() == 0);
  CHECK(MatchFinder().memory_bytes() == 0);
}

TEST_CASE("the positions of a key come newest first") {
  MatchFinder finder = with_capacity(1000);
  for (std::size_t const position : {3U, 7U, 500U}) finder.enter(key(1), position);
  finder.enter(key(2), 501);
  CHECK(walk(finder, key(1)) == Positions{500, 7, 3});
  CHECK(walk(finder, key(2)) == Positions{501});
  CHECK(walk(finder, key(3)).empty());
}

TEST_CASE("a walk meets every position of its key in the window, and none outside, wherever positions begin") {
  Random random(1);
  constexpr std::size_t wrap = std::size_t{1} << 32;
  for (std::size_t const capacity : {1U, 2U, 3U, 16U, 100U, 777U}) {
    CAPTURE(capacity);
    for (std::size_t const begin : {std::size_t{0}, wrap / 2 - 500, wrap - 500, wrap, 5 * wrap - 700}) {
      CAPTURE(begin);
      for (std::size_t const keys : {1U, 5U, 200U}) {
        MatchFinder finder = with_capacity(capacity);
        std::vector<std::pair<std::size_t, std::size_t>> entered;
        std::size_t last = begin;
        for (int i = 0; i < 1000; ++i) {
          // Some positions are left out, now and then more than the window holds.
          last += below(random, 200) == 0 ? 1 + below(random, 2 * capacity) : 1 + below(random, 10) / 9;
          std::size_t const number = std::min(below(random, keys), below(random, keys));
          finder.enter(key(number), last);
          entered.emplace_back(number, last);
          std::size_t const asked = i % 2 == 0 ? number : below(random, keys);
          Positions const found = walk(finder, key(asked));
          for (std::size_t const position : found) {
            REQUIRE(position <= last);
            REQUIRE(last - position < capacity);
          }
          for (auto entry = entered.rbegin(); entry != entered.rend() && last - entry->second < capacity; ++entry)
            if (entry->first == asked) REQUIRE(std::ranges::find(found, entry->second) != found.end());
        }
      }
    }
  }
}

TEST_CASE("a window that holds everything is the whole text") {
  MatchFinder finder = with_capacity(5000);
  for (std::size_t position = 1; position < 5000; ++position) finder.enter(key(7), position);
  Positions const found = walk(finder, key(7));
  CHECK(found.size() == 4999);
  CHECK(found.back() == 1);
}

TEST_CASE("few positions are met that are not the key's own") {
  std::size_t const keys = 20000;
  MatchFinder finder = with_capacity(keys + 1);
  for (std::size_t i = 0; i < keys; ++i) finder.enter(key(i), i + 1);
  std::size_t met = 0;
  for (std::size_t i = 0; i < keys; ++i) {
    Positions const found = walk(finder, key(i));
    REQUIRE(std::ranges::find(found, i + 1) != found.end());
    met += found.size() - 1;
  }
  CHECK(met < keys);
}

TEST_CASE("any position may be asked for, and any key") {
  Random random(2);
  MatchFinder finder = with_capacity(50);
  for (std::size_t position = 1; position < 500; ++position) {
    std::uint64_t value = random();
    if (position % 4 == 0) value = ~std::uint64_t{0} << below(random, 64);
    if (position % 4 == 1) value >>= below(random, 64);
    finder.enter(value, position);
    REQUIRE(finder.newest(value) == position);
  }
  for (std::size_t const position : {std::size_t{0}, std::size_t{1}, std::size_t{600}, ~std::size_t{0}}) {
    std::size_t const before = finder.previous(position);
    CHECK((before == 0 || (before < position && before > 449 && before < 500)));
  }
}

TEST_CASE("after clear, and where reserve had to grow, nothing is known, and positions begin again") {
  MatchFinder finder = with_capacity(100);
  for (std::size_t position = 1; position < 90; ++position) finder.enter(key(position % 9), position);
  finder.reserve(100);
  CHECK(finder.newest(key(1)) != 0);
  SUBCASE("clear") {
    finder.clear();
  }
  SUBCASE("reserve") {
    finder.reserve(101);
  }
  for (std::size_t i = 0; i < 9; ++i) CHECK(finder.newest(key(i)) == 0);
  finder.enter(key(1), 2);
  CHECK(walk(finder, key(1)) == Positions{2});
  finder.enter(key(1), 3);
  CHECK(walk(finder, key(1)) == Positions{3, 2});
}

TEST_CASE("copies go on independently") {
  MatchFinder one = with_capacity(10);
  one.enter(key(1), 1);
  MatchFinder other = one;
  one.enter(key(1), 2);
  CHECK(walk(one, key(1)) == Positions{2, 1});
  CHECK(walk(other, key(1)) == Positions{1});
}

TEST_CASE("memory is 10 bytes a position, whatever is entered") {
  for (std::size_t const positions : {1U, 10U, 4097U, 100000U}) {
    CAPTURE(positions);
    MatchFinder finder = with_capacity(positions);
    CHECK(finder.memory_bytes() <= 10 * positions + 8);
    CHECK(finder.memory_bytes() == MatchFinder::memory_bytes(positions));
    std::size_t const reserved = finder.memory_bytes();
    std::size_t const before = allocations();
    for (std::size_t position = 1; position <= 10 * positions; ++position) finder.enter(key(position % 77), position);
    finder.clear();
    finder.reserve(positions);
    CHECK(allocations() == before);
    CHECK(finder.memory_bytes() == reserved);
  }
}

TEST_CASE("many may walk while one enters, and every walk ends in the window") {
  constexpr std::size_t capacity = 64;
  constexpr std::size_t entered = 200000;
  MatchFinder finder = with_capacity(capacity);
  std::atomic<std::size_t> last = 0;
  std::atomic<std::size_t> wrong = 0;
  std::vector<std::thread> readers;
  for (std::uint64_t reader = 0; reader < 2; ++reader)
    readers.emplace_back([&, reader] {
      Random random(reader);
      while (last < entered) {
        std::size_t const ended = last;
        std::size_t steps = 0;
        std::size_t before = ~std::size_t{0};
        for (std::size_t at = finder.newest(key(below(random, 5))); at != 0; at = finder.previous(at)) {
          if (at >= before || at > entered || at + capacity <= ended || ++steps > entered) ++wrong;
          before = at;
        }
      }
    });
  Random random(3);
  for (std::size_t position = 1; position <= entered; ++position) {
    finder.enter(key(below(random, 5)), position);
    last = position;
  }
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
}
