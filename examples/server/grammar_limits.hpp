// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "api_error.hpp"
#include "grammar_shape.hpp"

namespace copyspec_server {

/// Throws `ApiError` if a grammar in GBNF is so large or so deeply nested that llama.cpp, which reads grammars by
/// recursion, could run out of stack; or if it is one that llama.cpp cannot bear (`GrammarShape`).
inline void require_grammar_limits(std::string_view grammar) {
  constexpr std::size_t most_bytes = std::size_t{1} << 20;
  constexpr std::size_t most_depth = 128;
  constexpr std::ptrdiff_t most_rules = 4096;
  if (grammar.size() > most_bytes) throw ApiError::bad_request("the grammar is too long");
  std::size_t depth = 0, deepest = 0;
  char quote = 0;  // what ends the literal or the class that this is in
  for (std::size_t i = 0; i < grammar.size(); ++i) {
    char const byte = grammar[i];
    if (quote != 0 && byte == '\\') {
      ++i;
    } else if (quote != 0) {
      if (byte == quote) quote = 0;
    } else if (byte == '"') {
      quote = '"';
    } else if (byte == '[') {
      quote = ']';
    } else if (byte == '#') {
      i = std::min(grammar.find('\n', i), grammar.size());
    } else if (byte == '(') {
      deepest = std::max(deepest, ++depth);
    } else if (byte == ')' && depth > 0) {
      --depth;
    }
  }
  std::ptrdiff_t rules = 0;
  for (std::size_t at = grammar.find("::="); at != std::string_view::npos; at = grammar.find("::=", at + 3)) ++rules;
  if (deepest > most_depth || rules > most_rules)
    throw ApiError::bad_request("the grammar is nested too deeply, or has too many rules");
  GrammarShape::require_readable(grammar);
}

}  // namespace copyspec_server
