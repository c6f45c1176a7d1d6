// SPDX-License-Identifier: MIT
#include <copyspec/mix/history.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "copyspec/mix/detail/context_hashes.hpp"
#include "support/allocation_counter.hpp"

using copyspec::History;
using copyspec::HistoryCounters;
using copyspec::HistoryEntryId;
using copyspec::Token;
using copyspec::detail::ContextHashes;
using copyspec::detail::SuccessorCounts;

namespace {

using Tokens = std::vector<Token>;
using Requests = std::vector<Tokens>;
using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

Tokens any_tokens(Random& random, std::size_t count, std::size_t vocabulary, Token first = 0) {
  Tokens tokens(count);
  for (Token& token : tokens) token = first + static_cast<Token>(below(random, vocabulary));
  return tokens;
}

ContextHashes hashes(Tokens const& tokens, std::size_t length) {
  return {length, [&](std::size_t i) { return tokens[i]; }};
}

std::vector<std::uint64_t> remembered(ContextHashes const& contexts) {
  std::vector<std::uint64_t> remembered;
  for (std::uint64_t const hash : {contexts.values[0], contexts.values[1], contexts.three})
    if (hash != 0) remembered.push_back(hash);
  return remembered;
}

// All that may be read, position by position, and by every context of `asked`.
std::set<Token> tokens_seen(History const& history, std::vector<Tokens> const& asked) {
  std::set<Token> seen;
  for (std::size_t position = 0; position < history.end() + history.capacity(); ++position)
    seen.insert(history.token(position));
  for (Tokens const& tokens : asked)
    for (std::size_t i = 1; i <= tokens.size(); ++i) {
      ContextHashes const contexts = hashes(tokens, i);
      for (std::uint64_t const hash : remembered(contexts)) {
        SuccessorCounts const successors = history.find(hash);
        for (std::size_t s = 0; s < successors.size(); ++s) seen.insert(successors.token(s));
      }
      for (std::size_t at = history.newest(contexts.three); at != 0; at = history.previous(at))
        for (std::size_t back = 0; back <= std::min<std::size_t>(at, 32); ++back) seen.insert(history.token(at - back));
    }
  seen.erase(-1);
  return seen;
}

// The requests held, as tokens.
std::vector<Tokens> requests(History const& history) {
  std::vector<Tokens> requests;
  history.for_each_request([&](std::size_t begin, std::size_t end) {
    requests.emplace_back();
    for (; begin < end; ++begin) requests.back().push_back(history.token(begin));
    CHECK(history.token(end) == -1);
  });
  return requests;
}

// What a history promises, on a list.
struct Model {
  struct Request {
    HistoryEntryId id;
    Tokens tokens;
    bool held;
  };
  std::size_t capacity;
  std::size_t max_requests;
  std::deque<Request> requests{};
  std::size_t end = 0;

  void append(HistoryEntryId id, Tokens tokens) {
    if (tokens.size() > capacity - 1) tokens.erase(tokens.begin(), tokens.end() - std::ptrdiff_t(capacity - 1));
    for (Token& token : tokens) token = std::max(token, -1);
    while (used() + tokens.size() + 1 > capacity || requests.size() == max_requests) requests.pop_front();
    end += tokens.size() + 1;
    requests.push_back({id, std::move(tokens), true});
  }
  bool remove(HistoryEntryId id) {
    auto const found = std::ranges::find(requests, id, &Request::id);
    return found != requests.end() && std::exchange(found->held, false);
  }
  [[nodiscard]] std::size_t used() const {
    std::size_t used = 0;
    for (Request const& request : requests) used += request.tokens.size() + 1;
    return used;
  }

