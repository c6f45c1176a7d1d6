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

/// Device memory that the work items of a verification share. All zero before the first launch; each launch restores
/// that. Each request has `max_draft_length + 1` row entries, whatever a batch's offsets contain, so two requests never
/// share an entry.
struct VerifyWorkspace {
  BestWord* words = nullptr;                  ///< [rows]: the best element read so far.
  std::uint32_t* decisions = nullptr;         ///< [rows]: what is published about a row, see `RowDecision`.
  std::uint32_t* row_arrivals = nullptr;      ///< [rows]: counts tiles, wraps to zero at the last.
  std::uint32_t* request_arrivals = nullptr;  ///< [max_requests]: counts rows or tiles, wraps to zero at the last.
};

/// The entry of no row.
inline constexpr std::size_t no_entry = ~std::size_t{0};

/// Number of row entries of a workspace.
[[nodiscard]] COPYSPEC_HOST_DEVICE constexpr std::size_t workspace_rows(cuda::VerifyLimits const& limits) noexcept {
  return static_cast<std::size_t>(limits.max_requests) * (static_cast<std::size_t>(limits.max_draft_length) + 1);
}

/// Bytes of a workspace for `limits`: 16 per row entry and 4 per request.
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

/// What is published about a row: nothing yet (zero), that no node after it can be accepted, or its token.
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
