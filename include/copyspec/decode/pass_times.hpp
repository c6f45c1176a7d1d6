// SPDX-License-Identifier: MIT
#pragma once

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Time spent in each part of the passes, by the composer's clock. Everything outside `forward` is the overhead of
/// copying.
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
