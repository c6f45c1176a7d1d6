// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/own_text.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"
#include "support/reading.hpp"

using copyspec::Source;
using copyspec::Token;
using copyspec::detail::MatchModel;
using copyspec::detail::MatchPointer;
using copyspec::detail::MatchPointers;
using copyspec::detail::MixerInput;
using copyspec::detail::OwnText;
using Truncated = OwnText::Truncated;
using copyspec::detail::SuccessorCounts;

namespace {

// In one call of `begin_reading`, the last tokens of which can be taken back.
void read_a_piece(OwnText& text, std::span<Token const> context, std::size_t undoable = 64) {
  std::size_t const end = text.begin_reading(context.size());
  while (text.size() < end) {
    std::size_t const length = text.size();
    text.append(context, contexts_of(context.first(length)), contexts_of(context.first(length + 1)),
                length + undoable >= context.size());
  }
}

void read(OwnText& text, std::span<Token const> context) {
  while (!text.has_read(context.size())) read_a_piece(text, context);
}

MixerInput input_after(OwnText const& text, std::span<Token const> context) {
  MixerInput input;
  text.describe(
      contexts_of(context), text.pointers(), context.size(), [&](std::size_t position) { return context[position]; },
      input);
  return input;
}

// Context `which` of a position, as tokens counted back from the newest: the newest, the newest two, the one before the
// newest, the one before that. Nothing if it is not there or covers a token that is none.
std::optional<Tokens> context_at(std::span<Token const> said, std::size_t which) {
  constexpr std::array<std::size_t, 4> back{1, 2, 2, 3};
  constexpr std::array<std::size_t, 4> count{1, 2, 1, 1};
  if (said.size() < back[which]) return std::nullopt;
  auto const part = said.subspan(said.size() - back[which], count[which]);
  if (std::ranges::any_of(part, [](Token token) { return token < 0; })) return std::nullopt;
  return Tokens(part.begin(), part.end());
}

// What followed a context, by reading all of `said` again, of which so many tokens are references. Contexts do not
// reach from the references into the context.
SuccessorCounts followed(std::span<Token const> said, std::size_t references, std::size_t which) {
  SuccessorCounts successors;
  auto const wanted = context_at(said.subspan(references), which);
  for (std::size_t i = 0; wanted && i < said.size(); ++i) {
    std::size_t const first = i < references ? 0 : references;
    if (said[i] >= 0 && context_at(said.subspan(first, i - first), which) == wanted) successors.observe(said[i]);
  }
  return successors;
}

bool same(SuccessorCounts const& one, SuccessorCounts const& other) {
  if (one.size() != other.size()) return false;
  for (std::size_t i = 0; i < one.size(); ++i)
    if (one.token(i) != other.token(i) || one.count(i) != other.count(i)) return false;
  return true;
}

bool same(MatchPointer const& one, MatchPointer const& other) {
  return one.active == other.active && (!one.active || (one.position == other.position && one.length == other.length));
}

void check_vote(MixerInput::Vote const& vote, MatchPointer const& pointer, std::span<Token const> said,
                std::size_t references) {
  bool const stands = pointer.active && pointer.position < said.size();
  REQUIRE((vote.token >= 0) == (stands && said[pointer.position] >= 0));
  if (vote.token < 0) return;
  REQUIRE(vote.token == said[pointer.position]);
  REQUIRE(vote.length == pointer.length);
  REQUIRE(vote.misses == pointer.misses);
  REQUIRE(vote.history == pointer.history);
  REQUIRE(vote.source == (pointer.position < references ? Source::reference : Source::context));
}

}  // namespace

