// SPDX-License-Identifier: MIT
#include <copyspec/detail/stopwatch.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>

namespace {

// Advances by one each time it is read.
struct TickingClock {
  using duration = std::chrono::duration<int>;
  using time_point = std::chrono::time_point<TickingClock, duration>;
  static time_point now() {
    static int ticks = 0;
    return time_point(duration(++ticks));
  }
};

}  // namespace

TEST_CASE("the time of an action is added, and what it returns is passed on") {
  TickingClock::duration total{};
  int const value = copyspec::detail::timed<TickingClock>(total, [] { return 7; });
  CHECK(value == 7);
  copyspec::detail::timed<TickingClock>(total, [] { TickingClock::now(); });
  CHECK(total.count() == 1 + 2);

  int target = 0;
  copyspec::detail::timed<TickingClock>(total, [&]() -> int& { return target; }) = 5;
  CHECK(target == 5);
}

TEST_CASE("the time of an action that throws is added too") {
  TickingClock::duration total{};
  CHECK_THROWS_AS(copyspec::detail::timed<TickingClock>(total, [] { throw std::runtime_error("no"); }),
                  std::runtime_error);
  CHECK(total.count() == 1);
}
