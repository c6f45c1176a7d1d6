// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "draft_batch.hpp"
#include "logit_format.hpp"
#include "verify_workspace.hpp"

namespace copyspec::inline v0::cuda {

/// Bytes of the shortest tile whose work items draw. Each leaves a number a thread, so short ones would cost more to
/// look through than they save.
inline constexpr std::uint32_t shortest_drawn_bytes = 8192;

/// The most tiles that a row has, none of which but the last is shorter.
[[nodiscard]] constexpr std::size_t most_drawn_tiles(LogitFormat format, std::size_t vocabulary) noexcept {
  return (vocabulary * scalar_bytes(format) + shortest_drawn_bytes - 1) / shortest_drawn_bytes;
}

/// What a `SamplingRule` needs beside a `VerifyWorkspace`, in the same memory. Its contents do not matter.
struct SamplingWorkspace {
  float* row_logprobs = nullptr;    ///< [rows]
  std::uint32_t* maxima = nullptr;  ///< [rows, tiles, team size]
};

/// Bytes of both together, for teams of `team_size`: to draw from bf16 rows, an eighth of these.
[[nodiscard]] constexpr std::size_t sampling_workspace_bytes(VerifyLimits const& limits, LogitFormat format,
                                                             std::size_t vocabulary, std::uint32_t team_size) noexcept {
  return verify_workspace_bytes(limits) +
         workspace_rows(limits) * (1 + most_drawn_tiles(format, vocabulary) * team_size) * sizeof(std::uint32_t);
}

/// The parts of it behind the `VerifyWorkspace`.
[[nodiscard]] inline SamplingWorkspace sampling_workspace(void* memory, VerifyLimits const& limits) noexcept {
  auto* const behind = static_cast<unsigned char*>(memory) + verify_workspace_bytes(limits);
  SamplingWorkspace workspace;
  workspace.row_logprobs = reinterpret_cast<float*>(behind);
  workspace.maxima = reinterpret_cast<std::uint32_t*>(workspace.row_logprobs + workspace_rows(limits));
  return workspace;
}

}  // namespace copyspec::inline v0::cuda
