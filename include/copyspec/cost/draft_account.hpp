// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include "../core/error.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What the drafts of one turn, or of many, saved and what they cost, in passes of plain decoding. It bounds what they
/// can lose.
///
/// A draft that adds `extra` to the cost of its pass, and of which tokens are accepted that save `saved`, changes the
/// balance by `saved - extra`. A draft is made only if all of `extra` can be lost: it is at most `credit() +
/// balance()`, which is what is left. To have some left when it is lost, no draft costs more than the part `stake` of
/// that, or `least` if that is more.
///
/// Law: if no draft costs more than was assumed, `balance() >= -credit()` at any time. So the turn costs at most
/// `credit()` passes more than plain decoding. Proof: the balance is zero at first. A draft takes at most `credit() +
/// balance()` from it, whatever is accepted, since `saved` is not negative.
///
/// O(1), besides `affordable`. No allocation, and no failure but of the constructor. Threads: one call at a time.
class DraftAccount {
 public:
  static constexpr double stake = 0.9;  ///< The part of what is left that one draft may cost.
  static constexpr double least = 0.5;  ///< Passes that a draft may cost if as much is left.

  /// Infinity is no bound. Throws `Error` if `credit` is negative or not a number.
  explicit DraftAccount(double credit) : credit_(credit) {
    if (!(credit >= 0))
      raise_error(ErrorCode::bad_options, "an account cannot have a credit of " + std::to_string(credit) + " passes");
  }

  /// Passes that may be lost in all.
  [[nodiscard]] double credit() const noexcept { return credit_; }
  /// What drafts have saved so far, less what they have cost.
  [[nodiscard]] double balance() const noexcept { return balance_; }
  /// Passes that may still be lost.
  [[nodiscard]] double left() const noexcept { return credit_ + balance_; }

  /// The part of the credit that is lost, within [0, 1]. What is left is worth more then: once it is lost, nothing is
  /// drafted. So a draft should be made only if it saves `1 + lost()^2` times what it adds to its pass.
  [[nodiscard]] double lost() const noexcept {
    return balance_ < 0 && credit_ > 0 ? std::min(-balance_ / credit_, 1.0) : 0.0;
  }

  /// Most that the next draft may add to its pass.
  [[nodiscard]] double affordable() const noexcept { return std::min(left(), std::max(stake * left(), least)); }

  /// How many of the first tokens of a draft of `length` may be drafted. `extra(n)` is the most that n tokens add to a
  /// pass. Calls it once for each length tried, the longest first; of long ones, not every length is tried.
  template <class Extra>
  [[nodiscard]] std::size_t affordable(std::size_t length, Extra const& extra) const noexcept {
    while (length > 0 && !(extra(length) <= affordable())) length -= 1 + length / 64;
    return length;
  }

  /// The same account in a unit of which `units` > 0 are a pass.
  [[nodiscard]] DraftAccount in(double units) const noexcept {
    DraftAccount other = *this;
    other.credit_ *= units;
    other.balance_ *= units;
    return other;
  }

  /// A draft was verified.
  void enter(double saved, double extra) noexcept { balance_ += saved - extra; }

 private:
  double credit_;
  double balance_ = 0;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
