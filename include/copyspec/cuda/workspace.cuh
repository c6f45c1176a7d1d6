// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace cuda {

/// Memory for a verification, of the caller's: `greedy_verify_workspace_bytes(limits)` bytes of device memory, aligned
/// to 8, for the limits that the batch names. It may serve one launch after the other, on one stream or ordered by
/// events, but no two at a time.
struct Workspace {
  void* data = nullptr;
  std::size_t bytes = 0;
};

/// Device memory of the caller's, of which nothing is expected and nothing is kept.
struct Scratch {
  void* data = nullptr;
  std::size_t bytes = 0;
};

/// Enqueues what a workspace needs before its first use; each launch leaves it so for the next, for other limits too.
/// After a launch that did not run to its end (a fault, a device that was reset) it is needed again.
[[nodiscard]] inline cudaError_t initialize(Workspace workspace, cudaStream_t stream) noexcept {
  return cudaMemsetAsync(workspace.data, 0, workspace.bytes, stream);
}

}  // namespace cuda
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