TEST_CASE("what is known after a text is what reading all of it again tells, references first") {
  Random random(1);
  std::size_t voted = 0;
  for (int round = 0; round < 12; ++round) {
    std::vector<Tokens> references(round % 3 == 0 ? 0 : below(random, 3));
    Tokens said;
    for (Tokens& text : references) {
      text = copying_text(random, below(random, 80), 10);
      said = said + text + Tokens{-1};
    }
    std::size_t const before = said.size();
    said = said + copying_text(random, 250, 10, said);
    OwnText text(0);
    // So much that no context has to make room for another.
    text.reserve(8000);
    text.set_references(references);
    MatchModel match;
    match.reserve(said.size());
    for (std::size_t i = 0; i < before; ++i)
      match.append([&](std::size_t position) { return said[position]; },
                   contexts_of(std::span(said).first(i + 1)).three);
    for (std::size_t length = before; length <= said.size(); ++length) {
      auto const all = std::span<Token const>(said).first(length);
      if (length > before) match.append([&](std::size_t position) { return said[position]; }, contexts_of(all).three);
      read(text, all.subspan(before));
      REQUIRE(text.size() == length - before);
      REQUIRE(same(text.pointers().longest, match.pointers().longest));
      REQUIRE(same(text.pointers().recovered, match.pointers().recovered));
      MixerInput const input = input_after(text, all.subspan(before));
      check_vote(input.votes[0], match.pointers().longest, all, before);
      check_vote(input.votes[1], match.pointers().recovered, all, before);
      REQUIRE(input.hits == match.pointers().hits);
      REQUIRE(input.newest == (length == before ? 0 : std::max(all.back(), Token{0})));
      REQUIRE_FALSE(input.history);
      if (length == before) continue;
      for (std::size_t which = 0; which < MixerInput::own_contexts; ++which)
        REQUIRE(same(input.successors[which], followed(all, before, which)));
      if (input.votes[0].token >= 0) ++voted;
    }
  }
  CHECK(voted > 1000);
}

TEST_CASE("pointers that are advanced by the token that comes are those of the text that has read it") {
  OwnText text(0);
  text.reserve(100);
  Tokens const said = counting(10, 20) + counting(10, 20);
  for (std::size_t length = 24; length + 1 < said.size(); ++length) {
    auto const context = std::span<Token const>(said).first(length);
    read(text, context);
    MatchPointers pointers = text.pointers();
    text.advance(pointers, said[length], [&](std::size_t position) { return said[position]; });
    read(text, std::span<Token const>(said).first(length + 1));
    REQUIRE(same(pointers.longest, text.pointers().longest));
    REQUIRE(pointers.longest.active);
    REQUIRE(pointers.hits == text.pointers().hits);
  }
}

TEST_CASE("a pointer that was advanced over the end of a chain votes for nothing") {
  OwnText text(0);
  text.reserve(100);
  Tokens const said = {1, 2, 3, 1, 2, 3};
  read(text, said);
  MatchPointers pointers = text.pointers();
  REQUIRE(pointers.longest.position == 3);
  pointers.longest.position = said.size();
  MixerInput input;
  text.describe(
      contexts_of(said), pointers, said.size(), [&](std::size_t position) { return said.at(position); }, input);
  CHECK(input.votes[0].token < 0);
}

TEST_CASE("of a context that is longer than the window only the newest tokens need be read") {
  OwnText text(50);
  text.reserve(1000);
  CHECK(text.begin_reading(50) == 50);
  CHECK(text.size() == 0);
  Tokens const said = counting(0, 30) + counting(0, 30) + counting(0, 30);
  CHECK(text.begin_reading(said.size()) == said.size());
  CHECK(text.size() == said.size() - 50);
  CHECK_FALSE(text.pointers().longest.active);
  read(text, said);
  CHECK(input_after(text, said).votes[0].token == 0);
  CHECK(text.pointers().longest.position == 60);
}

TEST_CASE("a text that was truncated, or had to grow, is a fresh one of the tokens that are left") {
  Random random(2);
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    std::size_t const room = round % 5 == 0 ? 1000 : 2 * OwnText::max_at_once;
    std::vector<Tokens> references;
    if (round % 3 == 0) references.push_back(copying_text(random, below(random, 50), 6));
    Tokens said = copying_text(random, 100 + below(random, 100), 6);
    OwnText used(0);
    used.set_references(references);
    // Where there is room for more than a piece, the newest tokens can be taken back alone.
    used.reserve(round % 2 == 0 ? room : room / 2 + 100);
    // Few tokens that can be taken back alone, too.
    read_a_piece(used, said, below(random, 200));
    CHECK(used.truncate(said.size()) == Truncated::nothing);
    std::size_t const left = said.size() - below(random, 130) % said.size();
    Truncated const truncated = used.truncate(left);
    if (truncated == Truncated::forgotten) CHECK(used.size() == 0);
    if (truncated == Truncated::undone) CHECK(used.size() == left);
    CHECK((left < said.size()) == (truncated != Truncated::nothing));
    if (round % 2 != 0) {
      CHECK(used.reserve(room));
      CHECK(used.size() == 0);
      CHECK_FALSE(used.pointers().longest.active);
    }
    OwnText fresh(0);
    fresh.set_references(references);
    fresh.reserve(room);
    said.resize(left);
    said = said + copying_text(random, 200, 6, said);
    for (std::size_t length = left; length <= said.size(); ++length) {
      auto const context = std::span<Token const>(said).first(length);
      read(used, context);
      read(fresh, context);
      MixerInput const one = input_after(used, context);
      MixerInput const other = input_after(fresh, context);
      for (std::size_t i = 0; i < MixerInput::own_contexts; ++i) REQUIRE(same(one.successors[i], other.successors[i]));
      REQUIRE(one.hits == other.hits);
      for (std::size_t i = 0; i < MixerInput::own_pointers; ++i) {
        REQUIRE(one.votes[i].token == other.votes[i].token);
        REQUIRE(one.votes[i].length == other.votes[i].length);
        REQUIRE(one.votes[i].misses == other.votes[i].misses);
        REQUIRE(one.votes[i].history == other.votes[i].history);
      }
    }
  }
}

