// SPDX-License-Identifier: MIT
#include <copyspec/core/token.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <type_traits>

using copyspec::SequenceId;
using copyspec::Source;
using copyspec::Token;

TEST_CASE("a token has room for negative placeholders") {
  static_assert(std::is_same_v<Token, std::int32_t>);
  CHECK(Token{-1} < 0);
}

TEST_CASE("a sequence id is not a number by accident") {
  static_assert(std::is_enum_v<SequenceId> && sizeof(SequenceId) == sizeof(std::int32_t));
  static_assert(!std::is_convertible_v<SequenceId, int> && !std::is_convertible_v<int, SequenceId>);
  static_assert(!std::is_convertible_v<Token, SequenceId>);
  CHECK(SequenceId{} == SequenceId{0});
  CHECK(SequenceId{1} != SequenceId{2});
}

TEST_CASE("a source takes one byte a generated token") {
  static_assert(sizeof(Source) == 1 && Source::model != Source::context);
  CHECK(Source{} == Source::model);
}
