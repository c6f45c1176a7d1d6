// SPDX-License-Identifier: MIT
#include <copyspec/detail/claim.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <utility>

using copyspec::detail::Claim;

TEST_CASE("of all copies one holds the claim, until it is gone") {
  std::optional<Claim> first(std::in_place);
  Claim second = *first;
  CHECK(first->take());
  CHECK(first->take());
  CHECK_FALSE(second.take());
  Claim copy = *first;
  CHECK_FALSE(copy.take());
  first.reset();
  CHECK(second.take());
  CHECK_FALSE(copy.take());
}

TEST_CASE("a claim moves with what holds it, and ends where it is assigned to") {
  Claim one;
  Claim other = one;
  REQUIRE(one.take());
  Claim moved = std::move(one);
  CHECK_FALSE(other.take());
  CHECK(moved.take());
  moved = Claim();
  CHECK(other.take());
  CHECK(Claim().take());
}
