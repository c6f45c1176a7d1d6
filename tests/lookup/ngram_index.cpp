// SPDX-License-Identifier: MIT
#include <copyspec/lookup/ngram_index.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::NgramIndex;
using copyspec::Occurrences;
using copyspec::RollingHash;
using copyspec::Token;

namespace {

using Tokens = std::vector<Token>;
using Sizes = std::vector<std::size_t>;
using Random = std::mt19937;

std::size_t below(Random& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

// Hashes that tell little apart, for an index that must not trust any. With the first, every search begins at the last
// slot and goes around.
struct ConstantHash {
  explicit ConstantHash(std::size_t) {}
  static void clear() {}
  static void push(Token) {}
  static void slide(Token, Token) {}
  [[nodiscard]] static std::uint64_t value() { return ~std::uint64_t{0}; }
};

// Counts the tokens that it is told of.
struct CountingHash : RollingHash {
  using RollingHash::RollingHash;
  void push(Token incoming) {
    ++count;
    RollingHash::push(incoming);
  }
  void slide(Token outgoing, Token incoming) {
    ++count;
    RollingHash::slide(outgoing, incoming);
  }
  static inline std::size_t count = 0;
};

struct TwoBitHash : RollingHash {
  using RollingHash::RollingHash;
  [[nodiscard]] std::uint64_t value() const { return RollingHash::value() & ~std::uint64_t{0} << 62; }
};

struct LastTokenHash {
  explicit LastTokenHash(std::size_t) {}
  void clear() { last = 0; }
  void push(Token incoming) { last = incoming; }
  void slide(Token, Token incoming) { last = incoming; }
  [[nodiscard]] std::uint64_t value() const { return static_cast<std::uint64_t>(last) << 32; }
  Token last = 0;
};

// Holds the index to what a hash relies on: pushes up to `length` tokens, then slides that name the oldest one.
struct StrictHash : RollingHash {
  explicit StrictHash(std::size_t run_length) : RollingHash(run_length), length(run_length) {}
  void clear() {
    inside.clear();
    RollingHash::clear();
  }
  void push(Token incoming) {
    REQUIRE(inside.size() < length);
    inside.push_back(incoming);
    RollingHash::push(incoming);
  }
  void slide(Token outgoing, Token incoming) {
    REQUIRE(inside.size() == length);
    REQUIRE(inside.front() == outgoing);
    inside.erase(inside.begin());
    inside.push_back(incoming);
    RollingHash::slide(outgoing, incoming);
  }
  [[nodiscard]] std::uint64_t value() const {
    REQUIRE(inside.size() == length);
    return RollingHash::value();
  }
  std::size_t length;
  Tokens inside;
};

// What `find` promises, by a scan of all the tokens.
std::optional<Occurrences> scan(std::span<Token const> tokens, std::size_t length) {
  if (tokens.size() < length) return std::nullopt;
  auto const newest = tokens.last(length);
  if (std::ranges::any_of(newest, [](Token token) { return token < 0; })) return std::nullopt;
  std::optional<Occurrences> found;
  for (std::size_t end = length; end < tokens.size(); ++end) {
    if (!std::ranges::equal(tokens.subspan(end - length, length), newest)) continue;
    if (!found) found = Occurrences{.oldest = end, .newest = end};
    found->newest = end;
  }
  return found;
}

bool same(std::optional<Occurrences> const& a, std::optional<Occurrences> const& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->oldest == b->oldest && a->newest == b->newest;
}

// What an index with a window promises, by scans of all the tokens.
struct WindowScan {
  std::size_t length;
  std::size_t window;
  Tokens tokens = {};
  std::size_t evicted = 0;

  void extended() {
    if (tokens.size() > window) evicted = std::max(evicted, tokens.size() - window);
  }
  void truncate(std::size_t size) {
    tokens.resize(size);
    evicted = std::min(evicted, size);
  }
  // The earlier occurrences of the newest n-gram that are held, the oldest first.
  [[nodiscard]] Sizes occurrences() const {
    Sizes ends;
    if (tokens.size() < length || tokens.size() == evicted) return ends;
    auto const newest = std::span(tokens).last(length);
    if (std::ranges::any_of(newest, [](Token token) { return token < 0; })) return ends;
    for (std::size_t end = std::max(length, evicted + 1); end < tokens.size(); ++end)
      if (std::ranges::equal(std::span(tokens).subspan(end - length, length), newest)) ends.push_back(end);
    return ends;
  }
};

// What `find` and `previous` tell of.
template <class Hash>
Sizes occurrences(NgramIndex<Hash> const& index) {
  auto const found = index.find();
  if (!found) return {};
  Sizes ends;
  for (std::size_t end = found->newest; end != 0; end = index.previous(end)) ends.insert(ends.begin(), end);
  REQUIRE(ends.front() == found->oldest);
  return ends;
}

struct RandomTokens {
  Random& random;
  Token vocabulary;
  std::size_t placeholder_every = 0;  // zero for none

  Token operator()() {
    if (placeholder_every > 0 && below(random, placeholder_every) == 0) return -1 - Token(below(random, 3));
    return static_cast<Token>(below(random, static_cast<std::size_t>(vocabulary)));
  }
};

// Tokens that repeat what came before now and then, over a vocabulary too large for it to happen otherwise.
void babble(Random& random, Tokens& tokens, std::size_t count) {
  std::size_t const end = tokens.size() + count;
  while (tokens.size() < end) {
    if (!tokens.empty() && below(random, 4) == 0) {
      std::size_t from = below(random, tokens.size());
      for (std::size_t left = 4 + below(random, 8); left > 0 && tokens.size() < end; --left)
        tokens.push_back(tokens[from++]);
    } else {
      tokens.push_back(static_cast<Token>(below(random, 150000)));
    }
  }
}

template <class Hash>
void check_stream(Tokens const& tokens, std::size_t length, Random& random) {
  NgramIndex<Hash> index(length);
  CHECK_FALSE(index.find());
  for (std::size_t end = 0; end < tokens.size();) {
    end = std::min(end + 1 + below(random, 7), tokens.size());
    // A copy each time: the tokens may move between calls.
    Tokens const context(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(end));
    index.extend(context);
    REQUIRE(index.size() == end);
    REQUIRE(same(index.find(), scan(context, length)));
  }
}

}  // namespace

// The streams below have at most 256 different n-grams where results are compared with a scan: so many are placed
// whatever the hash.
#define EVERY_HASH RollingHash, StrictHash, TwoBitHash, LastTokenHash, ConstantHash

TEST_CASE_TEMPLATE("the index finds what a scan finds in random tokens", Hash, EVERY_HASH) {
  Random random(1);
  for (std::size_t const length : Sizes{1, 2, 3, 5, 8}) {
    CAPTURE(length);
    for (Token const vocabulary : {2, 3, 6, 50, 150000}) {
      CAPTURE(vocabulary);
      for (std::size_t const placeholder_every : Sizes{0, 4, 20}) {
        CAPTURE(placeholder_every);
        Tokens tokens(250);
        std::ranges::generate(tokens, RandomTokens{random, vocabulary, placeholder_every});
        check_stream<Hash>(tokens, length, random);
      }
    }
  }
}

TEST_CASE_TEMPLATE("the index finds what a scan finds in constant and periodic tokens", Hash, EVERY_HASH) {
  Random random(2);
  for (std::size_t const length : Sizes{1, 2, 3, 7}) {
    CAPTURE(length);
    for (std::size_t period = 1; period <= 12; ++period) {
      CAPTURE(period);
      Tokens tokens;
      for (std::size_t i = 0; i < 120; ++i) tokens.push_back(static_cast<Token>(i % period));
      check_stream<Hash>(tokens, length, random);
      tokens[60] = -1;
      check_stream<Hash>(tokens, length, random);
    }
  }
}

TEST_CASE("the index tells runs apart that have one hash value") {
  // A Thue-Morse word and its complement, the smallest runs that the hash is known to confuse.
  std::size_t const length = 1024;
  Tokens word = {0};
  while (word.size() < length) {
    for (std::size_t i = 0, half = word.size(); i < half; ++i) word.push_back(1 - word[i]);
  }
  Tokens tokens = word;
  for (Token const token : word) tokens.push_back(1 - token);
  RollingHash a(length);
  RollingHash b(length);
  for (std::size_t i = 0; i < length; ++i) {
    a.push(tokens[i]);
    b.push(tokens[length + i]);
  }
  REQUIRE(a.value() == b.value());

  NgramIndex index(length);
  index.extend(tokens);
  CHECK_FALSE(index.find());
  tokens.insert(tokens.end(), word.begin(), word.end());
  index.extend(tokens);
  CHECK(same(index.find(), Occurrences{.oldest = length, .newest = length}));
}

TEST_CASE_TEMPLATE("any order of appending, forgetting and reserving agrees with a scan", Hash, EVERY_HASH) {
  Random random(3);
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    std::size_t const length = 1 + below(random, 4);
    std::size_t const portion = 1 + below(random, 30);
    RandomTokens next{random, std::array{2, 4, 20, 150000}[below(random, 4)], std::array{0U, 0U, 6U}[below(random, 3)]};
    NgramIndex<Hash> index(length);
    Tokens tokens;
    for (int step = 0; step < 120; ++step) {
      switch (below(random, 8)) {
        case 0:
        case 1:
          tokens.resize(below(random, tokens.size() + 1));
          index.truncate(tokens.size());
          break;
        case 2:
          index.reserve(below(random, 400));
          break;
        default:
          for (std::size_t i = 1 + below(random, portion); i > 0 && tokens.size() < 250; --i) tokens.push_back(next());
          index.extend(tokens);
      }
      REQUIRE(index.size() == tokens.size());
      REQUIRE(same(index.find(), scan(tokens, length)));
    }
  }
}

