// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../detail/splitmix.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Hash of the newest `length` tokens of a stream, updated in O(1) per token (Karp and Rabin, 1987).
///
/// With n = length, t the tokens and mix a bijection of 64-bit words, the value is
///
///     mix(t[0])·B^(n-1) + mix(t[1])·B^(n-2) + ... + mix(t[n-1])   modulo 2^64
///
/// This modulus costs nothing, but leaves the low bits of a polynomial weak. Two measures avoid them: each token is
/// mixed first, and table slots are taken from the high bits of `value()`. The values are the same on every machine and
/// pinned by tests. Two different runs of tokens may share a value: a hash hit is not a match.
///
/// No allocation, no failure. Threads: objects are independent; one call at a time for each.
class RollingHash {
 public:
  /// Hashes runs of `length` >= 1 tokens. O(length).
  explicit constexpr RollingHash(std::size_t length) noexcept {
    COPYSPEC_ASSERT(length > 0, "a run has at least one token");
    for (std::size_t i = 1; i < length; ++i) top_power_ *= detail::golden_ratio;
  }

  /// Forgets every token. O(1).
  constexpr void clear() noexcept { sum_ = 0; }

  /// Appends `incoming` while the run is still shorter than `length`. O(1).
  constexpr void push(Token incoming) noexcept { sum_ = sum_ * detail::golden_ratio + mix(incoming); }

  /// Appends `incoming` and drops `outgoing`, the oldest of the `length` tokens of the run. O(1).
  constexpr void slide(Token outgoing, Token incoming) noexcept {
    sum_ -= mix(outgoing) * top_power_;
    push(incoming);
  }

  /// The hash of the run. Every bit depends on every token. O(1).
  [[nodiscard]] constexpr std::uint64_t value() const noexcept { return detail::splitmix(sum_); }

 private:
  static constexpr std::uint64_t mix(Token token) noexcept {
    return detail::splitmix(static_cast<std::uint32_t>(token) + detail::golden_ratio);
  }

  std::uint64_t top_power_ = 1;
  std::uint64_t sum_ = 0;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
