// SPDX-License-Identifier: MIT
#include <copyspec/pass_times.hpp>

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
  copyspec::PassTimes<TickingClock> times;
  int const value = copyspec::timed<TickingClock>(times.forward, [] { return 7; });
  CHECK(value == 7);
  copyspec::timed<TickingClock>(times.forward, [] { TickingClock::now(); });
  CHECK(times.forward.count() == 1 + 2);
  CHECK(times.propose.count() == 0);

  int target = 0;
  copyspec::timed<TickingClock>(times.verify, [&]() -> int& { return target; }) = 5;
  CHECK(target == 5);
}

TEST_CASE("the time of an action that throws is added too") {
  copyspec::PassTimes<TickingClock> times;
  CHECK_THROWS_AS(copyspec::timed<TickingClock>(times.forward, [] { throw std::runtime_error("no"); }),
                  std::runtime_error);
  CHECK(times.forward.count() == 1);
}