TEST_CASE_TEMPLATE("forgotten tokens leave nothing behind", Hash, EVERY_HASH) {
  Random random(4);
  for (std::size_t const length : Sizes{1, 3}) {
    CAPTURE(length);
    // So many that a bad hash has no place for all: what is left out must be the same, too.
    NgramIndex<Hash> cut(length);
    NgramIndex<Hash> fresh(length);
    cut.reserve(3000);
    fresh.reserve(3000);
    Tokens tokens;
    std::size_t found = 0;
    for (int round = 0; round < 60; ++round) {
      Tokens with_more = tokens;
      babble(random, with_more, below(random, 500));
      cut.extend(with_more);
      cut.truncate(tokens.size());
      REQUIRE(same(cut.find(), fresh.find()));
      std::size_t const begin = tokens.size();
      babble(random, tokens, 1 + below(random, 40));
      for (std::size_t end = begin + 1; end <= tokens.size(); ++end) {
        cut.extend(std::span(tokens).first(end));
        fresh.extend(std::span(tokens).first(end));
        REQUIRE(same(cut.find(), fresh.find()));
        if (fresh.find()) ++found;
      }
    }
    CHECK(found > 50);
  }
}

TEST_CASE_TEMPLATE("with a window, any order of appending, forgetting and reserving agrees with a scan of it", Hash,
                   EVERY_HASH) {
  Random random(8);
  std::size_t found = 0;
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    std::size_t const length = 1 + below(random, 4);
    std::size_t const window = std::array<std::size_t, 8>{1, 2, length, length + 1, 7, 31, 100, 200}[below(random, 8)];
    std::size_t const portion = 1 + below(random, 30);
    CAPTURE(length);
    CAPTURE(window);
    RandomTokens next{random, std::array{1, 2, 4, 20, 150000}[below(random, 5)],
                      std::array{0U, 0U, 9U}[below(random, 3)]};
    NgramIndex<Hash> index(length, window);
    WindowScan scanned{.length = length, .window = window};
    for (int step = 0; step < 150; ++step) {
      std::size_t const size = scanned.tokens.size();
      switch (below(random, 8)) {
        case 0:
          scanned.truncate(size - below(random, std::min<std::size_t>(size, 5) + 1));
          break;
        case 1:
          scanned.truncate(below(random, size + 1));
          break;
        case 2:
          index.reserve(below(random, 400));
          break;
        default:
          for (std::size_t i = 1 + below(random, portion); i > 0; --i) scanned.tokens.push_back(next());
      }
      index.truncate(scanned.tokens.size());
      index.extend(scanned.tokens);
      scanned.extended();
      REQUIRE(index.size() == scanned.tokens.size());
      REQUIRE(occurrences(index) == scanned.occurrences());
      found += scanned.occurrences().size();
    }
  }
  CHECK(found > 20000);
}

