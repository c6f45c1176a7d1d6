// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The state of a sequence.
enum class SequenceStatus : std::uint8_t {
  idle,          ///< No turn was begun since it was constructed, truncated or shifted.
  running,       ///< A turn is under way; tokens are pending.
  stopped,       ///< A stop token, stop sequence or stop predicate ended the turn.
  length,        ///< The turn generated as many tokens as it may.
  context_full,  ///< The context has reached the context limit.
  invalid_row,   ///< The model returned a row without a valid token (`VerdictStatus::invalid_row`).
  all_excluded,  ///< The request's own rules excluded every token of a row (`VerdictStatus::all_excluded`).
  failed,        ///< A hook, a stop predicate or the verifier of this sequence threw, or its memory ran out.
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
