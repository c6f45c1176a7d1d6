// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/context_map.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::Token;
using copyspec::detail::ContextMap;
using copyspec::detail::SuccessorCounts;

namespace {

using Tokens = std::vector<Token>;
using Random = std::mt19937_64;
using Counted = std::vector<std::pair<Token, std::uint32_t>>;

constexpr Token greatest = std::numeric_limits<Token>::max();

std::size_t below(Random& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

Counted contents(SuccessorCounts const& successors) {
  Counted contents;
  for (std::size_t i = 0; i < successors.size(); ++i) contents.emplace_back(successors.token(i), successors.count(i));
  return contents;
}

SuccessorCounts successors_of(Tokens const& tokens) {
  SuccessorCounts successors;
  for (Token const token : tokens) successors.observe(token);
  return successors;
}

// What `SuccessorCounts` promises, on a list.
void note(Counted& seen, Token token) {
  std::uint32_t count = 1;
  auto const found = std::ranges::find(seen, token, &Counted::value_type::first);
  if (found != seen.end()) {
    count = std::min(found->second + 1, 30U);
    seen.erase(found);
  }
  for (auto& other : seen)
    if (other.second > 2) other.second = other.second * 3 / 4;
  seen.insert(seen.begin(), {token, count});
  if (seen.size() > 3) seen.resize(3);
}

// One hash for each of many contexts, all of one bucket if there is one bucket only.
std::uint64_t context(std::size_t number) {
  return (number + 1) * 0x9e3779b97f4a7c15;
}

}  // namespace

TEST_CASE("nothing followed yet") {
  SuccessorCounts const successors;
  CHECK(successors.size() == 0);
  CHECK(successors.total() == 0);
}

TEST_CASE("the successors are the latest three, the most recent first, each with its count") {
  CHECK(contents(successors_of({7})) == Counted{{7, 1}});
  CHECK(contents(successors_of({7, 7})) == Counted{{7, 2}});
  CHECK(contents(successors_of({7, 7, 8})) == Counted{{8, 1}, {7, 2}});
  CHECK(contents(successors_of({7, 7, 8, 9})) == Counted{{9, 1}, {8, 1}, {7, 2}});
  CHECK(contents(successors_of({7, 7, 8, 9, 8})) == Counted{{8, 2}, {9, 1}, {7, 2}});
  CHECK(contents(successors_of({7, 7, 8, 9, 7})) == Counted{{7, 3}, {9, 1}, {8, 1}});
  CHECK(successors_of({7, 7, 8, 9, 7}).total() == 5);
}

TEST_CASE("the least recent successor makes room, however often it was seen") {
  CHECK(contents(successors_of({7, 7, 8, 9, 6})) == Counted{{6, 1}, {9, 1}, {8, 1}});
}

TEST_CASE("a token that was pushed out begins afresh") {
  CHECK(contents(successors_of({7, 7, 7, 8, 9, 6, 7})) == Counted{{7, 1}, {6, 1}, {9, 1}});
}

TEST_CASE("a count goes no further than its greatest") {
  SuccessorCounts successors = successors_of(Tokens(SuccessorCounts::max_count - 1, 5));
  CHECK(contents(successors) == Counted{{5, SuccessorCounts::max_count - 1}});
  successors.observe(5);
  CHECK(contents(successors) == Counted{{5, SuccessorCounts::max_count}});
  for (int i = 0; i < 1000; ++i) successors.observe(5);
  CHECK(contents(successors) == Counted{{5, SuccessorCounts::max_count}});
}

TEST_CASE("a success makes what was seen more than twice decay, and nothing else") {
  SuccessorCounts successors = successors_of(Tokens(30, 5));
  Counted expected = {{1, 1}, {5, 22}};
  successors.observe(1);
  CHECK(contents(successors) == expected);
  for (std::uint32_t const left : {16U, 12U, 9U, 6U, 4U, 3U, 2U, 2U, 2U}) {
    successors.observe(1);
    CHECK(contents(successors).back() == std::pair(Token{5}, left));
  }
  CHECK(successors.count(0) == 10);
}

TEST_CASE("a text that changes its mind is followed within a few tokens") {
  SuccessorCounts successors = successors_of(Tokens(1000, 5));
  std::size_t needed = 0;
  for (; successors.size() == 1 || successors.count(0) <= successors.count(1); ++needed) successors.observe(6);
  CHECK(needed <= 6);
}

TEST_CASE("the smallest and the greatest token can be entered") {
  CHECK(contents(successors_of({0})) == Counted{{0, 1}});
  CHECK(contents(successors_of({0, SuccessorCounts::max_token, 0})) ==
        Counted{{0, 2}, {SuccessorCounts::max_token, 1}});
  CHECK(contents(successors_of(Tokens(99, SuccessorCounts::max_token))) == Counted{{SuccessorCounts::max_token, 30}});
}

TEST_CASE("on random tokens the successors are those of a list") {
  Random random(1);
  for (std::size_t vocabulary = 1; vocabulary <= 6; ++vocabulary) {
    SuccessorCounts successors;
    Counted expected;
    for (int i = 0; i < 5000; ++i) {
      auto const token = static_cast<Token>(std::min(below(random, vocabulary), below(random, vocabulary)));
      successors.observe(token);
      note(expected, token);
      REQUIRE(contents(successors) == expected);
      std::uint32_t total = 0;
      for (auto const& [seen, count] : expected) total += count;
      REQUIRE(successors.total() == total);
    }
  }
}

TEST_CASE("a success taken back lowers its count, and at zero leaves no gap") {
  SuccessorCounts successors = successors_of({7, 7, 8, 9, 9});
  REQUIRE(contents(successors) == Counted{{9, 2}, {8, 1}, {7, 2}});
  successors.forget(6);
  CHECK(contents(successors) == Counted{{9, 2}, {8, 1}, {7, 2}});
  successors.forget(8);
  CHECK(contents(successors) == Counted{{9, 2}, {7, 2}});
  successors.forget(8);
  successors.forget(9);
  CHECK(contents(successors) == Counted{{9, 1}, {7, 2}});
  successors.forget(9);
  CHECK(contents(successors) == Counted{{7, 2}});
  successors.forget(7);
  successors.forget(7);
  CHECK(successors.size() == 0);
  CHECK(successors.total() == 0);
  successors.forget(0);
  successors.forget(-1);
  CHECK(successors.size() == 0);
}

TEST_CASE("what is not known was not followed by anything") {
  ContextMap statistics;
  statistics.reset(100);
  CHECK(statistics.find(context(1)).size() == 0);
  CHECK(statistics.find(0).size() == 0);
  statistics.observe(context(1), 5);
  CHECK(contents(statistics.find(context(1))) == Counted{{5, 1}});
  CHECK(statistics.find(context(2)).size() == 0);
}

TEST_CASE("with room for all, each context has the successors that a list of them has") {
  Random random(3);
  for (std::size_t const contexts : {1U, 3U, 20U, 300U}) {
    ContextMap statistics;
    statistics.reset(100 * contexts);
    std::map<std::size_t, Counted> expected;
    for (int i = 0; i < 20000; ++i) {
      std::size_t const number = std::min(below(random, contexts), below(random, contexts));
      // Among them tokens that cannot be held.
      std::array<Token, 12> const tokens = {
          0, 1, 2, 3, 4, 4, 4, 4, SuccessorCounts::max_token, SuccessorCounts::max_token + 1, greatest, -1};
      Token const token = tokens[below(random, tokens.size())];
      statistics.observe(context(number), token);
      if (token >= 0 && token <= SuccessorCounts::max_token) note(expected[number], token);
      std::size_t const asked = below(random, contexts);
      REQUIRE(contents(statistics.find(context(asked))) == expected[asked]);
    }
    for (auto const& [number, counted] : expected) REQUIRE(contents(statistics.find(context(number))) == counted);
  }
}

TEST_CASE("a token that cannot be held changes nothing") {
  ContextMap statistics;
  statistics.reset(0);
  for (std::size_t i = 0; i < 4; ++i) statistics.observe(context(i), static_cast<Token>(i));
  for (Token const token : {Token{-1}, std::numeric_limits<Token>::min(), SuccessorCounts::max_token + 1, greatest}) {
    statistics.observe(context(0), token);
    // Not even room is made for it.
    statistics.observe(context(9), token);
  }
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(contents(statistics.find(context(i))) == Counted{{static_cast<Token>(i), 1}});
  CHECK(statistics.find(context(9)).size() == 0);
}

TEST_CASE("a full bucket gives up the context that was seen least, among equals the least recent") {
  ContextMap statistics;
  statistics.reset(0);
  REQUIRE(statistics.capacity() == 4);
  auto const held = [&] {
    std::set<std::size_t> numbers;
    for (std::size_t i = 0; i < 20; ++i)
      if (statistics.find(context(i)).size() > 0) numbers.insert(i);
    return numbers;
  };
  using Numbers = std::set<std::size_t>;
  for (std::size_t i = 0; i < 4; ++i) statistics.observe(context(i), 5);
  CHECK(held() == Numbers{0, 1, 2, 3});
  statistics.observe(context(4), 5);
  CHECK(held() == Numbers{1, 2, 3, 4});
  // Seen once more, 1 and 2 stay.
  statistics.observe(context(1), 6);
  statistics.observe(context(2), 5);
  statistics.observe(context(5), 5);
  CHECK(held() == Numbers{1, 2, 4, 5});
  statistics.observe(context(6), 5);
  CHECK(held() == Numbers{1, 2, 5, 6});
  // When all were seen as often, the oldest goes, though it is in no other respect the last.
  statistics.observe(context(6), 5);
  statistics.observe(context(5), 5);
  statistics.observe(context(7), 5);
  CHECK(held() == Numbers{2, 5, 6, 7});
  CHECK(contents(statistics.find(context(2))) == Counted{{5, 2}});
  CHECK(contents(statistics.find(context(7))) == Counted{{5, 1}});
  // The latest may be the least.
  statistics.observe(context(8), 5);
  CHECK(held() == Numbers{2, 5, 6, 8});
}

TEST_CASE("a context that comes back after it was given up begins afresh") {
  ContextMap statistics;
  statistics.reset(0);
  statistics.observe(context(0), 1);
  for (std::size_t i = 1; i <= 4; ++i) statistics.observe(context(i), 2);
  REQUIRE(statistics.find(context(0)).size() == 0);
  statistics.observe(context(0), 3);
  CHECK(contents(statistics.find(context(0))) == Counted{{3, 1}});
}

TEST_CASE("a context that is seen often outlives any number that are seen once") {
  Random random(4);
  ContextMap statistics;
  statistics.reset(400);
  std::size_t lost = 0;
  for (std::size_t i = 0; i < 20; ++i)
    for (int twice = 0; twice < 2; ++twice) statistics.observe(context(i), 7);
  for (std::size_t i = 0; i < 100000; ++i) {
    statistics.observe(context(1000 + i), static_cast<Token>(i % 50));
    if (i % 100 != 0) continue;
    for (std::size_t often = 0; often < 20; ++often)
      if (contents(statistics.find(context(often))) != Counted{{7, 2}}) ++lost;
  }
  CHECK(lost == 0);
}

TEST_CASE("contexts whose hashes have the same upper bits share what followed them, and no more happens") {
  ContextMap statistics;
  statistics.reset(1000);
  std::uint64_t const one = 0x123456789abcdef0;
  std::uint64_t const other = 0x1234567911111111;
  statistics.observe(one, 3);
  CHECK(contents(statistics.find(other)) == Counted{{3, 1}});
  statistics.observe(other, 4);
  CHECK(contents(statistics.find(one)) == Counted{{4, 1}, {3, 1}});
  // The values that could be taken for an empty place.
  for (std::uint64_t const zero : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xffffffff}}) {
    ContextMap fresh;
    fresh.reset(1000);
    CHECK(fresh.find(zero).size() == 0);
    fresh.observe(zero, 8);
    CHECK(contents(fresh.find(zero)) == Counted{{8, 1}});
  }
}