TEST_CASE_TEMPLATE("with a window, constant and periodic tokens are found as in a scan of it", Hash, EVERY_HASH) {
  for (std::size_t const window : Sizes{1, 3, 4, 12, 13, 50}) {
    CAPTURE(window);
    for (std::size_t period = 1; period <= 12; ++period) {
      CAPTURE(period);
      NgramIndex<Hash> index(3, window);
      WindowScan scanned{.length = 3, .window = window};
      for (std::size_t i = 0; i < 200; ++i) {
        scanned.tokens.push_back(static_cast<Token>(i % period));
        scanned.extended();
        index.extend(scanned.tokens);
        REQUIRE(occurrences(index) == scanned.occurrences());
      }
    }
  }
}

TEST_CASE("a window slides over a long text, with cuts, and finds what it holds") {
  Random random(9);
  Tokens text;
  babble(random, text, 60000);
  for (std::size_t const window : Sizes{100, 1000, 10007}) {
    CAPTURE(window);
    for (bool const reserve : {false, true}) {
      NgramIndex index(3, window);
      if (reserve) index.reserve(window);
      std::map<std::array<Token, 3>, std::deque<std::size_t>> held;
      auto const ngram = [&](std::size_t end) { return std::array{text[end - 3], text[end - 2], text[end - 1]}; };
      std::size_t evicted = 0;
      std::size_t found = 0;
      for (std::size_t end = 1; end <= text.size(); ++end) {
        index.extend(std::span<Token const>(text).first(end));
        if (end - evicted > window && ++evicted >= 3) {
          auto const oldest = held.find(ngram(evicted));
          oldest->second.pop_front();
          if (oldest->second.empty()) held.erase(oldest);
        }
        if (end < 3) continue;
        auto& ends = held[ngram(end)];
        REQUIRE(occurrences(index) == Sizes(ends.begin(), ends.end()));
        found += ends.size();
        ends.push_back(end);
        if (end % 1000 != 0) continue;
        // Cut back, and go on with another token.
        for (std::size_t const cut = std::max(end - below(random, 300), evicted + 1); end > cut; --end) {
          auto const newest = held.find(ngram(end));
          newest->second.pop_back();
          if (newest->second.empty()) held.erase(newest);
        }
        index.truncate(end);
        if (end < text.size()) text[end] = static_cast<Token>(below(random, 150000));
      }
      CHECK(found > 1000);
    }
  }
}

