// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "sampling_options.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What a verifier that samples is told when a turn begins. Lifetime: the pointer and the span need to be valid during
/// that call only.
struct SamplingTurn {
  SamplingOptions const* options = nullptr;  ///< Null for those that the verifier was constructed with.
  std::size_t vocabulary = 0;                ///< Number of logits in a row.
  std::size_t budget = 0;                    ///< Maximum number of generated tokens.
  std::size_t answer = 0;                    ///< Position of the first generated token: the length of the context.
  std::span<Token const> stop_tokens = {};
  std::size_t min_new_tokens = 0;  ///< `stop_tokens` are not drawn among the first so many generated tokens.
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
