// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "../core/version.hpp"
#include "../detail/gumbel_noise.hpp"
#include "../detail/philox.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Independent random streams of a request, besides the noise by which a `SamplingVerifier` draws tokens with the
/// request's seed. Each purpose has its own numbers, so that no number decides two things.
enum class RandomStream : std::uint32_t {
  draft = 1,    ///< Sampling of draft tokens from a draft model.
  verdict = 2,  ///< Acceptance decisions of `RejectionVerifier`.
};

/// The seed of stream `purpose` for a request with this `seed`. O(1).
///
/// A caller that draws tokens which may be discarded must count its draws over all passes and turns, and pass that
/// count in place of the position (`NoiseStream::position`, `TokenSampler::draw`). With one noise value per position, a
/// rejected token would be drawn again with the same noise, after its rejection is known. That would bias the result.
[[nodiscard]] constexpr std::uint64_t seed_for(RandomStream purpose, std::uint64_t seed) noexcept {
  // The second word of the counter is zero wherever noise with this seed is drawn.
  detail::PhiloxWords const counter{{0, static_cast<std::uint32_t>(purpose), 0, 0}};
  detail::PhiloxWords const drawn = detail::philox4x32(counter, detail::NoiseStream{.seed = seed}.key());
  return std::uint64_t{drawn.words[1]} << 32U | drawn.words[0];
}

namespace detail {

/// The number at a place of a stream, strictly between 0 and 1, in steps of 2^-52. O(1).
[[nodiscard]] constexpr double uniform_number(NoiseStream const& stream) noexcept {
  PhiloxWords const drawn = philox4x32(stream.counter(0), stream.key());
  std::uint64_t const bits = std::uint64_t{drawn.words[1]} << 32U | drawn.words[0];
  return (static_cast<double>(bits >> 12U) + 0.5) * 0x1p-52;
}

}  // namespace detail

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