  void check(History const& history) const {
    REQUIRE(history.end() == end);
    REQUIRE(history.begin() == end - used());
    std::vector<Tokens> held;
    std::map<std::uint64_t, std::map<Token, std::uint32_t>> followed;
    std::map<std::uint64_t, std::vector<std::size_t>> occurrences;
    std::size_t position = end - used();
    if (position > 0) REQUIRE(history.token(position - 1) == -1);
    for (Request const& request : requests) {
      for (std::size_t i = 0; i < request.tokens.size(); ++i) {
        Token const token = request.tokens[i];
        REQUIRE(history.token(position + i) == (request.held ? token : -1));
        if (!request.held || token < 0) continue;
        ContextHashes const contexts = hashes(request.tokens, i);
        for (std::uint64_t const hash : remembered(contexts)) ++followed[hash][token];
        if (contexts.three != 0) occurrences[contexts.three].push_back(position + i);
      }
      position += request.tokens.size();
      REQUIRE(history.token(position++) == -1);
      if (request.held) held.push_back(request.tokens);
    }
    REQUIRE(history.token(position) == -1);
    REQUIRE(::requests(history) == held);
    for (auto const& [hash, tokens] : followed) {
      SuccessorCounts const successors = history.find(hash);
      for (std::size_t i = 0; i < successors.size(); ++i) {
        REQUIRE(tokens.contains(successors.token(i)));
        REQUIRE(successors.count(i) <= tokens.at(successors.token(i)));
      }
    }
    for (auto const& [key, positions] : occurrences) {
      std::set<std::size_t> found;
      for (std::size_t at = history.newest(key); at != 0; at = history.previous(at)) {
        REQUIRE(at > history.begin());
        REQUIRE(at < history.end());
        REQUIRE(found.insert(at).second);
      }
      for (std::size_t const expected : positions) REQUIRE(found.contains(expected));
    }
  }
};

constexpr std::size_t small = 8192;

}  // namespace

TEST_CASE("too few bytes are refused, with the least that is enough") {
  CHECK_THROWS_WITH_AS(History(0), doctest::Contains("a history of 0 bytes"), copyspec::Error);
  CHECK_THROWS_WITH_AS(History(History::min_bytes() - 1),
                       doctest::Contains(std::to_string(History::min_bytes()).c_str()), copyspec::Error);
  History const least(History::min_bytes());
  CHECK(least.capacity() == 64);
  CHECK(least.memory_bytes() <= History::min_bytes());
}

TEST_CASE("memory stays below the bytes given and uses nearly all of them") {
  for (std::size_t bytes = History::min_bytes(); bytes < 10'000'000; bytes += bytes / 3 + 1) {
    CAPTURE(bytes);
    History const history(bytes);
    CHECK(history.memory_bytes() <= bytes);
    CHECK(history.memory_bytes() > bytes - 128);
    CHECK(history.capacity() * 66 + 2048 > bytes);
    CHECK(history.counters().bytes == history.memory_bytes());
  }
}

TEST_CASE("an empty history answers everything") {
  History const history(small);
  CHECK(history.begin() == 0);
  CHECK(history.end() == 0);
  CHECK(history.token(0) == -1);
  CHECK(history.token(~std::size_t{0}) == -1);
  CHECK(history.find(1).size() == 0);
  CHECK(history.newest(1) == 0);
  CHECK(history.previous(0) == 0);
  CHECK(history.previous(99) == 0);
  CHECK(requests(history).empty());
}

TEST_CASE("what one request said is found by another") {
  History history(small);
  Tokens const said = {5, 6, 7, 8, 9, 5, 6, 7, 3};
  history.append(said);
  ContextHashes const asked = hashes(said, 3);
  std::size_t const newest = history.newest(asked.three);
  CHECK(history.token(newest) == 3);
  CHECK(history.token(history.previous(newest)) == 8);
  CHECK(history.previous(history.previous(newest)) == 0);
  SuccessorCounts const successors = history.find(asked.three);
  CHECK(successors.size() == 2);
  CHECK(successors.token(0) == 3);
  CHECK(history.find(asked.values[1]).total() == 2);
  CHECK(history.find(asked.values[0]).token(1) == 8);
}

TEST_CASE("no context and no match crosses from one request to the next") {
  History history(small);
  history.append(Tokens{1, 2, 3});
  history.append(Tokens{4, 5, 6});
  Tokens const joined = {1, 2, 3, 4, 5, 6};
  for (std::size_t const length : {3U, 4U, 5U}) {
    ContextHashes const contexts = hashes(joined, length);
    CHECK(history.newest(contexts.three) == 0);
    CHECK(history.find(contexts.three).size() == 0);
  }
  CHECK(history.find(hashes(joined, 3).values[0]).size() == 0);
  CHECK(history.token(3) == -1);
}

