// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/logits.hpp"
#include "logprobs.hpp"
#include "sampling_options.hpp"
#include "verifier.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// A verifier of one sequence at a time, for rows in host memory.
template <class V, class Rows>
concept SequenceVerifier =
    std::same_as<Rows, LogitsView<typename Rows::Scalar>> && AcceptanceVerifier<V, typename Rows::Scalar>;

/// One that is told with each turn how to sample, and knows of log-probabilities and of what may not be said.
template <class V>
concept SamplingSequenceVerifier = requires(V& verifier, V const& const_verifier,
                                            std::optional<SamplingOptions> const& options, std::size_t size,
                                            std::span<Token const> tokens) {
  {verifier.begin_turn(options, size, size)};
  { const_verifier.options() } -> std::same_as<SamplingOptions const&>;
  { const_verifier.logprobs() } -> std::same_as<LogprobsView>;
  { const_verifier.allowed_draft(tokens, tokens) } -> std::same_as<std::size_t>;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
