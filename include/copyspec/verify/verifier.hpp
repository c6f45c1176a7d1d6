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

enum class VerdictStatus : std::uint8_t {
  ok,
  invalid_row,  ///< The row after the accepted part holds a NaN, or nothing above minus infinity: there is no token.
};

/// What a verifier decided about one draft.
struct Verdict {
  std::size_t accepted = 0;  ///< How many of the first draft tokens are the model's own.
  Token next = 0;            ///< The token that the model adds after them; meaningless unless `status` is `ok`.
  VerdictStatus status = VerdictStatus::ok;
};

/// Decides how much of a draft the model would have produced itself, and which token comes next. The verifier *is* the
/// sampler: with an empty draft this is ordinary decoding, so there is one path from a row to a token.
///
/// `verify(rows, tokens, length)`: `tokens` is the context, its first `length` tokens, and directly behind it the
/// draft; `rows` holds one row after the newest token of the context and one after each draft token
/// (`rows.rows() == tokens.size() - length + 1`). What precedes the token that row `i` decides is
/// `tokens.first(length + i)`.
///
/// Laws:
///  - *same token*: which token a row gives depends on the row and on the tokens before it, not on the draft. So the
///    tokens `draft[0 .. accepted), next` are those that verifying one row at a time would give.
///  - *prefix*: row `i` is looked at only if the tokens that rows `0 .. i-1` gave are the draft's.
///
/// `RejectionVerifier` keeps the distribution of the tokens instead, and looks at rows beyond what it accepts.
///
/// One that samples is told with each turn how, and may be asked more: `SamplingSequenceVerifier` in `judges.hpp`.
///
/// One verifier belongs to one sequence. Threads: one call at a time.
template <class V, class Scalar>
concept AcceptanceVerifier = requires(V& verifier, LogitsView<Scalar> rows, std::span<Token const> tokens,
                                      std::size_t length) {
  { verifier.verify(rows, tokens, length) } -> std::same_as<Verdict>;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
