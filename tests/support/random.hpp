// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>

#include "tokens.hpp"

namespace copyspec_test {

using copyspec::Token;

// Draws with one generator, the same ones with every standard library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(engine_() % limit); }
  std::size_t between(std::size_t first, std::size_t last) { return first + below(last - first + 1); }
  bool one_in(std::size_t count) { return below(count) == 0; }
  template <class T>
  T any_of(std::initializer_list<T> values) {
    return values.begin()[below(values.size())];
  }

 private:
  std::mt19937_64 engine_;
};

inline Tokens any_tokens(Random& random, std::size_t vocabulary, std::size_t length) {
  Tokens tokens(length);
  for (Token& token : tokens) token = static_cast<Token>(random.below(vocabulary));
  return tokens;
}

}  // namespace copyspec_test