TEST_CASE("what went out of the window does not come back by a truncate") {
  Tokens const tokens = {1, 2, 1, 2, 5, 6, 1, 2};
  NgramIndex index(2, 5);
  index.extend(tokens);
  CHECK(occurrences(index) == Sizes{4});
  // The window of the first six tokens would begin behind the first n-gram, but what ends at three is evicted too.
  index.truncate(6);
  index.extend(Tokens{1, 2, 1, 2, 5, 6, 2, 1});
  CHECK_FALSE(index.find());
  // Everything that is left was evicted: it goes on with nothing.
  index.truncate(3);
  CHECK(index.size() == 3);
  CHECK_FALSE(index.find());
  index.extend(Tokens{1, 2, 1, 2});
  CHECK_FALSE(index.find());
  index.extend(Tokens{1, 2, 1, 2, 1, 2});
  CHECK(occurrences(index) == Sizes{4});
}

TEST_CASE("a window as long as the text finds everything, and one of one token nothing") {
  Random random(10);
  Tokens tokens(3000);
  std::ranges::generate(tokens, RandomTokens{random, 6});
  NgramIndex all(3);
  NgramIndex wide(3, tokens.size());
  NgramIndex narrow(3, 1);
  for (std::size_t end = 1; end <= tokens.size(); ++end) {
    for (auto* const index : {&all, &wide, &narrow}) index->extend(std::span(tokens).first(end));
    REQUIRE(same(wide.find(), all.find()));
    REQUIRE_FALSE(narrow.find());
  }
}

