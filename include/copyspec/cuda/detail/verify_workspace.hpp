// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../../core/version.hpp"
#include "../../detail/host_device.hpp"
#include "../draft_batch.hpp"
#include "running_best.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What the work items of a verification share, in device memory. All zero before the first launch; each launch leaves
/// it so. Rows are counted by request, `max_draft_length + 1` to each, whatever the offsets of a batch say, so that no
/// two requests ever share an entry.
struct VerifyWorkspace {
  BestWord* words = nullptr;                  ///< [rows]: the best of what was read.
  std::uint32_t* decisions = nullptr;         ///< [rows]: what others may know of a row, see `RowDecision`.
  std::uint32_t* row_arrivals = nullptr;      ///< [rows]: counts tiles, wraps to zero at the last.
  std::uint32_t* request_arrivals = nullptr;  ///< [max_requests]: counts rows, or tiles, and wraps likewise.
};

/// The entry of no row.
inline constexpr std::size_t no_entry = ~std::size_t{0};

/// Rows that a workspace has entries for.
[[nodiscard]] COPYSPEC_HOST_DEVICE constexpr std::size_t workspace_rows(cuda::VerifyLimits const& limits) noexcept {
  return static_cast<std::size_t>(limits.max_requests) * (static_cast<std::size_t>(limits.max_draft_length) + 1);
}

/// Bytes that a workspace for `limits` takes: 16 a row and 4 a request.
[[nodiscard]] constexpr std::size_t verify_workspace_bytes(cuda::VerifyLimits const& limits) noexcept {
  return workspace_rows(limits) * (sizeof(BestWord) + 2 * sizeof(std::uint32_t)) +
         limits.max_requests * sizeof(std::uint32_t);
}

/// The parts of the `verify_workspace_bytes(limits)` bytes at `memory`, which is aligned to 8.
[[nodiscard]] inline VerifyWorkspace verify_workspace(void* memory, cuda::VerifyLimits const& limits) noexcept {
  std::size_t const rows = workspace_rows(limits);
  VerifyWorkspace workspace;
  workspace.words = static_cast<BestWord*>(memory);
  workspace.decisions = reinterpret_cast<std::uint32_t*>(workspace.words + rows);
  workspace.row_arrivals = workspace.decisions + rows;
  workspace.request_arrivals = workspace.row_arrivals + rows;
  return workspace;
}

/// What is published of a row: nothing yet; that no node behind it can be accepted; or its token. Zero is nothing.
struct RowDecision {
  static constexpr std::uint32_t open = 0;
  static constexpr std::uint32_t dead = 1;

  [[nodiscard]] COPYSPEC_HOST_DEVICE static std::uint32_t of(Token token) noexcept {
    return token == no_token ? dead : static_cast<std::uint32_t>(token) + 2U;
  }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
