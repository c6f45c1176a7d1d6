// SPDX-License-Identifier: MIT
#include <copyspec/mix/histories.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using copyspec::Histories;
using copyspec::HistoriesCounters;
using copyspec::History;
using copyspec::Token;

namespace {

constexpr std::size_t each = 10000;

bool holds_something(History const& history) {
  return history.begin() != history.end();
}

}  // namespace

TEST_CASE("a scope is what it was, by its name") {
  Histories histories(10 * each, each);
  CHECK(histories.max_scopes() == 10);
  auto const one = histories.scope("one");
  one->append(std::vector<Token>{1, 2, 3});
  CHECK(histories.scope("one") == one);
  CHECK(histories.scope("other") != one);
  CHECK_FALSE(holds_something(*histories.scope("other")));
  CHECK_FALSE(holds_something(*histories.scope("")));
  CHECK_FALSE(holds_something(*histories.scope(std::string("one\0", 4))));
  CHECK(one->memory_bytes() <= each);
}

TEST_CASE("what is not enough for one scope is refused") {
  CHECK_THROWS_AS(Histories(each - 1, each), copyspec::Error);
  CHECK_THROWS_AS(Histories(each, 0), copyspec::Error);
  CHECK_THROWS_AS(Histories(0, 0), copyspec::Error);
  CHECK_THROWS_WITH_AS(Histories(each, History::min_bytes() - 1),
                       doctest::Contains(std::to_string(History::min_bytes()).c_str()), copyspec::Error);
  CHECK(Histories(each, each).max_scopes() == 1);
}

TEST_CASE("the scope that was asked for least recently makes room, and lives on for its holders") {
  Histories histories(3 * each, each);
  auto const first = histories.scope("first");
  first->append(std::vector<Token>{7});
  std::weak_ptr<History> const second = histories.scope("second");
  std::weak_ptr<History> const third = histories.scope("third");
  (void)histories.scope("second");
  (void)histories.scope("fourth");
  CHECK(first.use_count() == 1);
  CHECK(first->token(0) == 7);
  CHECK_FALSE(second.expired());
  CHECK_FALSE(third.expired());
  (void)histories.scope("fifth");
  CHECK(third.expired());
  CHECK_FALSE(second.expired());
  CHECK_FALSE(holds_something(*histories.scope("first")));
  CHECK(second.expired());
}

TEST_CASE("an erased scope is gone at once for who asks, and its memory with its last holder") {
  Histories histories(3 * each, each);
  std::weak_ptr<History> watched;
  {
    auto const held = histories.scope("one");
    watched = held;
    held->append(std::vector<Token>{7});
    CHECK(histories.erase("one"));
    CHECK_FALSE(histories.erase("one"));
    CHECK_FALSE(histories.erase("never"));
    CHECK_FALSE(holds_something(*histories.scope("one")));
    CHECK(held->token(0) == 7);
  }
  CHECK(watched.expired());
}

TEST_CASE("the counters add up, and the bytes stay within the bound") {
  Histories histories(4 * each + 5, each);
  for (int i = 0; i < 40; ++i) {
    (void)histories.scope("scope " + std::to_string(i % 9));
    CHECK(histories.counters().bytes <= 4 * each);
  }
  histories.erase("scope 3");
  HistoriesCounters const counters = histories.counters();
  CHECK(counters.scopes_made == 40);
  CHECK(counters.scopes_dropped == 36);
  CHECK(counters.scopes_erased == 1);
  CHECK(counters.scopes_held == 3);
  CHECK(counters.bytes == 3 * histories.scope("scope 0")->memory_bytes());
}

TEST_CASE("many may ask at once") {
  Histories histories(4 * each, each);
  std::vector<std::thread> threads;
  for (Token thread = 0; thread < 3; ++thread)
    threads.emplace_back([&histories, thread] {
      for (int i = 0; i < 300; ++i) {
        auto const history = histories.scope(std::to_string((i + thread) % 6));
        history->append(std::vector<Token>(5, thread));
        if (i % 50 == 0) histories.erase(std::to_string(i % 6));
      }
    });
  for (std::thread& thread : threads) thread.join();
  HistoriesCounters const counters = histories.counters();
  CHECK(counters.scopes_held <= 4);
  CHECK(counters.scopes_made == counters.scopes_held + counters.scopes_dropped + counters.scopes_erased);
}
