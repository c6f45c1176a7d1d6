// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What a draft model token is judged by.
struct DraftModelSample {
  float confidence = 0;  ///< The draft model's probability for its token.
  float copied = -1;     ///< Acceptance probability of the copied token there; negative if there is none.
  bool same = false;     ///< Whether both are the same token.
};

/// Tracks how often a draft model is right, by its own confidence and by the copied token at the same position.
/// Estimates are means that turn into moving means, so they follow a text that changes.
///
/// It answers two questions. `expected`, before the draft model is asked: how likely it is to be right there, by the
/// acceptance probability of the copied token. `probability`, after it is asked: how likely its token is right. That is
/// judged by its confidence, a probability that need not be calibrated, and by whether copying has the same token. A
/// cell with few observations relies on the confidence.
///
/// O(1). No allocation. Threads: one call at a time.
class DraftModelCalibration {
 public:
  /// The probability that the draft model is right where the copied token has the acceptance probability `copied`,
  /// which is negative if there is none.
  [[nodiscard]] float expected(float copied) const noexcept { return before_[level(copied)].share; }

  /// The acceptance probability of the draft model's token.
  [[nodiscard]] float probability(DraftModelSample const& sample) const noexcept {
    Mean const& mean = after_[cell(sample)];
    float const alone = sample.confidence * credit;
    float const believed = sample.same ? 1 - (1 - alone) * (1 - sample.copied) : alone;
    return (mean.share * mean.seen + believed * belief) / (mean.seen + belief);
  }

  /// Takes in whether the token was right.
  void observe(DraftModelSample const& sample, bool right) noexcept {
    before_[level(sample.copied)].observe(right);
    after_[cell(sample)].observe(right);
  }

  /// The draft model is not asked, or not again, in a step: older observations count a little less.
  void forget_a_little() noexcept {
    for (Mean& mean : before_) {
      mean.share += (prior.share - mean.share) * 1e-4F;
      mean.seen += (prior.seen - mean.seen) * forgetting;
    }
    for (Mean& mean : after_) mean.seen -= mean.seen * forgetting;
  }

 private:
  static constexpr float credit = 0.85F;  // factor applied to a confidence
  static constexpr float belief = 4;      // weight of that, in observations
  static constexpr float memory = 64;     // of the moving means, in observations
  static constexpr float forgetting = 2e-3F;
  static constexpr std::size_t levels = 9;
  static constexpr std::size_t steps = 12;

  struct Mean {
    float share = 0;
    float seen = 0;

    void observe(bool right) noexcept {
      seen = std::min(seen + 1, memory);
      share += ((right ? 1.0F : 0.0F) - share) / seen;
    }
  };

  static std::size_t level(float copied) noexcept {
    return copied < 0 ? 0 : 1 + std::min(levels - 2, static_cast<std::size_t>(copied * (levels - 1)));
  }

  // Each step doubles the odds, because a confidence of 99 % means much more than one of 90 %.
  static std::size_t step(float confidence) noexcept {
    float const odds = confidence / std::max(1 - confidence, 1e-6F);
    return static_cast<std::size_t>(std::clamp(std::log2(odds) + 3, 0.0F, static_cast<float>(steps - 1)));
  }

  static std::size_t cell(DraftModelSample const& sample) noexcept {
    std::size_t const beside = sample.copied < 0 ? 0 : sample.same ? 1 : 2;
    return beside * steps + step(sample.confidence);
  }

  // High: a draft model that is assumed to be bad would never be asked, so nothing would correct that.
  static constexpr Mean prior{.share = 0.95F, .seen = 4};

  std::array<Mean, levels> before_ = [] {
    std::array<Mean, levels> means;
    means.fill(prior);
    return means;
  }();
  std::array<Mean, 3 * steps> after_{};
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