TEST_CASE("any order of appending, removing and clearing agrees with a list") {
  Random random(1);
  for (int round = 0; round < 12; ++round) {
    CAPTURE(round);
    History history(History::min_bytes() + static_cast<std::size_t>(round) * 500);
    Model model{.capacity = history.capacity(), .max_requests = history.capacity() / 32};
    std::vector<HistoryEntryId> ids;
    std::size_t const longest = std::array{3U, 20U, 200U}[static_cast<std::size_t>(round) % 3];
    std::size_t const vocabulary = round % 2 == 0 ? 3 : 1000;
    for (int step = 0; step < 150; ++step) {
      std::size_t const action = below(random, 20);
      if (action == 0) {
        history.clear();
        model.requests.clear();
      } else if (action < 5 && !ids.empty()) {
        HistoryEntryId const id = ids[ids.size() - 1 - below(random, std::min<std::size_t>(ids.size(), 6))];
        REQUIRE(history.remove(id) == model.remove(id));
      } else {
        Tokens tokens = any_tokens(random, below(random, longest), vocabulary);
        if (action == 6 && !tokens.empty()) tokens[below(random, tokens.size())] = -1 - Token(below(random, 3));
        ids.push_back(history.append(tokens));
        model.append(ids.back(), tokens);
      }
      model.check(history);
    }
  }
}

TEST_CASE("the oldest request goes first, and whole") {
  History history(History::min_bytes());
  REQUIRE(history.capacity() == 64);
  HistoryEntryId const first = history.append(Tokens(30, 1));
  HistoryEntryId const second = history.append(Tokens(30, 2));
  CHECK(requests(history) == Requests{Tokens(30, 1), Tokens(30, 2)});
  HistoryEntryId const third = history.append(Tokens{3});
  CHECK(requests(history) == Requests{Tokens(30, 2), Tokens{3}});
  CHECK_FALSE(history.remove(first));
  CHECK(history.remove(second));
  CHECK_FALSE(history.remove(second));
  CHECK(requests(history) == Requests{Tokens{3}});
  CHECK(history.remove(third));
  CHECK_FALSE(history.remove(HistoryEntryId{77}));
}

TEST_CASE("of a request that is too long the last part is kept") {
  History history(History::min_bytes());
  history.append(Tokens{1});
  Tokens tokens(1000);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<Token>(i);
  history.append(tokens);
  CHECK(requests(history) == Requests{Tokens(tokens.end() - 63, tokens.end())});
  history.append({});
  CHECK(requests(history) == Requests{Tokens{}});
}

TEST_CASE("what was evicted, removed or cleared leaves no token in any answer") {
  Random random(2);
  for (int way = 0; way < 3; ++way) {
    CAPTURE(way);
    History history(20000);
    // Secrets stand in the contexts of what stays, and the other way round.
    std::vector<Tokens> asked;
    std::vector<HistoryEntryId> secrets;
    for (std::size_t i = 0; i < 20; ++i) {
      Tokens tokens = any_tokens(random, 15, 4);
      for (std::size_t k = i % 4; k < tokens.size(); k += 4) tokens[k] = 900 + static_cast<Token>(below(random, 4));
      asked.push_back(tokens);
      if (way == 1) history.append(any_tokens(random, 12, 4));
      secrets.push_back(history.append(tokens));
    }
    REQUIRE(*tokens_seen(history, asked).rbegin() >= 900);
    if (way == 0) {
      while (history.begin() < 20 * 16) history.append(any_tokens(random, 15, 4));
    } else if (way == 1) {
      std::ranges::shuffle(secrets, random);
      for (HistoryEntryId const id : secrets) history.remove(id);
    } else {
      history.clear();
    }
    std::set<Token> const seen = tokens_seen(history, asked);
    CHECK(std::ranges::all_of(seen, [](Token token) { return token < 4; }));
    CHECK(seen.empty() == (way == 2));
  }
}

