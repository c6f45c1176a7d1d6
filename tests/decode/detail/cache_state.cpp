// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/cache_state.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "support/random.hpp"

using copyspec::detail::CacheState;
using copyspec_test::Random;

namespace {

CacheState holding(std::size_t tokens) {
  CacheState state;
  state.feed(tokens);
  state.commit();
  return state;
}

}  // namespace

TEST_CASE("what a pass has fed is held once it succeeded") {
  CacheState state;
  CHECK(state.cached() == 0);
  CHECK_FALSE(state.in_flight());
  state.feed(5);
  CHECK(state.in_flight());
  CHECK(state.fed() == 5);
  CHECK(state.cached() == 0);
  state.commit();
  CHECK_FALSE(state.in_flight());
  CHECK(state.cached() == 5);
  CHECK_FALSE(state.needs_truncate());
}

TEST_CASE("after a pass that failed the model must truncate, and is asked once") {
  CacheState state = holding(3);
  state.feed(2);
  state.cancel();
  CHECK(state.cached() == 3);
  CHECK(state.needs_truncate());
  state.cancel();
  CHECK(state.needs_truncate());
  state.truncated(3);
  CHECK_FALSE(state.needs_truncate());
  CHECK_FALSE(state.replays());
  state.cancel();
  CHECK_FALSE(state.needs_truncate());
}

TEST_CASE("only what is held needs to be forgotten") {
  CacheState state = holding(5);
  state.forget(5);
  CHECK_FALSE(state.needs_truncate());
  state.forget(4);
  CHECK(state.cached() == 4);
  CHECK(state.needs_truncate());
}

TEST_CASE("what a model lost is replayed up to where it was") {
  CacheState state = holding(10);
  state.truncated(2);
  CHECK(state.replays());
  state.feed(7);
  state.commit();
  CHECK(state.replays());
  state.feed(1);
  state.commit();
  CHECK_FALSE(state.replays());
}

TEST_CASE("what was removed from the sequence is not replayed") {
  CacheState state = holding(10);
  state.truncated(2);
  state.remove_after(2);
  CHECK_FALSE(state.replays());
  CHECK_FALSE(state.needs_truncate());
  state = holding(10);
  state.remove_after(4);
  CHECK(state.cached() == 4);
  CHECK(state.needs_truncate());
}

TEST_CASE("a shift leaves what was before it, and after it if all of it was held") {
  auto const shifted = [](std::size_t held, std::size_t first, std::size_t count) {
    CacheState state = holding(held);
    state.shift(first, count);
    CHECK_FALSE(state.replays());
    CHECK_FALSE(state.needs_truncate());
    return state.cached();
  };
  CHECK(shifted(10, 2, 3) == 7);
  CHECK(shifted(5, 2, 3) == 2);
  CHECK(shifted(4, 2, 3) == 2);
  CHECK(shifted(1, 2, 3) == 1);
  CHECK(shifted(10, 10, 0) == 10);
  CHECK(shifted(10, 0, 10) == 0);
}

TEST_CASE("tokens that were taken over are no replay") {
  CacheState state;
  state.copied(6);
  CHECK(state.cached() == 6);
  CHECK_FALSE(state.replays());
  CHECK_FALSE(state.needs_truncate());
}

TEST_CASE("whatever happens, as many tokens are cached as a list of them has") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    CacheState state;
    std::size_t held = 0, lost = 0;
    bool due = false;
    for (int step = 0; step < 60; ++step) {
      std::size_t const some = random.below(held + 3);
      switch (random.below(5)) {
        case 0:
          if (due) break;
          state.feed(some + 1);
          if (random.one_in(3)) {
            state.cancel();
            due = true;
          } else {
            state.commit();
            held += some + 1;
          }
          break;
        case 1: {
          std::size_t const left = random.below(held + 1);
          state.truncated(left);
          if (left < held) lost = std::max(lost, held);
          held = left;
          due = false;
          break;
        }
        case 2:
          state.forget(some);
          due = due || some < held;
          held = std::min(held, some);
          break;
        case 3:
          state.remove_after(some);
          due = due || some < held;
          held = std::min(held, some);
          lost = std::min(lost, some);
          break;
        default: {
          if (due) break;
          std::vector<std::size_t> tokens(held);
          std::size_t const first = random.below(held + 1), count = random.below(held - first + 1);
          auto const begin = tokens.begin() + static_cast<std::ptrdiff_t>(first);
          tokens.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
          state.shift(first, count);
          held = tokens.size();
          lost = std::min(lost, held);
        }
      }
      CAPTURE(seed);
      CAPTURE(step);
      REQUIRE(state.cached() == held);
      REQUIRE(state.needs_truncate() == due);
      REQUIRE(state.replays() == (held < lost));
    }
  }
}
