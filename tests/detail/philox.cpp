// SPDX-License-Identifier: MIT
#include <copyspec/detail/philox.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>

using copyspec::detail::philox4x32;
using copyspec::detail::philox4x32_run;
using copyspec::detail::PhiloxKey;
using copyspec::detail::PhiloxWords;

namespace {

constexpr bool same(PhiloxWords const& a, PhiloxWords const& b) {
  for (std::size_t w = 0; w < 4; ++w)
    if (a.words[w] != b.words[w]) return false;
  return true;
}

template <std::size_t count>
void check_run(PhiloxWords const& counter, PhiloxKey key) {
  CAPTURE(count);
  auto const run = philox4x32_run<count>(counter, key);
  for (std::size_t i = 0; i < count; ++i) {
    PhiloxWords single = counter;
    single.words[0] += static_cast<std::uint32_t>(i);
    REQUIRE(same({{run[0][i], run[1][i], run[2][i], run[3][i]}}, philox4x32(single, key)));
  }
}

}  // namespace

// Those that Random123 publishes.
static_assert(same(philox4x32({{0, 0, 0, 0}}, {{0, 0}}), {{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}}));

TEST_CASE("counters and keys have the numbers that are published") {
  CHECK(same(philox4x32({{0, 0, 0, 0}}, {{0, 0}}), {{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}}));
  CHECK(same(philox4x32({{0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}}, {{0xFFFFFFFF, 0xFFFFFFFF}}),
             {{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}}));
  CHECK(same(philox4x32({{0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}}, {{0xA4093822, 0x299F31D0}}),
             {{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}}));
}

TEST_CASE("a run has the numbers of its counters, also where the first word wraps") {
  std::mt19937 random(1);
  auto const word = [&] { return static_cast<std::uint32_t>(random()); };
  for (int round = 0; round < 50; ++round) {
    PhiloxWords const counter = {{round % 2 == 0 ? word() : 0xFFFFFFFDU, word(), word(), word()}};
    PhiloxKey const key = {{word(), word()}};
    check_run<1>(counter, key);
    check_run<3>(counter, key);
    check_run<8>(counter, key);
    check_run<32>(counter, key);
    check_run<37>(counter, key);
  }
}

TEST_CASE("each word of counter and key changes all that is drawn") {
  PhiloxWords const counter = {{1, 2, 3, 4}};
  PhiloxKey const key = {{5, 6}};
  PhiloxWords const drawn = philox4x32(counter, key);
  auto const differs = [&](PhiloxWords const& other) {
    for (std::size_t w = 0; w < 4; ++w) CHECK(other.words[w] != drawn.words[w]);
  };
  for (std::size_t w = 0; w < 4; ++w) {
    PhiloxWords other = counter;
    other.words[w] ^= 1;
    differs(philox4x32(other, key));
  }
  for (std::size_t w = 0; w < 2; ++w) {
    PhiloxKey other = key;
    other.words[w] ^= 1;
    differs(philox4x32(counter, other));
  }
}
