// SPDX-License-Identifier: MIT
#include <copyspec/detail/host_device.hpp>

#include <doctest/doctest.h>

namespace {

COPYSPEC_HOST_DEVICE constexpr int shared(int number) {
  return number + 1;
}

}  // namespace

TEST_CASE("what host and device share is an ordinary function to a host compiler") {
  static_assert(shared(1) == 2);
  CHECK(shared(2) == 3);
}
