// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/history_source.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"
#include "support/reading.hpp"

using copyspec::History;
using copyspec::HistoryEntryId;
using copyspec::Source;
using copyspec::Token;
using copyspec::detail::HistorySource;
using copyspec::detail::MatchPointer;
using copyspec::detail::MatchPointers;
using copyspec::detail::MixerInput;
using copyspec::detail::SuccessorCounts;

namespace {

std::shared_ptr<History> history_of(std::vector<Tokens> const& requests) {
  auto history = std::make_shared<History>(std::size_t{1} << 20);
  for (Tokens const& request : requests) history->append(request);
  return history;
}

void append(HistorySource& source, std::span<Token const> context, bool search = true) {
  source.append(context, contexts_of(context).three, search);
}

MixerInput input_after(HistorySource const& source, std::span<Token const> context) {
  MixerInput input;
  source.describe(contexts_of(context), source.pointers(), input);
  return input;
}

// What followed the newest `count` tokens of `context` in the requests, read one after another.
SuccessorCounts followed(std::vector<Tokens> const& requests, std::span<Token const> context, std::size_t count) {
  SuccessorCounts successors;
  if (context.size() < count) return successors;
  auto const wanted = context.last(count);
  for (Tokens const& request : requests)
    for (std::size_t i = count; i < request.size(); ++i)
      if (std::ranges::equal(std::span(request).subspan(i - count, count), wanted)) successors.observe(request[i]);
  return successors;
}

bool same(SuccessorCounts const& one, SuccessorCounts const& other) {
  if (one.size() != other.size()) return false;
  for (std::size_t i = 0; i < one.size(); ++i)
    if (one.token(i) != other.token(i) || one.count(i) != other.count(i)) return false;
  return true;
}

// Whether `count` tokens before `position` of the history are the newest of `context`.
bool matches(History const& history, std::size_t position, std::span<Token const> context, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    if (history.token(position - 1 - i) != context[context.size() - 1 - i]) return false;
  return true;
}

void check_vote(MixerInput::Vote const& vote, MatchPointer const& pointer, History const& history) {
  REQUIRE((vote.token >= 0) == pointer.active);
  if (!pointer.active) return;
  REQUIRE(vote.token == history.token(pointer.position));
  REQUIRE(vote.length == pointer.length);
  REQUIRE(vote.misses == pointer.misses);
  REQUIRE(vote.history == pointer.history);
  REQUIRE(vote.source == Source::history);
}

}  // namespace

TEST_CASE("what a history tells is what reading all its requests tells, and its matches are matches") {
  Random random(1);
  std::size_t voted = 0;
  for (int round = 0; round < 20; ++round) {
    std::size_t const vocabulary = 4 + below(random, 12);
    std::vector<Tokens> requests;
    Tokens earlier;
    for (std::size_t i = 0; i < 4; ++i) {
      requests.push_back(copying_text(random, below(random, 100), vocabulary));
      earlier = earlier + requests.back();
    }
    auto const history = history_of(requests);
    HistorySource source(history);
    CHECK(source.exists());
    Tokens const text = copying_text(random, 300, vocabulary, earlier);
    for (std::size_t length = 1; length <= text.size(); ++length) {
      auto const context = std::span<Token const>(text).first(length);
      append(source, context);
      MatchPointer const& longest = source.pointers().longest;
      // A match is found exactly if something followed the newest three tokens. Requests end in fewer places than a
      // search examines, so these hide none.
      REQUIRE(longest.active == (followed(requests, context, 3).size() > 0));
      if (longest.active) {
        REQUIRE(longest.length >= 3);
        REQUIRE(matches(*history, longest.position, context, std::min<std::size_t>(longest.length, 32)));
        ++voted;
      }
      MixerInput const input = input_after(source, context);
      REQUIRE(input.history);
      check_vote(input.votes[2], longest, *history);
      check_vote(input.votes[3], source.pointers().recovered, *history);
      REQUIRE(same(input.successors[5], followed(requests, context, 2)));
      REQUIRE(same(input.successors[6], followed(requests, context, 3)));
      // Of the newest token nothing is said where the newest three were seen.
      REQUIRE(same(input.successors[4],
                   input.successors[6].size() > 0 ? SuccessorCounts() : followed(requests, context, 1)));
      // What is of the own text is left alone.
      for (std::size_t i = 0; i < MixerInput::own_contexts; ++i) REQUIRE(input.successors[i].size() == 0);
      REQUIRE(input.votes[0].token < 0);
    }
  }
  CHECK(voted > 2000);
}

TEST_CASE("without a search no match begins, and one in hand goes on") {
  HistorySource source(history_of({counting(10, 30)}));
  Tokens context = counting(10, 5);
  append(source, context, false);
  CHECK_FALSE(source.pointers().longest.active);
  append(source, context);
  CHECK(source.pointers().longest.active);
  for (Token token = 15; token < 20; ++token) {
    context.push_back(token);
    append(source, context, false);
    REQUIRE(source.pointers().longest.active);
  }
  context.push_back(500);
  append(source, context, false);
  CHECK_FALSE(source.pointers().longest.active);
}

TEST_CASE("a source that leaves its text copies from nowhere") {
  HistorySource source(history_of({counting(10, 30)}));
  append(source, counting(10, 5));
  CHECK(source.pointers().longest.active);
  source.leave();
  CHECK_FALSE(source.pointers().longest.active);
  CHECK_FALSE(source.pointers().recovered.active);
  CHECK(source.pointers().hits == 0);
}

TEST_CASE("pointers advance to the end of a request and no further, and the source stays where it is") {
  HistorySource source(history_of({counting(10, 8), counting(40, 8)}));
  append(source, counting(10, 4));
  std::size_t const position = source.pointers().longest.position;
  MatchPointers pointers = source.pointers();
  for (Token token = 14; token < 17; ++token) {
    REQUIRE(pointers.longest.active);
    source.advance(pointers, token);
  }
  CHECK(pointers.longest.active);
  source.advance(pointers, 17);
  CHECK_FALSE(pointers.longest.active);
  CHECK_FALSE(pointers.recovered.active);
  CHECK(source.pointers().longest.position == position);
}

TEST_CASE("a request that was removed is followed no longer") {
  auto const history = std::make_shared<History>(std::size_t{1} << 16);
  HistoryEntryId const request = history->append(counting(10, 30));
  HistorySource source(history);
  Tokens context = counting(10, 5);
  append(source, context);
  history->remove(request);
  CHECK(input_after(source, context).votes[2].token < 0);
  context.push_back(15);
  append(source, context);
  CHECK_FALSE(source.pointers().longest.active);
}

TEST_CASE("to fetch what is asked next changes nothing and allocates nothing, whatever is named") {
  Random random(2);
  Tokens const said = copying_text(random, 200, 8);
  HistorySource source(history_of({said}));
  Tokens const text = copying_text(random, 200, 8, said);
  auto const token_at = [&](std::size_t position) { return text.at(position); };
  std::size_t const before = allocations();
  for (std::size_t length = 1; length <= text.size(); ++length) {
    auto const context = std::span<Token const>(text).first(length);
    append(source, context);
    source.prefetch(MixerInput{}, length, token_at);
    MixerInput const input = input_after(source, context);
    source.prefetch(input, length, token_at);
    MixerInput const again = input_after(source, context);
    for (std::size_t i = 0; i < MixerInput::contexts; ++i) REQUIRE(same(input.successors[i], again.successors[i]));
  }
  CHECK(allocations() == before);
}

TEST_CASE("a source without a history does not exist") {
  CHECK_FALSE(HistorySource(nullptr).exists());
}
