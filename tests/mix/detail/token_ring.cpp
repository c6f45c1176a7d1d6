// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/token_ring.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <map>
#include <thread>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"

using copyspec::Token;
using copyspec::detail::TokenRing;

TEST_CASE("a new ring holds no token anywhere") {
  TokenRing const ring(16);
  CHECK(ring.capacity() == 16);
  CHECK(ring.memory_bytes() == 64);
  CHECK(ring.begin() == 0);
  CHECK(ring.end() == 0);
  for (std::size_t position = 0; position < 100; ++position) {
    CHECK(ring.token(position) == -1);
    CHECK(ring.stored(position) == -1);
  }
}

TEST_CASE("any order of appending, overwriting and evicting agrees with a map") {
  Random random(1);
  for (int round = 0; round < 100; ++round) {
    TokenRing ring(std::size_t{1} << below(random, 7));
    std::map<std::size_t, Token> plain;
    for (int step = 0; step < 300; ++step) {
      std::size_t const what = below(random, 10);
      std::size_t const begin = ring.begin();
      if (what < 6 && ring.end() - begin < ring.capacity()) {
        auto const token = static_cast<Token>(below(random, 1000));
        plain[ring.end()] = token;
        ring.store(ring.end(), token);
        CHECK(ring.token(ring.end()) == -1);
        ring.set_end(ring.end() + 1);
      } else if (what < 8 && ring.end() > begin) {
        std::size_t const position = begin + below(random, ring.end() - begin);
        plain[position] = -1;
        ring.store(position, -1);
      } else {
        ring.set_begin(begin + below(random, ring.end() - begin + 1));
        plain.erase(plain.begin(), plain.lower_bound(ring.begin()));
      }
      for (std::size_t position = begin - std::min<std::size_t>(begin, 100); position < ring.end() + 100; ++position) {
        auto const found = plain.find(position);
        REQUIRE(ring.token(position) == (found == plain.end() ? -1 : found->second));
        if (found != plain.end()) REQUIRE(ring.stored(position) == found->second);
      }
    }
  }
}

TEST_CASE("readers get the token of a position or none, while it is written over") {
  TokenRing ring(64);
  std::atomic<bool> done = false;
  std::atomic<std::size_t> wrong = 0;
  std::atomic<std::size_t> read = 0;
  auto const token_of = [](std::size_t position) { return static_cast<Token>(position * 7 % 1000003); };
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i)
    readers.emplace_back([&] {
      while (!done || read < 1000) {
        std::size_t const begin = ring.begin();
        for (std::size_t position = begin; position < begin + 64; ++position) {
          Token const token = ring.token(position);
          if (token < 0) continue;
          ++read;
          if (token != token_of(position)) ++wrong;
        }
      }
    });
  for (std::size_t position = 0; position < 200000; ++position) {
    if (position >= 64) ring.set_begin(position - 63);
    ring.store(position, token_of(position));
    ring.set_end(position + 1);
    if (position % 64 == 0) std::this_thread::yield();
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
  CHECK(read >= 1000);
}

TEST_CASE("a token ring allocates when it is made only") {
  TokenRing ring(64);
  std::size_t const before = allocations();
  for (std::size_t position = 0; position < 1000; ++position) {
    if (position >= 64) ring.set_begin(position - 63);
    ring.store(position, 5);
    ring.set_end(position + 1);
  }
  CHECK(ring.token(999) == 5);
  CHECK(allocations() == before);
}
