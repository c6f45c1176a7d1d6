// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <vector>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../verify/sampling_options.hpp"
#include "stop.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The options of one turn.
struct GenerateOptions {
  std::size_t max_new_tokens = std::numeric_limits<std::size_t>::max();  ///< The context limit applies too.
  StopRules stop = {};
  /// Maximum tokens drafted in a pass, whatever the proposer offers. Zero is plain decoding.
  std::size_t max_draft_length = std::numeric_limits<std::size_t>::max();
  /// Sampling options for a verifier that samples. Without them, the verifier keeps those it was constructed with.
  std::optional<SamplingOptions> sampling = std::nullopt;
  /// Texts that the answer will probably resemble, for a proposer that takes them. Dropped when the next turn begins.
  std::vector<std::vector<Token>> references = {};
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