TEST_CASE("of more new tokens than the window only the newest are read") {
  Random random(11);
  Tokens tokens;
  babble(random, tokens, 20000);
  NgramIndex<CountingHash> index(3, 100);
  CountingHash::count = 0;
  index.extend(tokens);
  CHECK(CountingHash::count == 100 + 3);
  tokens.resize(tokens.size() + 50000, 7);
  index.extend(tokens);
  CHECK(CountingHash::count == 2 * (100 + 3));
  CHECK(same(index.find(), Occurrences{.oldest = tokens.size() - 99, .newest = tokens.size() - 1}));
}

TEST_CASE("an index goes on where it is told to begin, and finds nothing that ends before") {
  for (std::size_t const window : Sizes{4, 100}) {
    CAPTURE(window);
    NgramIndex index(2, window);
    index.extend(Tokens{1, 2, 1, 2, 1, 2, 1});
    index.begin_at(3);
    CHECK(index.size() == 3);
    CHECK_FALSE(index.find());
    // The n-gram that ends behind the beginning reaches over it.
    index.extend(Tokens{1, 2, 1, 2, 9, 1, 2});
    CHECK(same(index.find(), Occurrences{.oldest = 4, .newest = 4}));
    index.begin_at(0);
    CHECK(index.size() == 0);
    index.extend(Tokens{1, 2, 1, 2});
    CHECK(same(index.find(), Occurrences{.oldest = 2, .newest = 2}));
  }
}

TEST_CASE("what lies before the beginning takes no memory") {
  Tokens const tokens(20010, 7);
  NgramIndex index(3, 1000);
  index.begin_at(20000);
  index.extend(tokens);
  CHECK(same(index.find(), Occurrences{.oldest = 20001, .newest = 20009}));
  CHECK(index.memory_bytes() <= 12 * 10 + 3 * 1024);
}

TEST_CASE("when all collide that are in the window nothing wrong is found, and once they left it everything again") {
  Random random(12);
  NgramIndex<LastTokenHash> index(2, 1000);
  Tokens tokens;
  std::size_t found = 0;
  for (int round = 0; round < 3; ++round) {
    // Many n-grams that end with one token, each said twice.
    for (int twice = 0; twice < 2; ++twice) {
      for (Token i = 0; i < 400; ++i) {
        tokens.insert(tokens.end(), {100 + i, 7});
        index.extend(tokens);
        if (!index.find()) continue;
        REQUIRE(same(index.find(), Occurrences{.oldest = tokens.size() - 800, .newest = tokens.size() - 800}));
        ++found;
      }
    }
    // Few of a kind, of which none may be missed once those that found no place have left, too.
    WindowScan scanned{.length = 2, .window = 1000, .tokens = tokens};
    for (int i = 0; i < 2200; ++i) {
      scanned.tokens.push_back(static_cast<Token>(below(random, 12)));
      scanned.extended();
      index.extend(scanned.tokens);
      if (i > 2000) REQUIRE(occurrences(index) == scanned.occurrences());
    }
    tokens = scanned.tokens;
  }
  CHECK(found > 200);
  CHECK(found < 3 * 400);
}

