// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>

#include <cstddef>

#include "copying_text.hpp"

namespace copyspec_test {

using copyspec::Token;

// So many tokens of a period, again and again.
inline Tokens repeated(Tokens const& period, std::size_t count) {
  Tokens tokens;
  for (std::size_t i = 0; i < count; ++i) tokens.push_back(period[i % period.size()]);
  return tokens;
}

// Tokens that repeat nothing but by chance.
inline Tokens any_tokens(Random& random, std::size_t count, std::size_t vocabulary) {
  Tokens tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(below(random, vocabulary));
  return tokens;
}

// Text that copies what it said before, with edits.
inline Tokens copying(Random& random, std::size_t count, std::size_t vocabulary, std::size_t edit_every = 20) {
  Tokens tokens;
  while (tokens.size() < count) {
    if (tokens.size() < 8 || below(random, 4) == 0) {
      tokens = tokens + any_tokens(random, 1 + below(random, 12), vocabulary);
      continue;
    }
    std::size_t const from = below(random, tokens.size());
    for (std::size_t i = from; i < from + 60 && i < tokens.size(); ++i)
      tokens.push_back(below(random, edit_every) == 0 ? static_cast<Token>(below(random, vocabulary)) : tokens[i]);
  }
  tokens.resize(count);
  return tokens;
}

}  // namespace copyspec_test
