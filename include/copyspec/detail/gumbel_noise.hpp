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

/// Gumbel noise turns sampling into a maximum. The token with the greatest `logit / temperature + noise`, each token
/// with its own noise from the standard Gumbel distribution, is distributed as the softmax (the Gumbel-max trick;
/// Maddison, Tarlow and Minka, "A* sampling", 2014). A token's noise is a function of seed, position and token. So the
/// drawn token depends neither on the order in which tokens are read nor on what else is decoded.

/// The source of the noise: the seed of a request, and the number of tokens before the one to draw.
struct NoiseStream {
  std::uint64_t seed = 0;
  std::uint64_t position = 0;

  [[nodiscard]] COPYSPEC_HOST_DEVICE constexpr PhiloxKey key() const noexcept {
    return {{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32U)}};
  }

  /// The Philox counter for tokens `4 * block` to `4 * block + 3`.
  [[nodiscard]] COPYSPEC_HOST_DEVICE constexpr PhiloxWords counter(std::uint32_t block) const noexcept {
    return {{block, 0, static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(position >> 32U)}};
  }

  /// The random word of `token`.
  [[nodiscard]] COPYSPEC_HOST_DEVICE constexpr std::uint32_t word(Token token) const noexcept {
    auto const index = static_cast<std::uint32_t>(token);
    return philox4x32(counter(index / 4), key()).words[index % 4];
  }
};

/// The greatest possible noise, that of the word 0.
inline constexpr float max_noise = 22.875F;

/// The noise of a random word r: -log(-log1p(-v)) with v = (r + 0.5) / 2^32. Great noise belongs to small words, whose
/// values are spaced finely. The other way round, one in a hundred flat rows of 151,936 logits would have a tie for the
/// greatest score.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float gumbel_noise(std::uint32_t word) noexcept {
  double const v = (word + 0.5) * 0x1p-32;
  double const wait = v < 0.25 ? reproducible_log_ratio(v / (2 - v)) : -reproducible_log(1 - v);
  return static_cast<float>(-reproducible_log(wait));
}

/// An upper bound on the noise of `word` and of every greater word, found without a logarithm. For words up to 2^29 it
/// is at most 0.41 above the noise of `word`.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float noise_bound(std::uint32_t word) noexcept {
  // An upper bound on -log v: log2 of a float is at least its bits as an integer, in units of 2^-23, minus 127.
  float const bits = static_cast<float>(bits_of_float(static_cast<float>(word)));
  float const bound = 159 * 0.6931472F + 1e-3F - bits * (0.6931472F * 0x1p-23F);
  return bound < max_noise ? bound : max_noise;
}

/// The score of a token with this `logit` and noise. The greatest score wins; of equal scores, the lowest token.
/// Infinite only if the logit is.
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

/// Whether a token with this logit may score at least `score`, however the product is rounded. `noise` is an upper
/// bound on the token's noise.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline bool may_reach(float score, float logit, float inverse_temperature,
                                                         float noise) noexcept {
  // Written so that a NaN counts as yes: it comes from an infinite score, which others may equal.
  return !(logit * inverse_temperature + noise < score - (std::abs(score) + 64) * 1e-6F);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
