// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/stop_string.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>

#include "support/allocation_counter.hpp"
#include "support/random.hpp"

using copyspec::detail::StopString;
using copyspec_test::Random;

namespace {

std::string any_string(Random& random, std::size_t length, std::size_t letters) {
  std::string text;
  for (; length > 0; --length) text += static_cast<char>('a' + random.below(letters));
  return text;
}

}  // namespace

TEST_CASE("a string is found wherever it ends, and its beginning wherever it may go on") {
  std::size_t found = 0;
  for (std::size_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    std::string const stop = any_string(random, random.between(1, 9), 2);
    StopString string(stop);
    REQUIRE(string.size() == stop.size());
    for (std::size_t texts = 0; texts < 2; ++texts) {
      std::string text;
      for (char const byte : any_string(random, 80, 2)) {
        text += byte;
        bool const ends = string.advance(byte);
        REQUIRE(ends == text.ends_with(stop));
        std::size_t longest = 0;
        for (std::size_t size = 1; size < stop.size(); ++size)
          if (text.ends_with(stop.substr(0, size))) longest = size;
        REQUIRE(string.matched() == longest);
        found += ends ? 1 : 0;
      }
      string.restart();
      REQUIRE(string.matched() == 0);
    }
  }
  CHECK(found > 500);
}

TEST_CASE("bytes of any value are found") {
  StopString string(std::string("\0\xFF", 2));
  CHECK_FALSE(string.advance('\0'));
  CHECK_FALSE(string.advance('\0'));
  CHECK(string.matched() == 1);
  CHECK(string.advance('\xFF'));
}

TEST_CASE("to find a string allocates nothing") {
  StopString string("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
  std::size_t const before = allocations();
  for (int i = 0; i < 100; ++i) string.advance('a');
  bool const found = string.advance('b');
  CHECK(allocations() == before);
  CHECK(found);
}
