// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

#include "../../core/error.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../model/engine.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Whether `model` knows `token`.
template <Engine M>
[[nodiscard]] bool in_vocabulary(Token token, M const& model) {
  return token >= 0 && static_cast<std::size_t>(token) < model.vocabulary_size();
}

/// How many of `tokens` come before the first that `model` does not know.
template <Engine M>
[[nodiscard]] std::size_t known_prefix(std::span<Token const> tokens, M const& model) {
  auto const unknown = std::ranges::find_if_not(tokens, [&](Token token) { return in_vocabulary(token, model); });
  return static_cast<std::size_t>(unknown - tokens.begin());
}

/// Throws `Error`, which says what is wrong and where, unless `model` can answer `prompt` behind a context of `length`
/// tokens. O(prompt).
template <Engine M>
void check_prompt(std::span<Token const> prompt, std::size_t length, M const& model) {
  std::size_t const limit = model.context_limit();
  if (length + prompt.size() == 0)
    raise_error(ErrorCode::empty_prompt, "the prompt is empty: there is nothing to continue");
  if (length + prompt.size() >= limit)
    raise_error(ErrorCode::prompt_too_long, "the prompt of " + std::to_string(prompt.size()) +
                                                " tokens does not fit: the context limit is " + std::to_string(limit) +
                                                " tokens, " + std::to_string(length) +
                                                " are taken by earlier turns, and an answer needs at least one");
  std::size_t const known = known_prefix(prompt, model);
  if (known < prompt.size())
    raise_error(ErrorCode::unknown_token, "token " + std::to_string(known) + " of the prompt is " +
                                              std::to_string(prompt[known]) + ", outside the vocabulary of " +
                                              std::to_string(model.vocabulary_size()));
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
