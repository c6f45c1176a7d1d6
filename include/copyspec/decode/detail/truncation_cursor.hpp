// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <utility>

#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Selects the slots that an engine is asked to truncate: those of the newest pass, in its order, then all running
/// ones.
class TruncationCursor {
 public:
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

  /// Restarts after a pass that was committed or failed: its slots come first.
  void restart_after_pass() noexcept {
    restart();
    after_pass_ = true;
  }
  /// Restarts from the first running slot.
  void restart() noexcept { *this = TruncationCursor(); }
  /// Does the same if the newest request was not answered. Returns whether it was unanswered.
  bool restart_if_unanswered() noexcept {
    bool const unanswered = asked_ != none;
    if (unanswered) restart();
    return unanswered;
  }

  /// The slot of the newest request until it is answered; otherwise `none`.
  [[nodiscard]] std::size_t asked() const noexcept { return asked_; }
  void answered() noexcept { asked_ = none; }

  /// The next slot to truncate, or `none`, after which the cursor restarts. `fed` are the slots of the newest pass.
  template <class Slots>
  [[nodiscard]] std::size_t next(Slots const& slots, std::span<std::size_t const> fed) noexcept {
    for (; after_pass_ && next_ < fed.size(); ++next_)
      if (slots[fed[next_]].sequence.needs_truncate()) return asked_ = fed[next_];
    if (std::exchange(after_pass_, false)) next_ = 0;
    for (; next_ < slots.places(); ++next_)
      if (slots[next_].sequence.needs_truncate() && slots[next_].sequence.running()) return asked_ = next_;
    restart();
    return none;
  }

 private:
  std::size_t next_ = 0;
  std::size_t asked_ = none;
  bool after_pass_ = false;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