TEST_CASE("contexts that differ in any of the upper 31 bits are told apart, in one bucket too") {
  for (unsigned bit = 33; bit < 64; ++bit) {
    CAPTURE(bit);
    ContextMap statistics;
    statistics.reset(0);
    statistics.observe(context(5), 3);
    CHECK(statistics.find(context(5) ^ std::uint64_t{1} << bit).size() == 0);
    statistics.observe(context(5) ^ std::uint64_t{1} << bit, 4);
    CHECK(contents(statistics.find(context(5))) == Counted{{3, 1}});
  }
}

TEST_CASE("any hashes may come, the greatest among them") {
  Random random(5);
  for (std::size_t const capacity : {0U, 1U, 3U, 4U, 5U, 64U, 1000U}) {
    ContextMap statistics;
    statistics.reset(capacity);
    for (int i = 0; i < 20000; ++i) {
      std::uint64_t hash = random();
      if (i % 4 == 0) hash = ~std::uint64_t{0} << below(random, 64);
      if (i % 4 == 1) hash >>= below(random, 64);
      statistics.observe(hash, static_cast<Token>(below(random, 5)));
      REQUIRE(statistics.find(hash).size() >= 1);
    }
  }
}

TEST_CASE("the whole table is used") {
  ContextMap statistics;
  statistics.reset(4000);
  for (std::size_t i = 0; i < 40000; ++i) statistics.observe(context(i), 1);
  std::size_t held = 0;
  for (std::size_t i = 0; i < 40000; ++i) held += statistics.find(context(i)).size() > 0 ? 1U : 0U;
  CHECK(held == statistics.capacity());
}