TEST_CASE("an index that grows finds what a reserved one finds") {
  Random random(5);
  for (Token const vocabulary : {20, 150000}) {
    CAPTURE(vocabulary);
    Tokens tokens(20000);
    std::ranges::generate(tokens, RandomTokens{random, vocabulary, 500});
    NgramIndex grown(3);
    NgramIndex reserved(3);
    reserved.reserve(tokens.size());
    std::map<std::array<Token, 3>, Occurrences> seen;
    for (std::size_t end = 1; end <= tokens.size(); ++end) {
      auto const context = std::span<Token const>(tokens).first(end);
      grown.extend(context);
      reserved.extend(context);
      std::optional<Occurrences> expected;
      if (end >= 3 && std::ranges::none_of(context.last(3), [](Token token) { return token < 0; })) {
        auto const [entry, is_new] =
            seen.try_emplace({context[end - 3], context[end - 2], context[end - 1]}, Occurrences{end, end});
        if (!is_new) expected = entry->second;
        entry->second.newest = end;
      }
      REQUIRE(same(grown.find(), expected));
      REQUIRE(same(reserved.find(), expected));
    }
  }
}

TEST_CASE("the positions are those that followed each occurrence") {
  Tokens const tokens = {1, 2, 3, 9, 1, 2, 3, 8, 1, 2, 3};
  NgramIndex index(3);
  index.extend(tokens);
  CHECK(same(index.find(), Occurrences{.oldest = 3, .newest = 7}));
}

TEST_CASE("a run at position 0 is found") {
  for (std::size_t length = 1; length <= 4; ++length) {
    CAPTURE(length);
    Tokens tokens;
    for (int twice = 0; twice < 2; ++twice) {
      for (std::size_t i = 0; i < length; ++i) tokens.push_back(static_cast<Token>(i));
    }
    NgramIndex index(length);
    index.extend(tokens);
    CHECK(same(index.find(), Occurrences{.oldest = length, .newest = length}));
  }
}

TEST_CASE("the newest n-gram is not its own match") {
  NgramIndex index(2);
  Tokens const once = {1, 2, 3};
  index.extend(once);
  CHECK_FALSE(index.find());
  index.extend(once);
  CHECK_FALSE(index.find());
  index.truncate(2);
  CHECK_FALSE(index.find());
  index.extend(once);
  CHECK_FALSE(index.find());
}

TEST_CASE("a run may overlap its earlier occurrence") {
  NgramIndex index(3);
  index.extend(Tokens{5, 5, 5, 5});
  CHECK(same(index.find(), Occurrences{.oldest = 3, .newest = 3}));
}

TEST_CASE("a context shorter than the run has no match") {
  NgramIndex index(3);
  CHECK_FALSE(index.find());
  index.extend({});
  CHECK_FALSE(index.find());
  index.extend(Tokens{5, 5});
  CHECK_FALSE(index.find());
}

TEST_CASE("n-grams across the boundary of two appends are found") {
  Tokens const tokens = {1, 2, 3, 4, 5, 6, 7, 8};
  for (std::size_t boundary = 1; boundary < tokens.size(); ++boundary) {
    CAPTURE(boundary);
    for (std::size_t end = 3; end <= tokens.size(); ++end) {
      NgramIndex index(3);
      index.extend(std::span(tokens).first(boundary));
      index.extend(tokens);
      Tokens asked = tokens;
      asked.insert(asked.end(), {90, 91});
      for (std::size_t i = end - 3; i < end; ++i) asked.push_back(tokens[i]);
      index.extend(asked);
      CHECK(same(index.find(), Occurrences{.oldest = end, .newest = end}));
    }
  }
}

