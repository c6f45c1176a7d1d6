// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/token_room.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>

#include <algorithm>
#include <cstddef>
#include <new>
#include <numeric>
#include <span>

#include "support/allocation_counter.hpp"
#include "support/tokens.hpp"

using copyspec::Source;
using copyspec::Token;
using copyspec::detail::TokenRoom;
using copyspec_test::copy;
using copyspec_test::Tokens;

namespace {

Tokens counting(std::size_t count) {
  Tokens tokens(count);
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

Tokens first(TokenRoom const& room, std::size_t count) {
  return copy({room.tokens(), count});
}

// A room that holds the numbers from 0 on, of which the last is generated.
TokenRoom filled(std::size_t count, std::size_t size) {
  TokenRoom room;
  room.place(counting(count), 0, size);
  return room;
}

}  // namespace

TEST_CASE("room grows by 1,024 tokens, or by a quarter of what is there") {
  CHECK(TokenRoom::step(0) == 1024);
  CHECK(TokenRoom::step(4096) == 1024);
  CHECK(TokenRoom::step(4100) == 1025);
  CHECK(TokenRoom::step(100'000) == 25'000);
}

TEST_CASE("a prompt is placed after what is kept, with as much room as is asked for") {
  TokenRoom room = filled(5, 7);
  CHECK(room.size(5) == 7);
  CHECK(first(room, 5) == Tokens{0, 1, 2, 3, 4});
  CHECK(room.sources().size() == 2);
  room.place(Tokens{8, 9}, 3, 20);
  CHECK(room.size(5) == 20);
  CHECK(first(room, 5) == Tokens{0, 1, 2, 8, 9});
  CHECK(room.sources().size() >= 15);
  room.place(Tokens{}, 5, 5);
  CHECK(room.size(5) == 20);
  CHECK(first(room, 5) == Tokens{0, 1, 2, 8, 9});
}

TEST_CASE("room that an earlier and longer turn has left counts as far as there are sources") {
  TokenRoom room = filled(50, 60);
  CHECK(room.sources().size() == 10);
  room.place(Tokens{1, 2}, 0, 30);
  CHECK(room.size(2) == 30);
  room.reserve(40, 2);
  CHECK(room.size(2) == 40);
}

TEST_CASE("an answer of a few thousand tokens has all its room at once, and a longer one as much as its context") {
  CHECK(TokenRoom::first(100, 0) == 100);
  CHECK(TokenRoom::first(100, 4096) == 4196);
  CHECK(TokenRoom::first(100, 4097) == 1124);
  CHECK(TokenRoom::first(1024, 100'000) == 2048);
  CHECK(TokenRoom::first(40'000, 60'000) == 80'000);
  CHECK(TokenRoom::first(40'000, 40'001) == 80'000);
  CHECK(TokenRoom::first(40'000, 30'000) == 70'000);
}

TEST_CASE("a prompt may be a part of the tokens, whether they are moved or not") {
  for (std::size_t const size : {40U, 400U, 4000U}) {
    CAPTURE(size);
    TokenRoom room = filled(20, 40);
    room.place(std::span<Token const>(room.tokens() + 5, 15), 20, size);
    Tokens expected = counting(20);
    for (Token token = 5; token < 20; ++token) expected.push_back(token);
    CHECK(first(room, 35) == expected);
  }
}

TEST_CASE("reserve keeps tokens and sources, and never shrinks") {
  TokenRoom room = filled(4, 6);
  room.sources()[0] = Source::history;
  room.reserve(50, 4);
  CHECK(room.size(4) == 50);
  CHECK(room.sources().size() == 46);
  CHECK(room.sources()[0] == Source::history);
  CHECK(first(room, 4) == counting(4));
  room.reserve(10, 4);
  CHECK(room.size(4) == 50);
}

TEST_CASE("tokens are erased from the middle, and those after them move down") {
  for (std::size_t at = 0; at <= 9; ++at) {
    for (std::size_t count = 0; at + count <= 9; ++count) {
      TokenRoom room = filled(9, 12);
      room.erase(at, count, 9);
      Tokens expected = counting(9);
      auto const from = expected.begin() + static_cast<std::ptrdiff_t>(at);
      expected.erase(from, from + static_cast<std::ptrdiff_t>(count));
      CHECK(first(room, 9 - count) == expected);
      CHECK(room.size(9) == 12);
    }
  }
}

TEST_CASE("a copy has tokens of its own") {
  TokenRoom room = filled(3, 5);
  TokenRoom const other = room;
  room.tokens()[0] = 7;
  CHECK(other.tokens()[0] == 0);
  CHECK(other.size(3) == 5);
}

TEST_CASE("memory that runs out changes nothing") {
  for (bool const places : {false, true}) {
    bool met = true;
    for (std::size_t after = 0; met; ++after) {
      TokenRoom room = filled(3, 5);
      Tokens const prompt{4, 5, 6};
      bool thrown = false;
      {
        FailingAllocation const failing(after);
        try {
          if (places)
            room.place(prompt, 3, 500);
          else
            room.reserve(500, 3);
        } catch (std::bad_alloc const&) {
          thrown = true;
        }
        met = failing.met();
      }
      CHECK(thrown == met);
      CHECK(first(room, 3) == counting(3));
      CHECK(room.size(met ? 3 : places ? 6 : 3) <= (met ? 5 : 500));
    }
  }
}