TEST_CASE("memory is 16 bytes a context of capacity, whatever is observed") {
  CHECK(ContextMap().memory_bytes() == 0);
  CHECK(ContextMap().capacity() == 0);
  Random random(6);
  for (std::size_t const contexts : {0U, 1U, 3U, 4U, 5U, 1000U, 12345U}) {
    CAPTURE(contexts);
    ContextMap statistics;
    statistics.reset(contexts);
    CHECK(statistics.capacity() >= contexts);
    CHECK(statistics.capacity() <= contexts + 4);
    CHECK(statistics.memory_bytes() == 16 * statistics.capacity());
    std::size_t const before = allocations();
    for (int i = 0; i < 50000; ++i) statistics.observe(random(), static_cast<Token>(below(random, 100)));
    statistics.clear();
    CHECK(allocations() == before);
    CHECK(statistics.memory_bytes() == 16 * statistics.capacity());
  }
}

TEST_CASE("after clear and after reset nothing is known, and it goes on as a new one") {
  Random random(7);
  ContextMap fresh;
  ContextMap cleared;
  ContextMap reset;
  fresh.reset(200);
  cleared.reset(200);
  reset.reset(3000);
  for (std::size_t i = 0; i < 5000; ++i) {
    cleared.observe(context(i % 900), static_cast<Token>(i % 7));
    reset.observe(context(i % 900), static_cast<Token>(i % 7));
  }
  cleared.clear();
  reset.reset(200);
  CHECK(cleared.capacity() == fresh.capacity());
  CHECK(reset.capacity() == fresh.capacity());
  for (std::size_t i = 0; i < 900; ++i) {
    REQUIRE(cleared.find(context(i)).size() == 0);
    REQUIRE(reset.find(context(i)).size() == 0);
  }
  for (int i = 0; i < 5000; ++i) {
    std::size_t const number = below(random, 900);
    auto const token = static_cast<Token>(below(random, 7));
    for (ContextMap* const statistics : {&fresh, &cleared, &reset}) statistics->observe(context(number), token);
    std::size_t const asked = below(random, 900);
    REQUIRE(contents(cleared.find(context(asked))) == contents(fresh.find(context(asked))));
    REQUIRE(contents(reset.find(context(asked))) == contents(fresh.find(context(asked))));
  }
}

