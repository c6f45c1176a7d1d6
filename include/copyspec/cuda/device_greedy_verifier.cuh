// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <span>

#include "../device_logits.hpp"
#include "../pass_verifier.hpp"
#include "device_verifier.cuh"
#include "draft_batch.hpp"
#include "greedy_verify.cuh"
#include "verdict_batch.hpp"
#include "verify_launch.cuh"

namespace copyspec::inline v0::cuda {

/// `greedy_verify`, as a method of a `DeviceVerifier`.
struct GreedyMethod {
  static constexpr std::size_t request_bytes = 0;

  static void stage(std::span<Trial const> /*trials*/, unsigned char* /*memory*/) noexcept {}

  template <class Scalar>
  [[nodiscard]] static std::size_t scratch_bytes(VerifyLimits const& /*limits*/, std::size_t /*vocabulary*/) noexcept {
    return 0;
  }

  template <class Scalar>
  [[nodiscard]] static cudaError_t launch(DeviceLogitsView<Scalar> rows, DraftBatchView const& drafts,
                                          unsigned char const* /*staged*/, VerdictBatchView const& verdicts,
                                          Workspace workspace, Scratch /*scratch*/, cudaStream_t stream) noexcept {
    return greedy_verify(rows, drafts, verdicts, workspace, stream);
  }
};

/// Decides what `GreedyVerifier` decides, on rows in device memory.
using DeviceGreedyVerifier = DeviceVerifier<GreedyMethod>;

}  // namespace copyspec::inline v0::cuda