TEST_CASE("nothing that covers a negative token is found") {
  NgramIndex index(2);
  index.extend(Tokens{1, -1, 2, 1, -1, 2, 1, -1});
  CHECK_FALSE(index.find());
  index.extend(Tokens{1, -1, 2, 1, -1, 2, 1, -1, 2});
  CHECK_FALSE(index.find());
  index.extend(Tokens{1, -1, 2, 1, -1, 2, 1, -1, 2, 1});
  CHECK(same(index.find(), Occurrences{.oldest = 4, .newest = 7}));
}

TEST_CASE("forgetting more than there is forgets nothing") {
  Tokens const tokens = {1, 2, 1, 2};
  NgramIndex index(2);
  index.extend(tokens);
  index.truncate(4);
  index.truncate(100);
  CHECK(index.size() == 4);
  CHECK(same(index.find(), Occurrences{.oldest = 2, .newest = 2}));
}

TEST_CASE("copies go on independently") {
  NgramIndex index(2);
  index.extend(Tokens{1, 2, 3});
  NgramIndex copy = index;
  copy.extend(Tokens{1, 2, 3, 1, 2});
  index.extend(Tokens{1, 2, 3, 2, 3});
  CHECK(same(copy.find(), Occurrences{.oldest = 2, .newest = 2}));
  CHECK(same(index.find(), Occurrences{.oldest = 3, .newest = 3}));
}

TEST_CASE("when everything collides, little is found but nothing wrong, at a bounded cost") {
  // Every n-gram looks at the same slots. If all were entered, every one would be found the second time; if the cost
  // were not bounded, more would be found in the longer stream.
  auto const found_again = [](std::size_t count, bool reserve) {
    Tokens tokens;
    for (int twice = 0; twice < 2; ++twice) {
      for (std::size_t i = 0; i < count; ++i) tokens.push_back(static_cast<Token>(i));
    }
    NgramIndex<ConstantHash> index(2);
    if (reserve) index.reserve(tokens.size());
    std::size_t found = 0;
    for (std::size_t end = 1; end <= tokens.size(); ++end) {
      index.extend(std::span(tokens).first(end));
      auto const occurrences = index.find();
      if (!occurrences) continue;
      ++found;
      REQUIRE(end > count);
      REQUIRE(occurrences->oldest == end - count);
      REQUIRE(occurrences->newest == end - count);
    }
    return found;
  };
  for (bool const reserve : {false, true}) {
    CAPTURE(reserve);
    std::size_t const found = found_again(5000, reserve);
    CHECK(found >= 100);
    CHECK(found < 1000);
    CHECK(found_again(8000, reserve) == found);
  }
}

TEST_CASE("an n-gram that has no place after the index grew is left out") {
  // 256 n-grams that end with `first` begin their search at one slot. That of `second` begins one slot later, and so
  // has one place more, but in the larger table at the same slot.
  Token const first = 4766889;
  Token const second = first + 1;
  Tokens tokens;
  for (Token i = 0; i < 256; ++i) tokens.insert(tokens.end(), {1300000000 + 3000000 * i, first});
  for (int twice = 0; twice < 2; ++twice) tokens.insert(tokens.end(), {2100000000, second});
  Occurrences const right{.oldest = tokens.size() - 2, .newest = tokens.size() - 2};
  NgramIndex<LastTokenHash> index(2);
  index.reserve(600);
  index.extend(tokens);
  CHECK(same(index.find(), right));
  index.reserve(1200);
  if (index.find()) CHECK(same(index.find(), right));
  tokens.insert(tokens.end(), {1300000000, first});
  index.extend(tokens);
  CHECK(same(index.find(), Occurrences{.oldest = 2, .newest = 2}));
  index.truncate(2);
  CHECK_FALSE(index.find());
}