TEST_CASE("copies of statistics go on independently") {
  ContextMap one;
  one.reset(100);
  one.observe(context(1), 1);
  ContextMap other = one;
  one.observe(context(1), 2);
  other.observe(context(2), 3);
  CHECK(contents(one.find(context(1))) == Counted{{2, 1}, {1, 1}});
  CHECK(contents(other.find(context(1))) == Counted{{1, 1}});
  CHECK(one.find(context(2)).size() == 0);
}

TEST_CASE("a count is never more than what was not forgotten, whatever happens in between") {
  Random random(8);
  for (std::size_t const capacity : {0U, 4U, 40U, 1000U}) {
    CAPTURE(capacity);
    for (std::size_t const contexts : {2U, 8U, 60U}) {
      CAPTURE(contexts);
      ContextMap statistics;
      statistics.reset(capacity);
      // Every third context has the upper bits of the one before it, and so shares with it.
      auto const hash = [](std::size_t number) {
        return number % 3 == 2 ? context(number - 1) ^ 0xffffffff : context(number);
      };
      auto const shared = [](std::uint64_t value) { return value >> 32; };
      std::vector<std::pair<std::uint64_t, Token>> live;
      std::map<std::pair<std::uint64_t, Token>, std::uint32_t> expected;
      std::size_t held = 0;
      auto const check = [&](std::uint64_t asked) {
        SuccessorCounts const successors = statistics.find(asked);
        std::set<Token> tokens;
        for (std::size_t i = 0; i < successors.size(); ++i) {
          REQUIRE(successors.count(i) >= 1);
          auto const found = expected.find({shared(asked), successors.token(i)});
          REQUIRE(found != expected.end());
          REQUIRE(successors.count(i) <= found->second);
          REQUIRE(tokens.insert(successors.token(i)).second);
          ++held;
        }
      };
      for (int i = 0; i < 20000; ++i) {
        // It grows and shrinks in turns, and in the end there is nothing left.
        bool const grows = i < 17000 && i / 500 % 2 == 0;
        if (live.empty() || below(random, 4) < (grows ? 3U : 1U)) {
          std::uint64_t const observed = hash(std::min(below(random, contexts), below(random, contexts)));
          auto const token = static_cast<Token>(std::min(below(random, 5), below(random, 5)));
          statistics.observe(observed, token);
          live.emplace_back(observed, token);
          ++expected[{shared(observed), token}];
        } else {
          std::swap(live[below(random, live.size())], live.back());
          auto const forgotten = live.back();
          live.pop_back();
          statistics.forget(forgotten.first, forgotten.second);
          std::pair const key{shared(forgotten.first), forgotten.second};
          if (--expected[key] == 0) expected.erase(key);
          check(forgotten.first);
        }
        check(hash(below(random, contexts)));
      }
      CHECK(held > 1000);
      for (auto const& [observed, token] : live) statistics.forget(observed, token);
      for (std::size_t number = 0; number < contexts; ++number) REQUIRE(statistics.find(hash(number)).size() == 0);
    }
  }
}

