// SPDX-License-Identifier: MIT
#pragma once

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Where the time of passes went, by the clock that a composer was given. What is outside `forward` is what copying
/// costs.
template <class Clock>
struct PassTimes {
  using Duration = typename Clock::duration;

  Duration propose{};
  Duration forward{};
  Duration verify{};
  Duration truncate{};

  [[nodiscard]] constexpr Duration total() const { return propose + forward + verify + truncate; }
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
