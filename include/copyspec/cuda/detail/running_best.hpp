// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/float_bits.hpp"
#include "../../detail/host_device.hpp"
#include "../../detail/order_key.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The best element of a row so far, in 64 bits that compare as integers. The greater of two words is kept, so a row
/// may be read in any order and by any number of threads with the same result.
///
///     63                32 31                 0
///     | ordered score     | ~token            |    `order_key_of` the greatest score, the lowest token among equals
///     all ones                                      a NaN was seen: nothing is greater
///     all zeros                                     nothing above minus infinity was seen: everything is greater
using BestWord = std::uint64_t;

inline constexpr BestWord nothing_seen = 0;
inline constexpr BestWord nan_seen = ~BestWord{0};

/// The decision of a row that gives no token.
inline constexpr Token no_token = -1;

/// The token of a row's final word, or `no_token`.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline Token token_of(BestWord word) noexcept {
  if (word == nothing_seen || word == nan_seen) return no_token;
  return token_of_order_key(word);
}

/// The best score that one thread sees, with tokens in ascending order.
class RunningBest {
 public:
  COPYSPEC_HOST_DEVICE void offer(float score, std::uint32_t token) noexcept {
    nan_ = nan_ || score != score;
    if (!(score > score_)) return;
    score_ = score;
    token_ = token;
  }

  [[nodiscard]] COPYSPEC_HOST_DEVICE BestWord word() const noexcept {
    if (nan_) return nan_seen;
    if (!(score_ > minus_infinity())) return nothing_seen;
    return order_key_of(score_, static_cast<Token>(token_));
  }

 private:
  [[nodiscard]] COPYSPEC_HOST_DEVICE static float minus_infinity() noexcept { return float_from_bits(0xFF800000U); }

  float score_ = minus_infinity();
  std::uint32_t token_ = 0;
  bool nan_ = false;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
