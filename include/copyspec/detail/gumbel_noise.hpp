// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "float_bits.hpp"
#include "host_device.hpp"
#include "philox.hpp"
#include "reproducible_math.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Noise that makes a choice of a sampling: the token with the greatest `logit / temperature + noise`, each with a
/// noise of its own from the standard Gumbel distribution, is drawn with the probabilities of the softmax (the
/// Gumbel-max trick; Maddison, Tarlow and Minka, "A* sampling", 2014). A token's noise is a function of seed, position
/// and token, so what is drawn depends neither on the order in which tokens are looked at nor on what else is decoded.

/// Where noise comes from: the seed of a request, and how many tokens come before the one that is drawn.
struct NoiseStream {
  std::uint64_t seed = 0;
  std::uint64_t position = 0;

  [[nodiscard]] COPYSPEC_HOST_DEVICE constexpr PhiloxKey key() const noexcept {
    return {{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32U)}};
  }

  /// The counter of the words of tokens `4 * block` to `4 * block + 3`.
  [[nodiscard]] COPYSPEC_HOST_DEVICE constexpr PhiloxWords counter(std::uint32_t block) const noexcept {
    return {{block, 0, static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(position >> 32U)}};
  }

  /// The random word of `token`.
  [[nodiscard]] COPYSPEC_HOST_DEVICE constexpr std::uint32_t word(Token token) const noexcept {
    auto const index = static_cast<std::uint32_t>(token);
    return philox4x32(counter(index / 4), key()).words[index % 4];
  }
};

/// No noise is greater: that of the word 0.
inline constexpr float max_noise = 22.875F;

/// The noise of a random word r: -log(-log1p(-v)) of v = (r + 0.5) / 2^32. Great noise belongs to small words, which
/// are the finely spaced ones: from the other side, one flat row of 151,936 in a hundred would have two equal greatest.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float gumbel_noise(std::uint32_t word) noexcept {
  double const v = (word + 0.5) * 0x1p-32;
  double const wait = v < 0.25 ? reproducible_log_ratio(v / (2 - v)) : -reproducible_log(1 - v);
  return static_cast<float>(-reproducible_log(wait));
}

/// A number that the noise of `word`, or of a greater word, does not exceed, found without a logarithm; it is at most
/// 0.41 above the noise of a word that is not above 2^29.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float noise_bound(std::uint32_t word) noexcept {
  // -log v, and log2 of a float is at least what its bits are as an integer, in units of 2^-23, less 127.
  float const bits = static_cast<float>(bits_of_float(static_cast<float>(word)));
  float const bound = 159 * 0.6931472F + 1e-3F - bits * (0.6931472F * 0x1p-23F);
  return bound < max_noise ? bound : max_noise;
}

/// What a token is worth whose logit is `logit`, with this noise: the greatest score, of equal ones that of the lowest
/// token, is drawn. Infinite only if the logit is.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float noisy_score(float logit, float inverse_temperature,
                                                            float noise) noexcept {
  constexpr float most = 0x1.fffffep+127F;
  float const score = std::fma(logit, inverse_temperature, noise);
  if (std::abs(score) <= most || !(std::abs(logit) <= most)) return score;
  return score > 0 ? most : -most;
}

/// The score with the noise of `word`.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float gumbel_score(float logit, float inverse_temperature,
                                                             std::uint32_t word) noexcept {
  return noisy_score(logit, inverse_temperature, gumbel_noise(word));
}

/// Whether a token with this logit may have a score of `score` or above, however the product is rounded. `noise` is at
/// least the token's.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline bool may_reach(float score, float logit, float inverse_temperature,
                                                         float noise) noexcept {
  // What makes a NaN is an infinite score, which others may equal.
  return !(logit * inverse_temperature + noise < score - (std::abs(score) + 64) * 1e-6F);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
