// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/logits.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Whether a verdict has a next token.
enum class VerdictStatus : std::uint8_t {
  ok,
  invalid_row,   ///< The model's row after the accepted part gives no token: it holds a NaN, or nothing above minus
                 ///< infinity.
  all_excluded,  ///< The model's row is valid, but bias, hooks or suppressed stop tokens leave no token.
};

/// What a verifier decided about one draft.
struct Verdict {
  std::size_t accepted = 0;  ///< How many of the first draft tokens are accepted.
  Token next = 0;            ///< The token that the model adds after them; meaningless unless `status` is `ok`.
  VerdictStatus status = VerdictStatus::ok;
};

/// Decides how much of a draft the model would have generated itself, and which token comes next. The verifier *is* the
/// sampler: with an empty draft it does ordinary decoding, so there is one path from a row to a token.
///
/// `verify(rows, tokens, length)`: `tokens` is the context, its first `length` tokens, directly followed by the draft.
/// `rows` holds one row after the newest context token and one after each draft token (`rows.rows() == tokens.size() -
/// length + 1`). The tokens before the one that row `i` decides are `tokens.first(length + i)`.
///
/// Laws:
///  - *same token*: the token that a row gives depends on the row and the tokens before it, not on the draft. So the
///    tokens `draft[0 .. accepted), next` are those that verifying one row at a time would give.
///  - *prefix*: row `i` is read only if the tokens that rows `0 .. i-1` gave are the draft's.
///
/// `RejectionVerifier` preserves the output distribution instead, and reads rows beyond the accepted part.
///
/// A verifier that samples is told the options of each turn and has further members: see `SamplingSequenceVerifier` in
/// `verifier_traits.hpp`.
///
/// Lifetime: rows and tokens are read during the call only. One verifier belongs to one sequence. Threads: one call at
/// a time.
template <class V, class Scalar>
concept AcceptanceVerifier = requires(V& verifier, LogitsView<Scalar> rows, std::span<Token const> tokens,
                                      std::size_t length) {
  { verifier.verify(rows, tokens, length) } -> std::same_as<Verdict>;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
