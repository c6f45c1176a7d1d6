// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/logits.hpp"
#include "detail/accept_chain.hpp"
#include "greedy_token.hpp"
#include "verifier.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Accepts a draft as long as each token is its row's `greedy_token`: decoding at temperature zero. An
/// `AcceptanceVerifier`.
///
/// O(vocabulary) per row read. Rows after the first mismatch are not read. No state, no allocation; may be shared
/// between threads.
struct GreedyVerifier {
  /// See `AcceptanceVerifier`.
  template <class Scalar>
  [[nodiscard]] Verdict verify(LogitsView<Scalar> rows, std::span<Token const> tokens,
                               std::size_t length) const noexcept {
    return detail::accept_chain(rows, tokens, length, [](std::span<Scalar const> row, std::span<Token const>) noexcept {
      return detail::RowToken::of(greedy_token(row));
    });
  }
};

static_assert(AcceptanceVerifier<GreedyVerifier, float>);

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
