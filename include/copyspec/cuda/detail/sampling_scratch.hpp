// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../../core/version.hpp"
#include "../draft_batch.hpp"
#include "../logit_format.hpp"
#include "verify_workspace.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Bytes of the shortest tile for work items that draw. Each tile stores one number per thread, so shorter tiles would
/// cost more to search than they save.
inline constexpr std::uint32_t shortest_drawn_bytes = 8192;

/// The most tiles that a row can have. All but the last are at least `shortest_drawn_bytes` long.
[[nodiscard]] constexpr std::size_t most_drawn_tiles(cuda::LogitFormat format, std::size_t vocabulary) noexcept {
  return (vocabulary * scalar_bytes(format) + shortest_drawn_bytes - 1) / shortest_drawn_bytes;
}

/// The device memory that a `SamplingRule` needs besides a `VerifyWorkspace`. Separate, because its contents are
/// arbitrary before and after a launch.
struct SamplingScratch {
  float* row_logprobs = nullptr;    ///< [rows]
  std::uint32_t* maxima = nullptr;  ///< [rows, tiles, team size]
};

/// Bytes of it, for teams of `team_size`.
[[nodiscard]] constexpr std::size_t sampling_scratch_bytes(cuda::VerifyLimits const& limits, cuda::LogitFormat format,
                                                           std::size_t vocabulary, std::uint32_t team_size) noexcept {
  return workspace_rows(limits) * (1 + most_drawn_tiles(format, vocabulary) * team_size) * sizeof(std::uint32_t);
}

/// The parts of the `sampling_scratch_bytes` at `memory`, which is aligned to 4.
[[nodiscard]] inline SamplingScratch sampling_scratch(void* memory, cuda::VerifyLimits const& limits) noexcept {
  SamplingScratch scratch;
  scratch.row_logprobs = static_cast<float*>(memory);
  scratch.maxima = reinterpret_cast<std::uint32_t*>(scratch.row_logprobs + workspace_rows(limits));
  return scratch;
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
