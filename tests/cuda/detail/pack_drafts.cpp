// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/pack_drafts.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

using copyspec::SequenceId;
using copyspec::Token;
using copyspec::VerifyInput;
using copyspec::detail::pack_drafts;
using copyspec::detail::PassSize;
using copyspec::detail::size_of;

TEST_CASE("drafts lie one behind the other, without their contexts") {
  std::vector<Token> const first = {1, 2, 3};
  std::vector<Token> const second = {4, 5};
  std::vector<Token> const third = {6, 7, 8};
  std::vector<VerifyInput> const trials = {
      {SequenceId{0}, first, 1}, {SequenceId{7}, second, 2}, {SequenceId{3}, third, 0}};
  PassSize const size = size_of(trials);
  CHECK(size.limits.max_requests == 3);
  CHECK(size.limits.max_draft_length == 3);
  CHECK(size.drafted == 5);
  std::vector<std::int32_t> offsets(4, -9);
  std::vector<Token> tokens(5, -9);
  pack_drafts(trials, offsets, tokens);
  CHECK(offsets == std::vector<std::int32_t>{0, 2, 2, 5});
  CHECK(tokens == std::vector<Token>{2, 3, 6, 7, 8});
}

TEST_CASE("a pass without drafts is one row a trial") {
  std::vector<Token> const context = {1};
  std::vector<VerifyInput> const trials(2, VerifyInput{SequenceId{0}, context, 1});
  CHECK(size_of(trials).limits.max_draft_length == 0);
  CHECK(size_of({}).limits.max_requests == 0);
  std::vector<std::int32_t> offsets(3, -9);
  pack_drafts(trials, offsets, {});
  CHECK(offsets == std::vector<std::int32_t>{0, 0, 0});
}
