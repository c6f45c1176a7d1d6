// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/context_hashes.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <vector>

using copyspec::Token;
using copyspec::detail::ContextHashes;

namespace {

using Tokens = std::vector<Token>;
using Random = std::mt19937_64;

constexpr Token greatest = std::numeric_limits<Token>::max();

std::size_t below(Random& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

ContextHashes hashes(Tokens const& tokens) {
  return {tokens.size(), [&](std::size_t position) { return tokens.at(position); }};
}

using Values = std::array<std::uint64_t, ContextHashes::count>;

constexpr Values golden(std::array<Token, 3> const& tokens) {
  return ContextHashes(tokens.size(), [&](std::size_t position) { return tokens[position]; }).values;
}

}  // namespace

// Another hash would draft other tokens wherever contexts meet in a bucket, so it is not changed unnoticed.
static_assert(golden({1, 2, 3}) ==
              Values{0xd1b562d513aa6563, 0x26b8dbb389dab0fb, 0x9af8891019812ae2, 0x07708f8c1b485c2f});
static_assert(golden({151643, 198, greatest}) ==
              Values{0x753ba0d322f32e6f, 0xa9f6bfa51991d291, 0x2afe236772ac2618, 0xc9f7e64393812ca3});
static_assert(golden({0, 0, 0}) ==
              Values{0x53f3f01082830c5d, 0xd26a2c001ee5447f, 0xce4d956c4786697e, 0xc4e5d1d08001bc71});

TEST_CASE("the contexts are the newest token, the newest two, and one further back without those behind it") {
  Tokens const tokens = {4, 5, 6};
  Values const all = hashes(tokens).values;
  auto const changed = [&](Token first, Token second, Token third) {
    Values const values = hashes({first, second, third}).values;
    std::array<bool, ContextHashes::count> differs{};
    for (std::size_t i = 0; i < differs.size(); ++i) differs[i] = values[i] != all[i];
    return differs;
  };
  using Changed = std::array<bool, ContextHashes::count>;
  CHECK(changed(4, 5, 6) == Changed{false, false, false, false});
  CHECK(changed(4, 5, 9) == Changed{true, true, false, false});
  CHECK(changed(4, 9, 6) == Changed{false, true, true, false});
  CHECK(changed(9, 5, 6) == Changed{false, false, false, true});
}

TEST_CASE("what is further back is no part of a context, and is not read") {
  Random random(2);
  for (int i = 0; i < 200; ++i) {
    Tokens tokens(3 + below(random, 50));
    for (Token& token : tokens) token = static_cast<Token>(below(random, 1000));
    std::set<std::size_t> read;
    ContextHashes const contexts(tokens.size(), [&](std::size_t position) {
      read.insert(position);
      return tokens.at(position);
    });
    CHECK(read.size() == 3);
    CHECK(*read.begin() == tokens.size() - 3);
    CHECK(contexts.values == hashes({tokens.end() - 3, tokens.end()}).values);
    CHECK(contexts.newest == tokens.back());
  }
}

TEST_CASE("contexts of several kinds differ, of the same tokens too") {
  std::set<std::uint64_t> values;
  std::size_t count = 0;
  for (Token a = 0; a < 60; ++a) {
    // One token in all places: four contexts of it.
    for (std::uint64_t const value : hashes({a, a, a}).values) values.insert(value);
    count += 4;
    for (Token b = 0; b < 60; ++b) {
      if (a == b) continue;
      values.insert(hashes({0, a, b}).values[1]);
      ++count;
    }
  }
  CHECK(values.size() == count);
}

TEST_CASE("at the beginning of a sequence the contexts are those that are there") {
  auto const present = [](Tokens const& tokens) {
    std::array<bool, ContextHashes::count> there{};
    for (std::size_t i = 0; i < there.size(); ++i) there[i] = hashes(tokens).values[i] != 0;
    return there;
  };
  using Present = std::array<bool, ContextHashes::count>;
  CHECK(present({}) == Present{false, false, false, false});
  CHECK(present({0}) == Present{true, false, false, false});
  CHECK(present({0, 0}) == Present{true, true, true, false});
  CHECK(present({0, 0, 0}) == Present{true, true, true, true});
  CHECK(hashes({}).newest == 0);
  // The first tokens are contexts like any.
  CHECK(hashes({7}).values[0] == hashes({1, 2, 7}).values[0]);
  CHECK(hashes({7, 8}).values[2] == hashes({1, 7, 8}).values[2]);
}

TEST_CASE("a context that covers a negative token is not there") {
  Token const least = std::numeric_limits<Token>::min();
  for (Token const placeholder : {Token{-1}, Token{-2}, least}) {
    Values const all = hashes({1, 2, 3}).values;
    CHECK(hashes({1, 2, placeholder}).values == Values{0, 0, all[2], all[3]});
    CHECK(hashes({1, placeholder, 3}).values == Values{all[0], 0, 0, all[3]});
    CHECK(hashes({placeholder, 2, 3}).values == Values{all[0], all[1], all[2], 0});
    CHECK(hashes({1, 2, placeholder}).newest == 0);
  }
}

TEST_CASE("the newest three tokens are a context of their own, in their order, if all are there") {
  CHECK(hashes({4, 5, 6}).three != 0);
  CHECK(hashes({9, 4, 5, 6}).three == hashes({4, 5, 6}).three);
  std::set<std::uint64_t> values;
  std::size_t count = 0;
  for (Token a = 0; a < 30; ++a)
    for (Token b = 0; b < 30; ++b)
      for (Token c = 0; c < 30; ++c, ++count) values.insert(hashes({a, b, c}).three);
  CHECK(values.size() == count);
  CHECK(hashes({5, 6}).three == 0);
  CHECK(hashes({-1, 5, 6}).three == 0);
  CHECK(hashes({4, -1, 6}).three == 0);
  CHECK(hashes({4, 5, -1}).three == 0);
}
