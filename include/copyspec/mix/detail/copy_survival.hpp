// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// How long copies go on. The longer a match already is, the longer it is expected to be: one of `length` tokens ends
/// at the next token with the probability
///
///     hazard(length) = rate / length
///
/// so lengths of copies have a Pareto distribution, and a match of n tokens reaches 2 n with probability 2^-rate. The
/// rate is learnt: the matches that ended, over the sum of 1 / length of all tokens that could have ended one. Both are
/// halved once one of them is large, so that the rate follows texts that change.
///
/// Two numbers, O(1). Threads: one call at a time.
class CopySurvival {
 public:
  /// Shorter matches are no copies yet, and are not learnt from.
  static constexpr std::uint32_t least_length = 32;

  /// The probability that a match of `length` >= 1 tokens goes on for another one.
  [[nodiscard]] float operator()(std::uint32_t length) const noexcept {
    float const hazard = rate() / static_cast<float>(length);
    return hazard < 1 ? 1 - hazard : 0;
  }

  /// A match of `length` tokens went on for another one, or not.
  void observe(std::uint32_t length, bool went_on) noexcept {
    if (length < least_length) return;
    ended_ += went_on ? 0.0F : 1.0F;
    exposed_ += 1 / static_cast<float>(length);
    if (exposed_ < most && ended_ < most) return;
    ended_ /= 2;
    exposed_ /= 2;
  }

  /// Matches that end, of those that grow by the factor e.
  [[nodiscard]] float rate() const noexcept { return (ended_ + prior) / (exposed_ + prior); }

  /// What was learnt, as plain numbers that another object takes with `assign`.
  [[nodiscard]] static constexpr std::size_t number_count() noexcept { return 2; }
  void append_to(std::vector<float>& numbers) const { numbers.insert(numbers.end(), {ended_, exposed_}); }
  /// Whether a number may have been learnt.
  [[nodiscard]] static bool is_possible(float number) noexcept { return number >= 0 && number <= most; }
  void assign(std::span<float const> numbers) noexcept {
    ended_ = numbers[0];
    exposed_ = numbers[1];
  }

 private:
  static constexpr float prior = 1;  // the rate is one before anything is observed
  static constexpr float most = 32;

  float ended_ = 0;
  float exposed_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
