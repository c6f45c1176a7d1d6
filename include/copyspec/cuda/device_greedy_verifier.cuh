// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <span>

#include "../core/version.hpp"
#include "../model/device_logits.hpp"
#include "../verify/batch_verifier.hpp"
#include "device_verifier.cuh"
#include "draft_batch.hpp"
#include "greedy_verify.cuh"
#include "verdict_batch.hpp"
#include "workspace.cuh"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The method of a `DeviceVerifier` that runs `greedy_verify`.
struct GreedyMethod {
  static constexpr std::size_t request_bytes = 0;

  static void stage(std::span<VerifyInput const> /*trials*/, unsigned char* /*memory*/) noexcept {}

  template <class Scalar>
  [[nodiscard]] static std::size_t scratch_bytes(cuda::VerifyLimits const& /*limits*/,
                                                 std::size_t /*vocabulary*/) noexcept {
    return 0;
  }

  template <class Scalar>
  [[nodiscard]] static cudaError_t launch(DeviceLogitsView<Scalar> rows, cuda::DraftBatchView const& drafts,
                                          unsigned char const* /*staged*/, cuda::VerdictBatchView const& verdicts,
                                          cuda::Workspace workspace, cuda::Scratch /*scratch*/,
                                          cudaStream_t stream) noexcept {
    return cuda::greedy_verify(rows, drafts, verdicts, workspace, stream);
  }
};

}  // namespace detail
namespace cuda {

/// Makes the decisions of `GreedyVerifier`, on rows in device memory. A `BatchVerifier` for a `DeviceModel`; everything
/// in `DeviceVerifier` applies.
using DeviceGreedyVerifier = DeviceVerifier<detail::GreedyMethod>;

}  // namespace cuda
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
