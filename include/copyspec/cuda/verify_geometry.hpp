// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

#include "../core/version.hpp"
#include "draft_batch.hpp"
#include "logit_format.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace cuda {

/// Whether to skip rows after a draft token that is already known to be rejected. The decisions do not depend on it.
enum class RowSkipping : std::uint8_t {
  automatic,  ///< If the work items do not all fit on the device at once, so that some begin after others have ended.
  never,
  always,
};

/// How to divide the work. The decisions do not depend on it.
struct VerifyOptions {
  std::uint32_t tile = 0;  ///< Logits per work item, rounded up to whole vectors; 0: by the device.
  RowSkipping skipping = RowSkipping::automatic;
};

}  // namespace cuda
namespace detail {

/// The device on which work items, which are thread blocks, run.
struct VerifyDevice {
  std::uint32_t processors = 1;      ///< Multiprocessors.
  std::uint32_t blocks_at_once = 1;  ///< Per multiprocessor.
};

/// The division of the work that a launch uses.
struct VerifyGeometry {
  std::uint32_t tile = 0;   ///< Logits; a multiple of `vector_length(format)`, so that all tiles are aligned alike.
  std::uint32_t tiles = 0;  ///< Per row.
  bool skipping = false;
};

/// The smallest tile that is worth a work item of its own.
inline constexpr std::uint32_t shortest_tile_bytes = 2048;

/// Divides rows of `vocabulary` >= 1 logits for `device`, into tiles of at least `shortest_bytes` unless `options` give
/// the tile. O(1).
///
/// Few rows are cut into two tiles per multiprocessor, so that one request uses the whole device. Many rows are cut
/// into tiles of 32 KiB: long enough to amortise the cost of a work item, short enough to avoid a long tail.
[[nodiscard]] inline VerifyGeometry verify_geometry(cuda::LogitFormat format, std::uint32_t vocabulary,
                                                    cuda::VerifyLimits const& limits, VerifyDevice const& device,
                                                    cuda::VerifyOptions const& options = {},
                                                    std::uint32_t shortest_bytes = shortest_tile_bytes) noexcept {
  constexpr std::uint64_t longest_bytes = 32768;

  std::uint64_t const processors = device.processors;
  std::uint64_t const rows = std::uint64_t{limits.max_requests} * (std::uint64_t{limits.max_draft_length} + 1);
  std::uint64_t const row_bytes = std::uint64_t{vocabulary} * scalar_bytes(format);
  std::uint64_t const wanted =
      std::clamp(rows * row_bytes / (2 * processors), std::uint64_t{shortest_bytes}, longest_bytes);
  std::uint64_t const even = (row_bytes + wanted - 1) / wanted;
  std::uint64_t const vector = vector_length(format);
  std::uint64_t const tile = options.tile > 0 ? options.tile : (vocabulary + even - 1) / even;
  VerifyGeometry geometry;
  geometry.tile =
      static_cast<std::uint32_t>(std::min((tile + vector - 1) / vector, (vocabulary + vector - 1) / vector) * vector);
  geometry.tiles = (vocabulary - 1) / geometry.tile + 1;
  geometry.skipping =
      options.skipping == cuda::RowSkipping::always ||
      (options.skipping == cuda::RowSkipping::automatic && rows * geometry.tiles > device.blocks_at_once * processors);
  return geometry;
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
