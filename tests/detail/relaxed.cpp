// SPDX-License-Identifier: MIT
#include <copyspec/detail/relaxed.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

using copyspec::detail::load_relaxed;
using copyspec::detail::store_relaxed;

TEST_CASE("what is read is one of the values that were written, and each reader's never go back") {
  constexpr std::uint64_t last = 200000;
  // Both halves alike, so that a word which was half written would show.
  auto const value = [](std::uint64_t i) { return i << 32U | i; };
  std::vector<std::uint64_t> words(1, 0);
  std::atomic<bool> right = true;
  auto const read = [&] {
    for (std::uint64_t before = 0, now = 0; before != value(last); before = now) {
      now = load_relaxed(words[0]);
      if (now >> 32U != (now & 0xFFFFFFFFU) || now < before) right = false;
    }
  };
  std::thread one(read);
  std::thread other(read);
  for (std::uint64_t i = 1; i <= last; ++i) store_relaxed(words[0], value(i));
  one.join();
  other.join();
  CHECK(right);
  std::vector<std::uint64_t> const copy = words;
  CHECK(copy[0] == value(last));
}