TEST_CASE("up to 64 of the newest tokens are taken back alone, with a window or little room none") {
  Random random(4);
  Tokens const said = copying_text(random, 10000, 50);
  OwnText text(0);
  text.reserve(said.size());
  read(text, said);
  CHECK(text.truncate(said.size() - 40) == Truncated::undone);
  CHECK(text.truncate(said.size() - 64) == Truncated::undone);
  CHECK(text.has_read(said.size() - 64));
  CHECK(text.truncate(said.size() - 65) == Truncated::forgotten);
  OwnText window(500);
  window.reserve(said.size());
  read(window, said);
  CHECK(window.truncate(said.size() - 1) == Truncated::forgotten);
  OwnText little(0);
  little.reserve(OwnText::max_at_once);
  read(little, std::span(said).first(100));
  CHECK(little.truncate(99) == Truncated::forgotten);
}

TEST_CASE("a long text is read at once, and again in pieces, its references too") {
  constexpr std::size_t piece = OwnText::piece;
  Random random(5);
  Tokens const said = copying_text(random, 3 * piece + 100, 500);
  std::vector<Tokens> const references{copying_text(random, piece + 10, 500)};
  OwnText text(0);
  text.set_references(references);
  text.reserve(said.size() + 1000);
  read_a_piece(text, said);
  CHECK(text.has_read(said.size()));
  std::size_t left = said.size();
  SUBCASE("after a truncation") {
    left -= 1000;
    REQUIRE(text.truncate(left) == Truncated::forgotten);
  }
  SUBCASE("after growing") {
    REQUIRE(text.reserve(2 * said.size()));
  }
  SUBCASE("after other references") {
    REQUIRE(text.set_references(references));
  }
  auto const context = std::span<Token const>(said).first(left);
  read_a_piece(text, context);
  CHECK(text.size() == 0);
  read_a_piece(text, context);
  CHECK(text.size() == 2 * piece - references[0].size() - 1);
  // What was truncated while it is read again is not waited for.
  CHECK(text.truncate(piece + 100) == Truncated::nothing);
  read_a_piece(text, context.first(piece + 100));
  CHECK(text.has_read(piece + 100));
  // A short text is read again at once.
  CHECK(text.truncate(2) == Truncated::forgotten);
  read_a_piece(text, context.first(2));
  CHECK(text.has_read(2));
  // Text that was never read is, too.
  read_a_piece(text, said);
  CHECK(text.has_read(said.size()));
}

TEST_CASE("a window is read again at once, if it is no longer than a piece") {
  Random random(6);
  Tokens const said = copying_text(random, 10000, 50);
  OwnText text(1000);
  text.reserve(said.size());
  read_a_piece(text, said);
  text.truncate(9000);
  read_a_piece(text, std::span(said).first(9000));
  CHECK(text.has_read(9000));
}

TEST_CASE("reference texts take the place of those before, and none of none") {
  OwnText text(0);
  text.reserve(100);
  CHECK_FALSE(text.set_references({}));
  CHECK(text.set_references(std::vector<Tokens>{counting(10, 20)}));
  Tokens const asked = {12, 13, 14};
  read(text, asked);
  CHECK(input_after(text, asked).votes[0].token == 15);
  CHECK(input_after(text, asked).votes[0].source == Source::reference);
  CHECK(text.set_references({}));
  CHECK(text.size() == 0);
  read(text, asked);
  CHECK(input_after(text, asked).votes[0].token < 0);
}

TEST_CASE("reading and describing allocate nothing once there is room") {
  Random random(3);
  Tokens const said = copying_text(random, 1000, 20);
  OwnText text(0);
  CHECK(text.memory_bytes() == 0);
  text.reserve(said.size());
  CHECK(text.memory_bytes() <= 50 * said.size() + 11 * 1024);
  std::size_t const before = allocations();
  read(text, said);
  static_cast<void>(input_after(text, said));
  text.truncate(3);
  CHECK(allocations() == before);
}
