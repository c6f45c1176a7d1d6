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

/// What a guess was made on.
struct DraftModelSample {
  float confidence = 0;  ///< The draft model's probability of its token.
  float copied = -1;     ///< The chance of the token that copying has there; negative if it has none.
  bool same = false;     ///< Whether that is the same token.
};

/// How often a draft model was right: by its own confidence, and by what copying has at the same place. Means that
/// become moving ones, so that they follow a text that changes.
///
/// Two questions are answered: before the model is asked, how likely it is to be right there (`expected`), by the
/// chance of the token that copying has; and afterwards, how likely its token is right (`chance`), by its confidence,
/// which is a probability that need not be calibrated, and by whether copying says the same. A cell that has seen
/// little believes the confidence.
///
/// O(1). No allocation. Threads: one call at a time.
class DraftModelCalibration {
 public:
  /// The chance that the draft model is right where copying has a token with the chance `copied`, or none (negative).
  [[nodiscard]] float expected(float copied) const noexcept { return before_[level(copied)].share; }

  /// The chance that its token is right.
  [[nodiscard]] float chance(DraftModelSample const& sample) const noexcept {
    Mean const& mean = after_[cell(sample)];
    float const alone = sample.confidence * credit;
    float const believed = sample.same ? 1 - (1 - alone) * (1 - sample.copied) : alone;
    return (mean.share * mean.seen + believed * belief) / (mean.seen + belief);
  }

  /// It was right or not.
  void observe(DraftModelSample const& sample, bool right) noexcept {
    before_[level(sample.copied)].observe(right);
    after_[cell(sample)].observe(right);
  }

  /// In a step it was not asked.
  void forget_a_little() noexcept {
    for (Mean& mean : before_) {
      mean.share += (prior.share - mean.share) * 1e-4F;
      mean.seen += (prior.seen - mean.seen) * forgetting;
    }
    for (Mean& mean : after_) mean.seen -= mean.seen * forgetting;
  }

 private:
  static constexpr float credit = 0.85F;  // what is believed of a confidence
  static constexpr float belief = 4;      // observations that this is worth
  static constexpr float memory = 64;     // in observations
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

  // Steps of equal odds, since a confidence of 99 % is another thing than one of 90 %.
  static std::size_t step(float confidence) noexcept {
    float const odds = confidence / std::max(1 - confidence, 1e-6F);
    return static_cast<std::size_t>(std::clamp(std::log2(odds) + 3, 0.0F, static_cast<float>(steps - 1)));
  }

  static std::size_t cell(DraftModelSample const& sample) noexcept {
    std::size_t const beside = sample.copied < 0 ? 0 : sample.same ? 1 : 2;
    return beside * steps + step(sample.confidence);
  }

  // High, because what is taken to be bad would never be asked.
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
