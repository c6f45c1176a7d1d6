// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <new>

#include "allocation_counter.hpp"

// Calls `action(object)` with each of its allocations failing in turn, each time on another object that `make()` made,
// and `check(object)` after it. Returns how many allocations there were.
template <class Make, class Action, class Check>
std::size_t fail_each_allocation(Make const& make, Action const& action, Check const& check) {
  for (std::size_t nth = 0;; ++nth) {
    CAPTURE(nth);
    auto object = make();
    bool threw = false;
    FailingAllocation const failing(nth);
    try {
      action(object);
    } catch (std::bad_alloc const&) {
      threw = true;
    }
    bool const failed = failing.met();
    REQUIRE(threw == failed);
    check(object);
    if (!failed) return nth;
    REQUIRE(nth < 1000);
  }
}
