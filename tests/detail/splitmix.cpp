// SPDX-License-Identifier: MIT
#include <copyspec/detail/splitmix.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cstdint>

using copyspec::detail::golden_ratio;
using copyspec::detail::splitmix;

namespace {

// The finaliser backwards: what undoes a shift to the right, and the inverses of both factors.
constexpr std::uint64_t undo_shift(std::uint64_t x, int shift) {
  std::uint64_t original = x;
  for (int known = shift; known < 64; known += shift) original = x ^ (original >> shift);
  return original;
}

constexpr std::uint64_t inverse(std::uint64_t odd) {
  std::uint64_t result = odd;
  for (int bits = 3; bits < 64; bits *= 2) result *= 2 - odd * result;
  return result;
}

constexpr std::uint64_t undo(std::uint64_t x) {
  x = undo_shift(x, 31) * inverse(0x94d049bb133111eb);
  x = undo_shift(x, 27) * inverse(0xbf58476d1ce4e5b9);
  return undo_shift(x, 30);
}

static_assert(splitmix(0) == 0);

}  // namespace

TEST_CASE("the values are those of SplitMix64") {
  // Its first three outputs for the seed 1234567.
  CHECK(splitmix(1234567 + golden_ratio) == 6457827717110365317U);
  CHECK(splitmix(1234567 + 2 * golden_ratio) == 3203168211198807973U);
  CHECK(splitmix(1234567 + 3 * golden_ratio) == 9817491932198370423U);
}

TEST_CASE("no two words give the same") {
  for (std::uint64_t i = 0; i < 10000; ++i) {
    std::uint64_t const word = i * golden_ratio + i;
    REQUIRE(undo(splitmix(word)) == word);
  }
}

TEST_CASE("each bit of the word changes half of the bits of the result") {
  for (int bit = 0; bit < 64; ++bit) {
    CAPTURE(bit);
    int changed = 0;
    for (std::uint64_t i = 1; i <= 1000; ++i)
      changed += std::popcount(splitmix(i) ^ splitmix(i ^ (std::uint64_t{1} << bit)));
    CHECK(changed > 31000);
    CHECK(changed < 33000);
  }
}
