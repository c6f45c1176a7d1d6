// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../cost/pass_report.hpp"
#include "../model/engine.hpp"
#include "../model/tree_model.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What a `DecodeBatch` asks to be fed in one pass. The spans are valid until the next non-const call of the batch.
struct PassPlan {
  std::span<Segment const> segments;           ///< Rows must be returned in this order.
  std::span<TreeSegment const> tree_segments;  ///< The same segments if a draft is a tree; otherwise empty.
  std::span<SequenceId const> held_over;       ///< Running, without a token in this pass. They come first next time.
  bool has_drafts = false;
};

/// What the engine must forget of a sequence before it feeds it again: everything after the first `length` tokens. If
/// `path` is not empty, a tree was fed there, and the engine keeps these nodes (`TreeModel::keep`). The path is valid
/// until the next `plan`.
struct Truncation {
  SequenceId sequence{};
  std::size_t length = 0;
  std::span<std::int32_t const> path = {};
};

/// What the engine must copy: what it holds of the first `length` tokens of `from`, to `to`, of which it holds nothing.
struct CacheCopy {
  SequenceId from{};
  SequenceId to{};
  std::size_t length = 0;
};

namespace detail {

/// The report for a pass over `batch` that took `seconds`. Nothing if a segment fed more tokens than it had rows,
/// because such a pass does not show what rows cost.
[[nodiscard]] inline std::optional<PassReport> report_on(std::span<Segment const> batch, double seconds) noexcept {
  PassReport report{.rows = 0, .sequences = batch.size(), .seconds = seconds};
  for (Segment const& segment : batch) {
    if (segment.rows != segment.tokens.size()) return std::nullopt;
    report.rows += segment.rows;
  }
  return batch.empty() ? std::nullopt : std::optional(report);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
