// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace cuda {

/// Memory for a verification, owned by the caller: `greedy_verify_workspace_bytes(limits)` bytes of device memory,
/// aligned to 8, for the batch's limits. It may serve one launch after another, on one stream or ordered by events, but
/// no two at a time.
struct Workspace {
  void* data = nullptr;
  std::size_t bytes = 0;
};

/// Device memory owned by the caller, with arbitrary contents before and after.
struct Scratch {
  void* data = nullptr;
  std::size_t bytes = 0;
};

/// Enqueues the initialisation that a workspace needs before its first use. Each launch restores this state for the
/// next, also with other limits. Needed again after a launch that did not complete (a fault, a device reset).
[[nodiscard]] inline cudaError_t initialize(Workspace workspace, cudaStream_t stream) noexcept {
  return cudaMemsetAsync(workspace.data, 0, workspace.bytes, stream);
}

}  // namespace cuda
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