TEST_CASE("tokens that statistics cannot hold are found as matches only") {
  History history(small);
  Token const large = SuccessorCounts::max_token + 1;
  Tokens const said = {1, 2, 3, large, 2, 3};
  HistoryEntryId const id = history.append(said);
  CHECK(history.find(hashes(said, 3).three).size() == 0);
  CHECK(history.token(history.newest(hashes(said, 3).three)) == large);
  history.remove(id);
  CHECK(tokens_seen(history, {said}).empty());
}

TEST_CASE("two histories never mix") {
  Random random(3);
  History one(30000);
  History other(30000);
  std::vector<Tokens> asked;
  for (int i = 0; i < 200; ++i) {
    asked.push_back(any_tokens(random, below(random, 50), 50, 100));
    one.append(asked.back());
    asked.push_back(any_tokens(random, below(random, 50), 50, 200));
    other.append(asked.back());
  }
  std::set<Token> const in_one = tokens_seen(one, asked);
  std::set<Token> const in_other = tokens_seen(other, asked);
  CHECK(in_one.size() > 40);
  CHECK(*in_one.rbegin() < 200);
  CHECK(in_other.size() > 40);
  CHECK(*in_other.begin() >= 200);
}

TEST_CASE("filled ten times over, nothing is allocated and memory is what it was") {
  Random random(4);
  History history(100000);
  std::size_t const bytes = history.memory_bytes();
  Tokens const tokens = any_tokens(random, 20 * history.capacity(), 300);
  std::size_t const before = allocations();
  std::size_t found = 0;
  for (std::size_t at = 0; at + 700 < 10 * history.capacity();) {
    std::size_t const count = below(random, 700);
    HistoryEntryId const id = history.append(std::span(tokens).subspan(at, count));
    at += count;
    if (at % 5 == 0) history.remove(id);
    ContextHashes const contexts(at, [&](std::size_t i) { return tokens[i]; });
    found += history.find(contexts.values[0]).size();
    for (std::size_t p = history.newest(contexts.three); p != 0; p = history.previous(p))
      if (history.token(p) >= 0) ++found;
  }
  history.clear();
  CHECK(allocations() == before);
  CHECK(history.memory_bytes() == bytes);
  CHECK(found > 100);
}

TEST_CASE("the counters add up") {
  History history(History::min_bytes());
  HistoryCounters counters = history.counters();
  CHECK(counters.requests_appended == 0);
  CHECK(counters.tokens_held == 0);
  HistoryEntryId const removed = history.append(Tokens(10, 1));
  history.append(Tokens(20, 2));
  history.remove(removed);
  history.append(Tokens(50, 3));
  counters = history.counters();
  CHECK(counters.requests_appended == 3);
  CHECK(counters.requests_evicted == 1);
  CHECK(counters.requests_removed == 1);
  CHECK(counters.requests_held == 1);
  CHECK(counters.tokens_appended == 80);
  CHECK(counters.tokens_evicted == 20);
  CHECK(counters.tokens_removed == 10);
  CHECK(counters.tokens_held == 50);
  history.clear();
  counters = history.counters();
  CHECK(counters.requests_removed == 2);
  CHECK(counters.requests_held == 0);
  CHECK(counters.tokens_held == 0);
}

TEST_CASE("a reader gets the token of the position or none, and none of what it was told is evicted") {
  // Request n takes 31 positions and says n everywhere.
  History history(History::min_bytes());
  std::atomic<Token> gone = 0;
  std::atomic<std::size_t> wrong = 0;
  std::atomic<std::size_t> seen = 0;
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (std::uint64_t reader = 0; reader < 2; ++reader)
    readers.emplace_back([&, reader] {
      Random random(reader);
      while (!done) {
        Token const oldest = gone.load(std::memory_order_acquire);
        std::size_t const position = history.end() - 1 - below(random, 80);
        Token const token = history.token(position);
        if (token == -1) continue;
        if (token <= oldest || token != static_cast<Token>(position / 31) + 1) ++wrong;
        ++seen;
      }
    });
  for (Token request = 1; request <= 30000; ++request) {
    history.append(Tokens(30, request));
    if (request > 2) gone.store(request - 2, std::memory_order_release);
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
  CHECK(seen > 0);
}
