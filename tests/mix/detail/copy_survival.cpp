// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/copy_survival.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"

using copyspec::detail::CopySurvival;

namespace {

std::vector<float> numbers_of(CopySurvival const& survival) {
  std::vector<float> numbers;
  survival.append_to(numbers);
  return numbers;
}

// Observes copies that end with a probability of `rate / length` at each length, `count` of them.
void observe_copies(CopySurvival& survival, Random& random, double rate, int count) {
  std::uniform_real_distribution<double> uniform(0, 1);
  for (; count > 0; --count)
    for (std::uint32_t length = 32; length < 100'000; ++length) {
      bool const went_on = uniform(random) >= rate / length;
      survival.observe(length, went_on);
      if (!went_on) break;
    }
}

}  // namespace

TEST_CASE("before anything is observed, a copy reaches twice its length every second time") {
  CopySurvival const survival;
  CHECK(survival.rate() == 1);
  CHECK(survival(1) == 0);
  CHECK(survival(2) == 0.5F);
  CHECK(survival(48) == doctest::Approx(1 - 1 / 48.0));
  double reach = 1;
  for (std::uint32_t length = 48; length < 96; ++length) reach *= static_cast<double>(survival(length));
  CHECK(reach == doctest::Approx(0.5).epsilon(0.02));
}

TEST_CASE("the rate is the matches that ended over the sum of 1 / length, counted from one of each") {
  Random random(1);
  for (int round = 0; round < 200; ++round) {
    CopySurvival survival;
    double ended = 1;
    double exposed = 1;
    // So few that nothing is halved.
    for (std::size_t i = below(random, 30); i > 0; --i) {
      auto const length = static_cast<std::uint32_t>(1 + below(random, 300));
      bool const went_on = below(random, 3) != 0;
      survival.observe(length, went_on);
      if (length < 32) continue;
      ended += went_on ? 0 : 1;
      exposed += 1.0 / length;
    }
    double const rate = ended / exposed;
    CHECK(survival.rate() == doctest::Approx(rate));
    for (std::uint32_t const length : {1U, 5U, 32U, 100U, 4000U})
      CHECK(survival(length) == doctest::Approx(std::max(0.0, 1 - rate / length)));
  }
}

TEST_CASE("short matches are not learnt from") {
  CopySurvival survival;
  for (std::uint32_t length = 0; length < CopySurvival::least_length; ++length)
    for (bool const went_on : {false, true}) survival.observe(length, went_on);
  CHECK(numbers_of(survival) == std::vector<float>{0, 0});
  survival.observe(CopySurvival::least_length, false);
  CHECK(numbers_of(survival) == std::vector<float>{1, 1.0F / 32});
  survival.observe(64, true);
  CHECK(numbers_of(survival) == std::vector<float>{1, 1.0F / 32 + 1.0F / 64});
}

TEST_CASE("the numbers stay below 32, and both are halved together") {
  CopySurvival survival;
  for (int i = 1; i < 32; ++i) {
    survival.observe(1024, false);
    REQUIRE(numbers_of(survival) == std::vector<float>{static_cast<float>(i), static_cast<float>(i) / 1024});
  }
  survival.observe(1024, false);
  CHECK(numbers_of(survival) == std::vector<float>{16, 1.0F / 64});
  // Of what went on, too.
  CopySurvival sure;
  for (int i = 1; i < 32 * 32; ++i) sure.observe(32, true);
  CHECK(numbers_of(sure) == std::vector<float>{0, 31 + 31.0F / 32});
  sure.observe(32, true);
  CHECK(numbers_of(sure) == std::vector<float>{0, 16});
  Random random(2);
  CopySurvival any;
  for (int i = 0; i < 200'000; ++i) {
    any.observe(static_cast<std::uint32_t>(32 + below(random, i % 2 == 0 ? 8 : 5000)), below(random, 4) != 0);
    for (float const number : numbers_of(any)) {
      REQUIRE(number >= 0);
      REQUIRE(number < 32);
      REQUIRE(CopySurvival::is_possible(number));
    }
  }
}

TEST_CASE("a copy goes on with a probability from 0 to 1, the longer it is the more likely") {
  Random random(3);
  for (int round = 0; round < 30; ++round) {
    CopySurvival survival;
    std::size_t const ends = 1 + below(random, 200);
    for (std::size_t i = below(random, 3000); i > 0; --i)
      survival.observe(static_cast<std::uint32_t>(32 + below(random, 1000)), below(random, ends) != 0);
    CHECK(survival.rate() > 0);
    float before = 0;
    for (std::uint32_t length = 1; length < 2000; ++length) {
      REQUIRE(survival(length) >= before);
      REQUIRE(survival(length) <= 1);
      before = survival(length);
    }
    CHECK(survival(std::numeric_limits<std::uint32_t>::max()) > 0.99F);
  }
}

TEST_CASE("the rate at which copies end is found, and followed when texts change") {
  for (double const rate : {0.1, 0.5, 2.0, 5.0}) {
    CAPTURE(rate);
    Random random(4);
    CopySurvival survival;
    observe_copies(survival, random, rate, 300);
    // Of some dozen copies, however many there were.
    CHECK(static_cast<double>(survival.rate()) == doctest::Approx(rate).epsilon(0.4));
    double const other = rate < 1 ? 8 * rate : rate / 8;
    observe_copies(survival, random, other, 150);
    CHECK(static_cast<double>(survival.rate()) == doctest::Approx(other).epsilon(0.4));
  }
}

TEST_CASE("what was learnt of copies goes into another object, in two numbers") {
  CHECK(CopySurvival::number_count() == 2);
  CopySurvival survival;
  for (std::uint32_t length = 32; length < 200; ++length) survival.observe(length, length % 50 != 0);
  std::vector<float> numbers{7};
  survival.append_to(numbers);
  REQUIRE(numbers.size() == 3);
  CHECK(numbers[0] == 7);
  CHECK(numbers[1] == 3);
  CopySurvival other;
  for (int i = 0; i < 20; ++i) other.observe(40, false);
  other.assign(std::vector<float>(numbers.begin() + 1, numbers.end()));
  CHECK(numbers_of(other) == numbers_of(survival));
  CHECK(other.rate() == survival.rate());
}

TEST_CASE("a number that was learnt is from 0 to 32") {
  for (float const number : {0.0F, 0.001F, 1.0F, 31.9F, 32.0F}) CHECK(CopySurvival::is_possible(number));
  float const infinite = std::numeric_limits<float>::infinity();
  for (float const number : {-0.001F, -1.0F, 32.01F, 1e30F, infinite, -infinite, std::nanf("")})
    CHECK_FALSE(CopySurvival::is_possible(number));
}

TEST_CASE("observing copies allocates nothing") {
  std::size_t const before = allocations();
  CopySurvival survival;
  for (std::uint32_t length = 1; length < 1000; ++length) survival.observe(length, length % 9 != 0);
  CHECK(survival(100) > 0);
  CHECK(allocations() == before);
}
