// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace copyspec_test {

using copyspec::SequenceId;
using copyspec::Token;

using Tokens = std::vector<Token>;

// The id with this number.
inline SequenceId id(std::size_t number) {
  return SequenceId{static_cast<std::int32_t>(number)};
}

inline Tokens copy(std::span<Token const> tokens) {
  return {tokens.begin(), tokens.end()};
}

// The tokens in words, so that a test that fails shows them.
inline std::string text(std::span<Token const> tokens) {
  std::string text;
  for (Token const token : tokens) text += (text.empty() ? "" : " ") + std::to_string(token);
  return text;
}

}  // namespace copyspec_test
