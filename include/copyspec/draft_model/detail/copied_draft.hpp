// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../cost/acceptance_tracker.hpp"
#include "../../cost/draft_length.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A draft of a proposer that tells no acceptance probabilities: they are estimated by an `AcceptanceTracker`, which
/// learns from what is generated then.
///
/// O(1) a token. No allocation. Threads: one call at a time.
class CopiedDraft {
 public:
  void clear() noexcept { size_ = 0; }

  /// The estimated probability of each token of `draft`. Valid until the next call.
  [[nodiscard]] std::span<float const> estimate(std::span<Token const> draft,
                                                AcceptanceTracker const& tracker) noexcept {
    size_ = draft.size();
    std::ranges::copy(draft, tokens_.begin());
    std::span<float> const estimated = std::span(probabilities_).first(size_);
    tracker.probabilities(tokens(), {}, estimated);
    return estimated;
  }

  /// `generated` followed the context of the draft, if there is one.
  void observe(std::span<Token const> generated, AcceptanceTracker& tracker) const noexcept {
    if (size_ > 0) tracker.observe(tokens(), {}, generated);
  }

 private:
  [[nodiscard]] std::span<Token const> tokens() const noexcept { return std::span(tokens_).first(size_); }

  std::array<Token, max_predicted_tokens> tokens_{};
  std::array<float, max_predicted_tokens> probabilities_{};
  std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
