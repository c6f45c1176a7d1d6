// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "../core/version.hpp"
#include "host_device.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The four words of a Philox counter, or of its output.
struct PhiloxWords {
  std::uint32_t words[4] = {};
};

/// The key of a stream of Philox numbers.
struct PhiloxKey {
  std::uint32_t words[2] = {};
};

inline constexpr int philox_rounds = 10;

/// One round: replaces the four words, for the key of this round.
COPYSPEC_HOST_DEVICE constexpr void philox_round(std::uint32_t& a, std::uint32_t& b, std::uint32_t& c, std::uint32_t& d,
                                                 PhiloxKey key) noexcept {
  std::uint64_t const of_a = std::uint64_t{0xD2511F53U} * a;
  std::uint64_t const of_c = std::uint64_t{0xCD9E8D57U} * c;
  a = static_cast<std::uint32_t>(of_c >> 32U) ^ b ^ key.words[0];
  b = static_cast<std::uint32_t>(of_c);
  c = static_cast<std::uint32_t>(of_a >> 32U) ^ d ^ key.words[1];
  d = static_cast<std::uint32_t>(of_a);
}

/// The key of the next round.
[[nodiscard]] COPYSPEC_HOST_DEVICE constexpr PhiloxKey next_key(PhiloxKey key) noexcept {
  return {{key.words[0] + 0x9E3779B9U, key.words[1] + 0xBB67AE85U}};
}

/// Philox4x32-10: four random words, a function of counter and key alone. So any of them can be computed at any time
/// and in any order, on host or device (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
/// SC 2011).
[[nodiscard]] COPYSPEC_HOST_DEVICE constexpr PhiloxWords philox4x32(PhiloxWords counter, PhiloxKey key) noexcept {
  auto& [a, b, c, d] = counter.words;
  for (int round = 0; round < philox_rounds; ++round, key = next_key(key)) philox_round(a, b, c, d, key);
  return counter;
}

/// `philox4x32` of `count` consecutive counters: `counter` and those with its first word plus 1, 2, and so on. Word `w`
/// of result `i` is at `[w][i]`. Computed side by side, so that the compiler vectorises: at most half the time of
/// separate calls.
template <std::size_t count>
[[nodiscard]] constexpr std::array<std::array<std::uint32_t, count>, 4> philox4x32_run(PhiloxWords const& counter,
                                                                                       PhiloxKey key) noexcept {
  std::array<std::array<std::uint32_t, count>, 4> words{};
  for (std::size_t i = 0; i < count; ++i) {
    words[0][i] = counter.words[0] + static_cast<std::uint32_t>(i);
    for (std::size_t w = 1; w < 4; ++w) words[w][i] = counter.words[w];
  }
  for (int round = 0; round < philox_rounds; ++round, key = next_key(key))
    for (std::size_t i = 0; i < count; ++i) philox_round(words[0][i], words[1][i], words[2][i], words[3][i], key);
  return words;
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
