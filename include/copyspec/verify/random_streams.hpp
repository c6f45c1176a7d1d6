// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "../core/version.hpp"
#include "../detail/gumbel_noise.hpp"
#include "../detail/philox.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What a request draws random numbers for beside the tokens that a `SamplingVerifier` draws with its seed. Each
/// purpose has numbers of its own, so that none decides two things.
enum class RandomStream : std::uint32_t {
  draft = 1,    ///< The tokens that a draft model proposes.
  verdict = 2,  ///< What becomes of them, `RejectionVerifier`.
};

/// The seed of the numbers for `purpose` of a request with this seed.
///
/// Whoever draws a token that may be thrown away counts what it draws, from pass to pass and turn to turn, and names
/// that count in place of the position (`NoiseStream::position`, `TokenSampler::draw`): with one noise a position, what
/// was thrown away would be drawn again, now that its fate is known.
[[nodiscard]] constexpr std::uint64_t seed_for(RandomStream purpose, std::uint64_t seed) noexcept {
  // The second word is zero wherever noise of this seed is drawn.
  detail::PhiloxWords const counter{{0, static_cast<std::uint32_t>(purpose), 0, 0}};
  detail::PhiloxWords const drawn = detail::philox4x32(counter, detail::NoiseStream{.seed = seed}.key());
  return std::uint64_t{drawn.words[1]} << 32U | drawn.words[0];
}

/// The number of a place in a stream, above 0 and below 1, in steps of 2^-52.
[[nodiscard]] constexpr double uniform_number(detail::NoiseStream const& stream) noexcept {
  detail::PhiloxWords const drawn = detail::philox4x32(stream.counter(0), stream.key());
  std::uint64_t const bits = std::uint64_t{drawn.words[1]} << 32U | drawn.words[0];
  return (static_cast<double>(bits >> 12U) + 0.5) * 0x1p-52;
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