TEST_CASE("the work of a step does not grow with the context: each token is hashed once, however many there are") {
  Random random(7);
  Tokens tokens;
  babble(random, tokens, 20000);
  NgramIndex<CountingHash> index(3);
  index.reserve(tokens.size());
  CountingHash::count = 0;
  for (std::size_t end = 1; end <= tokens.size(); ++end) {
    index.extend(std::span(tokens).first(end));
    REQUIRE(CountingHash::count == end);
  }
  // What was cut back is hashed again, and the run before it.
  index.truncate(19900);
  index.extend(tokens);
  CHECK(CountingHash::count == tokens.size() + 100 + 3);
}

TEST_CASE("memory is about 26 bytes a token reserved") {
  CHECK(NgramIndex(3).memory_bytes() == 0);
  for (std::size_t const tokens : Sizes{1, 10, 1000, 4097, 100000}) {
    CAPTURE(tokens);
    NgramIndex index(3);
    index.reserve(tokens);
    CHECK(index.memory_bytes() >= 26 * tokens);
    CHECK(index.memory_bytes() <= 26 * tokens + 16);
    std::size_t const reserved = index.memory_bytes();
    index.extend(Tokens(tokens, 7));
    index.truncate(0);
    index.reserve(tokens);
    CHECK(index.memory_bytes() == reserved);
  }
}

TEST_CASE("with a window memory is about 30 bytes a token of it, and stays so however much is appended") {
  Random random(13);
  for (std::size_t const window : Sizes{1, 3, 1000, 4097}) {
    CAPTURE(window);
    Tokens tokens;
    babble(random, tokens, 10 * window + 100);
    NgramIndex index(3, window);
    CHECK(index.memory_bytes() == 0);
    for (std::size_t end = 1; end <= 2 * window; ++end) index.extend(std::span(tokens).first(end));
    std::size_t const memory = index.memory_bytes();
    CHECK(memory >= 30 * window);
    CHECK(memory <= 30 * window + 3 * 1024 + 16);
    std::size_t const before = allocations();
    for (std::size_t end = 2 * window; end <= tokens.size(); ++end) {
      index.extend(std::span(tokens).first(end));
      if (end % 500 == 0) index.truncate(end - 30);
    }
    index.reserve(tokens.size());
    index.truncate(0);
    index.extend(tokens);
    CHECK(allocations() == before);
    CHECK(index.memory_bytes() == memory);

    // Less for a text that is shorter.
    NgramIndex part(3, window);
    part.reserve(window / 2);
    CHECK(part.memory_bytes() <= 15 * window + 3 * 1024 + 16);
  }
}

TEST_CASE("nothing is allocated up to what was reserved") {
  Random random(6);
  Tokens tokens;
  babble(random, tokens, 4000);
  std::size_t before = allocations();
  NgramIndex index(3);
  CHECK(allocations() == before);
  index.reserve(tokens.size());
  CHECK(allocations() > before);
  before = allocations();
  std::size_t found = 0;
  for (std::size_t end = 1; end <= tokens.size(); ++end) {
    index.extend(std::span(tokens).first(end));
    if (index.find()) ++found;
    if (end % 100 == 0) {
      index.truncate(end - 30);
      index.extend(std::span(tokens).first(end));
    }
  }
  index.truncate(0);
  index.extend(tokens);
  index.reserve(tokens.size());
  CHECK(allocations() == before);
  CHECK(found > 500);
}

TEST_CASE("a copy of a reserved index can be reserved, too") {
  Tokens const tokens(1000, 7);
  NgramIndex index(3);
  index.reserve(tokens.size());
  NgramIndex copy = index;
  copy.reserve(tokens.size());
  CHECK(copy.memory_bytes() == index.memory_bytes());
  std::size_t const before = allocations();
  copy.extend(tokens);
  CHECK(allocations() == before);
}
