// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <utility>

#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Decides when the draft model reads the tokens that it has not read: once the gains that were passed up for it, and
/// those that turns usually have ahead, come to the cost of reading. So little more than twice the best is lost,
/// however much there is to read (ski rental; Karlin et al., "Competitive snoopy caching", 1988). All in passes of one
/// row.
///
/// O(1). Threads: one call at a time.
class ReadingBudget {
 public:
  /// Asking would gain `gain`, after reading at a cost of `reading`; turns usually gain `gain_of_turns`. Returns
  /// whether to read and ask; if not, the gain is passed up.
  [[nodiscard]] bool affords(double gain, double reading, double gain_of_turns) noexcept {
    passed_up_ += gain / overlap;
    gain_of_turn_ += gain / overlap;
    return !(passed_up_ + std::max(0.0, gain_of_turns - gain_of_turn_) < reading);
  }

  /// It was asked: nothing is passed up any more.
  void spend() noexcept { passed_up_ = 0; }

  /// A turn has ended; returns what asking gained in it, or would have.
  [[nodiscard]] double end_turn() noexcept { return std::exchange(gain_of_turn_, 0.0); }

 private:
  // A gain is that of several tokens. A step that passes it up generates some of them, and the next passes up the rest
  // again.
  static constexpr double overlap = 1.5;

  double gain_of_turn_ = 0;
  double passed_up_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
