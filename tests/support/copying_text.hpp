// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>

#include <cstddef>
#include <random>
#include <vector>

using Random = std::mt19937;
using Tokens = std::vector<copyspec::Token>;

inline std::size_t below(Random& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

inline Tokens counting(copyspec::Token first, std::size_t count) {
  Tokens tokens(count);
  for (std::size_t i = 0; i < count; ++i) tokens[i] = first + static_cast<copyspec::Token>(i);
  return tokens;
}

inline Tokens operator+(Tokens tokens, Tokens const& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
  return tokens;
}

// Text that copies what it said before, with edits; of `said` as well, which comes before it.
inline Tokens copying_text(Random& random, std::size_t count, std::size_t vocabulary, Tokens const& said = {}) {
  Tokens tokens = said;
  while (tokens.size() < said.size() + count) {
    std::size_t const from = tokens.size() < 8 ? 0 : below(random, tokens.size());
    std::size_t const length = tokens.size() < 8 || below(random, 4) == 0 ? 0 : 40;
    for (std::size_t i = from; i < from + length && i < tokens.size(); ++i)
      tokens.push_back(below(random, 20) == 0 ? static_cast<copyspec::Token>(below(random, vocabulary)) : tokens[i]);
    for (std::size_t i = 1 + below(random, 8); i > 0; --i)
      tokens.push_back(static_cast<copyspec::Token>(below(random, vocabulary)));
  }
  return {tokens.begin() + static_cast<std::ptrdiff_t>(said.size()),
          tokens.begin() + static_cast<std::ptrdiff_t>(said.size() + count)};
}
