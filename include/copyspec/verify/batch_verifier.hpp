// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "verifier.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What to verify for one sequence of a pass.
struct VerifyInput {
  SequenceId sequence{};
  std::span<Token const> tokens;  ///< The context, directly followed by the draft.
  std::size_t length = 0;         ///< Number of context tokens.

  [[nodiscard]] constexpr std::span<Token const> draft() const noexcept { return tokens.subspan(length); }
  /// One row after the newest context token and one after each draft token.
  [[nodiscard]] constexpr std::size_t rows() const noexcept { return tokens.size() - length + 1; }
};

/// Verifies all sequences of a pass at once, so that rows may stay on the device that computed them and only verdicts
/// come back.
///
/// `verify(rows, trials, verdicts)`: `rows` holds the rows of the first trial, then those of the second, and so on.
/// `verdicts` is as long as `trials` and receives the verdict of each.
///
/// Laws: those of `AcceptanceVerifier` hold for each trial.
///
/// Lifetime: rows and trials are read during the call only. One verifier serves all sequences of a composer. Threads:
/// one call at a time.
template <class V, class Rows>
concept BatchVerifier = requires(V& verifier, Rows rows, std::span<VerifyInput const> trials,
                                 std::span<Verdict> verdicts) {
  { verifier.verify(rows, trials, verdicts) } -> std::same_as<void>;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