TEST_CASE("a context of which all was forgotten makes room before any other") {
  ContextMap statistics;
  statistics.reset(0);
  for (std::size_t i = 0; i < 4; ++i) statistics.observe(context(i), 5);
  statistics.observe(context(2), 5);
  statistics.forget(context(2), 5);
  CHECK(contents(statistics.find(context(2))) == Counted{{5, 1}});
  statistics.forget(context(2), 5);
  CHECK(statistics.find(context(2)).size() == 0);
  statistics.observe(context(4), 6);
  for (std::size_t i : {0U, 1U, 3U}) CHECK(contents(statistics.find(context(i))) == Counted{{5, 1}});
  CHECK(contents(statistics.find(context(4))) == Counted{{6, 1}});
  // What was never observed cannot be forgotten, nor what could not be held.
  statistics.forget(context(0), 6);
  statistics.forget(context(9), 5);
  for (Token const token : {Token{-1}, SuccessorCounts::max_token + 1, greatest}) statistics.forget(context(0), token);
  CHECK(contents(statistics.find(context(0))) == Counted{{5, 1}});
}

TEST_CASE("many may read while one writes, and see no token that was not observed") {
  ContextMap statistics;
  statistics.reset(40);
  std::atomic<bool> done = false;
  std::atomic<std::size_t> strange = 0;
  std::vector<std::thread> readers;
  for (std::uint64_t reader = 0; reader < 2; ++reader)
    readers.emplace_back([&, reader] {
      Random random(reader);
      while (!done) {
        SuccessorCounts const successors = statistics.find(context(below(random, 60)));
        for (std::size_t i = 0; i < successors.size(); ++i)
          if (successors.token(i) < 100 || successors.token(i) >= 200) ++strange;
      }
    });
  Random random(9);
  std::vector<std::pair<std::uint64_t, Token>> observed;
  for (int i = 0; i < 100000; ++i) {
    observed.emplace_back(context(below(random, 60)), static_cast<Token>(100 + below(random, 100)));
    statistics.observe(observed.back().first, observed.back().second);
    if (i % 3 != 0) statistics.forget(observed[below(random, observed.size())].first, observed.back().second);
    if (i % 10000 == 0) statistics.clear();
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(strange == 0);
}

// What other implementations got wrong.

TEST_CASE("the draft is the most frequent continuation, not the latest that happens to be linked") {
  // Each token has its own count, so the most frequent one is known as a token, not as a number beside another.
  SuccessorCounts const successors = successors_of({4, 4, 4, 9, 4, 4, 9});
  REQUIRE(successors.size() == 2);
  CHECK(successors.token(0) == 9);
  CHECK(successors.token(1) == 4);
  CHECK(successors.count(1) > successors.count(0));
}

TEST_CASE("reading a prompt does not wipe what is known, however long it is") {
  ContextMap statistics;
  statistics.reset(1000);
  for (int i = 0; i < 3; ++i) statistics.observe(context(0), 8);
  for (std::size_t i = 1; i < 50000; ++i) statistics.observe(context(i), static_cast<Token>(i % 100));
  CHECK(contents(statistics.find(context(0))) == Counted{{8, 3}});
  // And the newest are there, too.
  std::size_t held = 0;
  for (std::size_t i = 49900; i < 50000; ++i) held += statistics.find(context(i)).size() > 0 ? 1U : 0U;
  CHECK(held >= 80);
}
