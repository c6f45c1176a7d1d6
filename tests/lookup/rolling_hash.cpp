// SPDX-License-Identifier: MIT
#include <copyspec/lookup/rolling_hash.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <random>
#include <span>
#include <vector>

using copyspec::RollingHash;
using copyspec::Token;

namespace {

using Sizes = std::vector<std::size_t>;

// The hash of the newest `length` tokens, as a stream is hashed.
constexpr std::uint64_t streamed(std::size_t length, std::span<Token const> tokens) {
  RollingHash hash(length);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i < length)
      hash.push(tokens[i]);
    else
      hash.slide(tokens[i - length], tokens[i]);
  }
  return hash.value();
}

constexpr std::uint64_t streamed(std::size_t length, std::initializer_list<Token> tokens) {
  return streamed(length, std::span<Token const>(tokens.begin(), tokens.size()));
}

// Words without an overlap, the classical attack on polynomial hashes modulo a power of two.
std::vector<Token> thue_morse(std::size_t length, Token first, Token second) {
  std::vector<Token> word = {first};
  while (word.size() < length) {
    for (std::size_t i = 0, half = word.size(); i < half; ++i) word.push_back(word[i] == first ? second : first);
  }
  word.resize(length);
  return word;
}

constexpr Token greatest = std::numeric_limits<Token>::max();

}  // namespace

// Computed apart, in Python, from the formula in the header. A change here changes nothing that is generated, but says
// that the hash is another one.
static_assert(streamed(3, {}) == 0);
static_assert(streamed(1, {0}) == 0x48218226ff3cd4bf);
static_assert(streamed(3, {0}) == 0x48218226ff3cd4bf);
static_assert(streamed(2, {0, 0, 0}) == 0x1d1d0495798d35fb);
static_assert(streamed(3, {0, 0, 0}) == 0x55bbc9f2a725d8ac);
static_assert(streamed(3, {1, 2, 3}) == 0x88cb4f989166777a);
static_assert(streamed(3, {3, 2, 1}) == 0x0fcf1be7b26dbb86);
static_assert(streamed(2, {1, 2, 3}) == 0x13e5e2ae7e9b3663);
static_assert(streamed(3, {151643, 198, 198, 151644, 77091}) == 0x35172539bef446f4);
static_assert(streamed(1, {greatest}) == 0x8201b284a909ac93);

TEST_CASE("the values are pinned") {
  struct Golden {
    std::size_t length;
    std::vector<Token> tokens;
    std::uint64_t value;
  };
  std::vector<Token> const count = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
  std::vector<Token> const chat = {151643, 198, 198, 151644, 77091};
  Golden const golden[] = {
      {1, {0}, 0x48218226ff3cd4bf},        {16, {0}, 0x48218226ff3cd4bf},       {2, {0, 0, 0}, 0x1d1d0495798d35fb},
      {3, {0, 0, 0}, 0x55bbc9f2a725d8ac},  {1, {1, 2, 3}, 0xd6c157a44c3816b9},  {2, {1, 2, 3}, 0x13e5e2ae7e9b3663},
      {3, {1, 2, 3}, 0x88cb4f989166777a},  {16, {1, 2, 3}, 0x88cb4f989166777a}, {1, {3, 2, 1}, 0xdce423fc82c0d5b8},
      {2, {3, 2, 1}, 0x3e01965fc93e739b},  {3, {3, 2, 1}, 0x0fcf1be7b26dbb86},  {1, chat, 0x560a1e5cafe75160},
      {2, chat, 0x7b49828ef87f89c7},       {3, chat, 0x35172539bef446f4},       {5, chat, 0x58c88b0250bc50b9},
      {3, {greatest}, 0x8201b284a909ac93}, {1, count, 0xa18ecc93dc0895fd},      {2, count, 0x137fbe871dbea02a},
      {3, count, 0x0aa850b615413ab8},      {5, count, 0x37ecfcd6e0d09b53},      {16, count, 0x2b92b691cb5d7fcb},
  };
  for (Golden const& each : golden) {
    CAPTURE(each.length);
    CAPTURE(each.tokens.size());
    CHECK(streamed(each.length, each.tokens) == each.value);
  }
}

TEST_CASE("sliding gives what hashing the run afresh gives") {
  std::mt19937 random(1);
  for (std::size_t const length : Sizes{1, 2, 3, 4, 7, 8, 31, 64, 65}) {
    CAPTURE(length);
    for (Token const last : {Token{1}, Token{100}, Token{151935}, greatest}) {
      CAPTURE(last);
      std::uniform_int_distribution<Token> any(0, last);
      std::vector<Token> tokens;
      RollingHash rolled(length);
      for (std::size_t i = 0; i < 3 * length + 20; ++i) {
        tokens.push_back(any(random));
        if (i < length)
          rolled.push(tokens[i]);
        else
          rolled.slide(tokens[i - length], tokens[i]);
        RollingHash fresh(length);
        std::size_t const inside = std::min(i + 1, length);
        for (Token const token : std::span(tokens).last(inside)) fresh.push(token);
        REQUIRE(rolled.value() == fresh.value());
      }
    }
  }
}

TEST_CASE("a cleared hash is a new one") {
  RollingHash used(3);
  for (Token const token : {5, 6, 7}) used.push(token);
  used.slide(5, 8);
  used.clear();
  CHECK(used.value() == RollingHash(3).value());
  for (Token const token : {1, 2, 3}) used.push(token);
  CHECK(used.value() == streamed(3, {1, 2, 3}));
}

TEST_CASE("copies go on independently") {
  RollingHash first(2);
  first.push(1);
  RollingHash second = first;
  second.push(9);
  first.push(2);
  CHECK(first.value() == streamed(2, {1, 2}));
  CHECK(second.value() == streamed(2, {1, 9}));
}

TEST_CASE("the high half, which a table uses, tells runs apart") {
  // 2^32 values and 65,536 runs: one pair in two such experiments would be expected to collide.
  for (Token const step : {1, 2, 1024, 32768}) {
    CAPTURE(step);
    std::vector<std::uint32_t> tags;
    for (Token i = 0; i < 65536; ++i)
      tags.push_back(static_cast<std::uint32_t>(streamed(3, {i / 256, 7, (i % 256) * step}) >> 32));
    std::vector<int> quarters(4);
    for (std::uint32_t const tag : tags) ++quarters[tag >> 30];
    CHECK(*std::ranges::min_element(quarters) > 65536 / 4 - 1000);
    std::ranges::sort(tags);
    CHECK(tags.end() - std::unique(tags.begin(), tags.end()) < 8);
  }
}

TEST_CASE("different runs can share a value, so a hash hit is not a match") {
  std::size_t const length = 1024;
  CHECK(streamed(length, thue_morse(length, 3, 4)) == streamed(length, thue_morse(length, 4, 3)));
  CHECK(streamed(length / 2, thue_morse(length / 2, 3, 4)) != streamed(length / 2, thue_morse(length / 2, 4, 3)));
}
