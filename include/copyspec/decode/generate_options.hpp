// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../draft/draft_scope.hpp"
#include "../verify/sampling_options.hpp"
#include "stop.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The options of one turn.
struct GenerateOptions {
  std::size_t max_new_tokens = std::numeric_limits<std::size_t>::max();  ///< The context limit applies too.
  /// No stop is complete among the first so many generated tokens. The verifier does not draw stop tokens there, so it
  /// must sample, at temperature zero too, if there are any. The greatest number ignores stop tokens throughout
  /// (`ignore_eos` of other engines).
  std::size_t min_new_tokens = 0;
  /// When `max_new_tokens` end the turn, tokens that may become part of a stop are not shown, since `extend` follows.
  bool may_continue = false;
  StopRules stop = {};
  /// Maximum tokens drafted in a pass, whatever the proposer offers. Zero is plain decoding.
  std::size_t max_draft_length = std::numeric_limits<std::size_t>::max();
  /// Sampling options for a verifier that samples. Without them, the verifier keeps those it was constructed with.
  std::optional<SamplingOptions> sampling = std::nullopt;
  /// Texts that the answer will probably resemble, for a proposer that takes them. Dropped when the next turn begins.
  std::vector<std::vector<Token>> references = {};
  /// Whom the proposer learns from and for: a `ScopedProposer` shares what it learns with turns of the same scope only.
  /// Null: with all turns that have none.
  std::shared_ptr<DraftScope> scope = nullptr;
  /// Asks for the log-probability of each prompt token, and of so many of the likeliest tokens at its place: see
  /// `BatchSequences::prompt_logprobs`. The prompt is read in passes of up to 64 tokens, as rows are asked of the
  /// engine.
  std::optional<std::size_t> prompt_logprobs = std::nullopt;
  /// For a new sequence: how many of the first prompt tokens the engine already holds under its id. They are not fed.
  std::size_t cached_prefix = 0;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
