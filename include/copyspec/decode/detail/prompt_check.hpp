// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

#include "../../core/error.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../engine_limits.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Whether `token` is in a vocabulary of `size` tokens.
[[nodiscard]] constexpr bool in_vocabulary(Token token, std::size_t size) noexcept {
  return token >= 0 && static_cast<std::size_t>(token) < size;
}

/// Number of `tokens` before the first that is outside a vocabulary of `size` tokens.
[[nodiscard]] inline std::size_t known_prefix(std::span<Token const> tokens, std::size_t size) noexcept {
  auto const unknown = std::ranges::find_if_not(tokens, [size](Token token) { return in_vocabulary(token, size); });
  return static_cast<std::size_t>(unknown - tokens.begin());
}

/// Throws `Error` unless an engine of these limits can answer `prompt` after a context of `length` tokens. The message
/// says what is wrong and where. O(prompt).
inline void check_prompt(std::span<Token const> prompt, std::size_t length, EngineLimits const& limits) {
  std::size_t const limit = limits.context_limit;
  if (length + prompt.size() == 0)
    raise_error(ErrorCode::empty_prompt, "the prompt is empty: there is nothing to continue");
  if (length + prompt.size() >= limit)
    raise_error(ErrorCode::prompt_too_long, "the prompt of " + std::to_string(prompt.size()) +
                                                " tokens does not fit: the context limit is " + std::to_string(limit) +
                                                " tokens, " + std::to_string(length) +
                                                " are taken by earlier turns, and an answer needs at least one");
  auto const unknown = std::ranges::find_if_not(prompt, [&](Token token) {
    return in_vocabulary(token, limits.vocabulary_size) || (token < 0 && limits.placeholders);
  });
  auto const known = static_cast<std::size_t>(unknown - prompt.begin());
  if (known < prompt.size())
    raise_error(ErrorCode::unknown_token, "token " + std::to_string(known) + " of the prompt is " +
                                              std::to_string(prompt[known]) + ", outside the vocabulary of " +
                                              std::to_string(limits.vocabulary_size));
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
