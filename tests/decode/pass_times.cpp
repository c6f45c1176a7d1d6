// SPDX-License-Identifier: MIT
#include <copyspec/decode/pass_times.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace {

struct Milliseconds {
  using duration = std::chrono::milliseconds;
};

}  // namespace

TEST_CASE("the total is of all that was timed") {
  copyspec::PassTimes<Milliseconds> times;
  CHECK(times.total().count() == 0);
  times.propose = Milliseconds::duration(1);
  times.forward = Milliseconds::duration(20);
  times.verify = Milliseconds::duration(300);
  times.truncate = Milliseconds::duration(4000);
  CHECK(times.total().count() == 4321);
}
