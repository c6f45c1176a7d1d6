// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>

#include "../../core/version.hpp"
#include "../../detail/gumbel_noise.hpp"
#include "../../detail/host_device.hpp"
#include "../../detail/philox.hpp"
#include "../logit_format.hpp"
#include "running_best.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A natural logarithm, with an absolute error of 4e-7 or a relative one of 3e-7.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float rough_log(float x) noexcept {
#if defined(__CUDA_ARCH__)
  return __logf(x);
#else
  return std::log(x);
#endif
}

/// `gumbel_noise` to within 3e-5, at a tenth of the cost. It differs between machines, so it may only decide between
/// scores so far apart that the error does not matter.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float rough_noise(std::uint32_t word) noexcept {
  float const v = (static_cast<float>(word) + 0.5F) * 0x1p-32F;
  // For small v, 1 - v loses too many digits.
  float const wait = word < 0x10000000U ? v * (1 + v * (0.5F + v * (0.33333333F + v * 0.25F)))
                                        : -rough_log((static_cast<float>(~word) + 0.5F) * 0x1p-32F);
  return -rough_log(wait);
}

/// The token with the greatest `gumbel_score` that one thread sees, in any order: a visit of `scan_tile`.
///
/// An exact score costs two 64-bit logarithms. So tokens are compared by rough scores first, and by exact ones only if
/// these are too close.
class SampledBest {
 public:
  COPYSPEC_HOST_DEVICE SampledBest(NoiseStream stream, float inverse_temperature) noexcept
      : stream_(stream), inverse_temperature_(inverse_temperature) {}

  COPYSPEC_HOST_DEVICE void operator()(float logit, std::uint32_t token) noexcept {
    offer(logit, token, stream_.word(static_cast<Token>(token)));
  }

  template <cuda::LogitFormat format>
  COPYSPEC_HOST_DEVICE void vector(LogitVector const& vector, std::uint32_t first) noexcept {
    constexpr std::uint32_t length = vector_length(format);
    if (first % 4 != 0) {
      for (std::uint32_t i = 0; i < length; ++i) (*this)(logit_at<format>(vector, i), first + i);
      return;
    }
    for (std::uint32_t group = 0; group < length; group += 4) {
      PhiloxWords const words = philox4x32(stream_.counter((first + group) / 4), stream_.key());
      for (std::uint32_t i = 0; i < 4; ++i)
        offer(logit_at<format>(vector, group + i), first + group + i, words.words[i]);
    }
  }

  /// The best token with its score.
  [[nodiscard]] COPYSPEC_HOST_DEVICE BestWord word() const noexcept {
    if (nan_) return nan_seen;
    if (!any_) return nothing_seen;
    return order_key_of(gumbel_score(logit_, inverse_temperature_, word_), static_cast<Token>(token_));
  }

 private:
  COPYSPEC_HOST_DEVICE void offer(float logit, std::uint32_t token, std::uint32_t word) noexcept {
    constexpr float lowest = -0x1.fffffep+127F;
    if (!(logit >= lowest)) {
      nan_ = nan_ || logit != logit;
      return;
    }
    float const rough = noisy_score(logit, inverse_temperature_, rough_noise(word));
    float const margin = (std::abs(rough_) + 64) * 2e-6F;
    // With infinite scores, both comparisons are false.
    if (any_ && rough + margin < rough_) return;
    if (any_ && !(rough > rough_ + margin) && !beats(logit, token, word)) return;
    any_ = true;
    rough_ = rough;
    logit_ = logit;
    word_ = word;
    token_ = token;
  }

  [[nodiscard]] COPYSPEC_HOST_DEVICE bool beats(float logit, std::uint32_t token, std::uint32_t word) const noexcept {
    float const score = gumbel_score(logit, inverse_temperature_, word);
    float const best = gumbel_score(logit_, inverse_temperature_, word_);
    return score > best || (score == best && token < token_);
  }

  NoiseStream stream_;
  float inverse_temperature_;
  float rough_ = 0;
  float logit_ = 0;
  std::uint32_t word_ = 0;
  std::uint32_t token_ = 0;
  bool any_ = false;
  bool nan_ = false;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
