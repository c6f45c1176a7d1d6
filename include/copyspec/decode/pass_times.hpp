// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>

#include "../core/version.hpp"
#include "../cost/pass_report.hpp"
#include "../model/model.hpp"

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

namespace detail {

/// What a proposer hears of a pass over `batch` that took `time`: nothing if a segment fed more tokens than it had
/// rows, since such a pass does not tell what rows cost.
[[nodiscard]] inline std::optional<PassReport> report_on(std::span<Segment const> batch,
                                                         std::chrono::duration<double> time) noexcept {
  PassReport report{.rows = 0, .sequences = batch.size(), .seconds = time.count()};
  for (Segment const& segment : batch) {
    if (segment.rows != segment.tokens.size()) return std::nullopt;
    report.rows += segment.rows;
  }
  return batch.empty() ? std::nullopt : std::optional(report);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
