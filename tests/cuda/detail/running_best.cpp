// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/running_best.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <initializer_list>
#include <limits>

using copyspec::detail::BestWord;
using copyspec::detail::nan_seen;
using copyspec::detail::no_token;
using copyspec::detail::nothing_seen;
using copyspec::detail::RunningBest;
using copyspec::detail::token_of;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();

BestWord word(float score, std::uint32_t token) {
  RunningBest best;
  best.offer(score, token);
  return best.word();
}

}  // namespace

TEST_CASE("the greater word is the better element") {
  CHECK(word(2, 9) > word(1, 3));
  CHECK(word(1, 3) > word(1, 4));
  CHECK(word(-0.0F, 3) > word(0.0F, 4));
  CHECK(word(0.0F, 3) > word(-0.0F, 4));
  CHECK(word(std::numeric_limits<float>::lowest(), 0x7FFFFFFF) > nothing_seen);
  CHECK(word(-infinite, 0) == nothing_seen);
  CHECK(word(std::numeric_limits<float>::quiet_NaN(), 5) == nan_seen);
  CHECK(nan_seen > word(infinite, 0));
}

TEST_CASE("a word gives its token back") {
  for (std::uint32_t const token : {0U, 1U, 151935U, 0x7FFFFFFEU}) {
    CHECK(token_of(word(-3, token)) == static_cast<copyspec::Token>(token));
    CHECK(token_of(word(infinite, token)) == static_cast<copyspec::Token>(token));
  }
  CHECK(token_of(nothing_seen) == no_token);
  CHECK(token_of(nan_seen) == no_token);
}

TEST_CASE("the first of equal scores stays, and a NaN is not forgotten") {
  RunningBest best;
  CHECK(best.word() == nothing_seen);
  best.offer(-infinite, 0);
  CHECK(best.word() == nothing_seen);
  best.offer(-0.0F, 1);
  best.offer(0.0F, 2);
  CHECK(token_of(best.word()) == 1);
  best.offer(infinite, 3);
  best.offer(infinite, 4);
  CHECK(token_of(best.word()) == 3);
  best.offer(-std::numeric_limits<float>::quiet_NaN(), 5);
  best.offer(infinite, 6);
  CHECK(best.word() == nan_seen);
}
