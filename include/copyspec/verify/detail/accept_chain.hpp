// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../model/logits.hpp"
#include "../verifier.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The token that a row gives; unless `status` is `ok`, why it gives none.
struct RowToken {
  Token token = 0;
  VerdictStatus status = VerdictStatus::ok;

  /// The token that a verifier without rules finds: without one, the row is invalid.
  [[nodiscard]] static RowToken of(std::optional<Token> token) noexcept {
    return token ? RowToken{.token = *token} : RowToken{.status = VerdictStatus::invalid_row};
  }
};

/// The walk along a chain that all verifiers share: accepts the draft as long as each token is the one that its row
/// gives.
///
/// `tokens` is the context, its first `length` tokens, directly followed by the draft. `rows` has one row more than the
/// draft has tokens. `token_of(row, before)` returns the `RowToken` of a row after the tokens `before`. Rows after the
/// first mismatch are not read. O(accepted) calls. No allocation. What `token_of` throws passes through.
template <class Scalar, class TokenOf>
[[nodiscard]] Verdict accept_chain(LogitsView<Scalar> rows, std::span<Token const> tokens, std::size_t length,
                                   TokenOf&& token_of) {
  std::span<Token const> const draft = tokens.subspan(length);
  COPYSPEC_ASSERT(rows.rows() == draft.size() + 1, "a row after the context and one after each draft token");
  for (std::size_t accepted = 0;; ++accepted) {
    RowToken const drawn = token_of(rows.row(accepted), tokens.first(length + accepted));
    if (drawn.status != VerdictStatus::ok || accepted == draft.size() || draft[accepted] != drawn.token)
      return {.accepted = accepted, .next = drawn.token, .status = drawn.status};
  }
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
