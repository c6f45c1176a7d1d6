// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "../../core/token.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The contexts of a position, as hashes. They are the newest token; the newest two; and two *skip* contexts, so that
/// an edit does not break every context: the token before the newest, and the one before that (the "sparse" models of
/// PAQ8). `three` covers the newest three tokens, by which matches are found. Zero marks a context that does not exist,
/// or that includes a negative token.
struct ContextHashes {
  static constexpr std::size_t count = 4;

  std::array<std::uint64_t, count> values{};  ///< Newest, newest two, the one before the newest, the one before that.
  std::uint64_t three = 0;                    ///< The newest three.
  Token newest = 0;                           ///< The newest token; 0 if there is none.

  /// The contexts of position `length`; `token_at(i)` is the token at a position before it. O(1).
  template <class TokenAt>
  constexpr ContextHashes(std::size_t length, TokenAt const& token_at) {
    std::array<std::uint64_t, 3> tokens{};  // newest first, plus one each
    for (std::size_t i = 0; i < std::min(tokens.size(), length); ++i) {
      Token const token = token_at(length - 1 - i);
      tokens[i] = token < 0 ? 0 : static_cast<std::uint64_t>(token) + 1;
    }
    if (tokens[0] != 0) newest = static_cast<Token>(tokens[0] - 1);
    if (tokens[0] != 0) values[0] = mix(tokens[0], 1);
    if (tokens[0] != 0 && tokens[1] != 0) values[1] = mix(tokens[0] << 32 | tokens[1], 2);
    if (tokens[1] != 0) values[2] = mix(tokens[1], 3);
    if (tokens[2] != 0) values[3] = mix(tokens[2], 4);
    if (values[1] != 0 && tokens[2] != 0) three = mix(values[1] + tokens[2], 5);
  }

 private:
  static constexpr std::uint64_t mix(std::uint64_t tokens, std::uint64_t context) noexcept {
    std::uint64_t const x = (tokens + context * 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
    return (x ^ (x >> 32)) * 0x94d049bb133111eb;
  }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
