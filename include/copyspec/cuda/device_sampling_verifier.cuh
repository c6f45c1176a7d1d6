// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <limits>
#include <memory>
#include <span>

#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/device_logits.hpp"
#include "../verify/batch_verifier.hpp"
#include "../verify/sampling_options.hpp"
#include "device_verifier.cuh"
#include "draft_batch.hpp"
#include "sample_verify.cuh"
#include "sampling_parameters.hpp"
#include "verdict_batch.hpp"
#include "workspace.cuh"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The method of a `DeviceVerifier` that runs `sample_verify`: all sequences are drawn with the same options and seed.
class SamplingMethod {
 public:
  static constexpr std::size_t request_bytes = sizeof(cuda::SamplingParameters);
  static_assert(request_bytes % 8 == 0);

  /// Throws `Error` for invalid options, and for options that only the host supports.
  explicit SamplingMethod(SamplingOptions const& options) : parameters_(cuda::SamplingParameters::of(options, 0)) {
    require_valid(options, std::numeric_limits<Token>::max());
    RowHooks const& hooks = options.hooks;
    if (options.typical_p < 1 || options.penalties.any() || options.dry.multiplier != 0 ||
        !options.logit_bias.empty() || options.logprobs || hooks.edit || hooks.allows || hooks.allowed_draft)
      raise_error(
          ErrorCode::bad_options,
          "sampling on a device: typical_p, penalties, bias, hooks and log-probabilities need the host's verifier");
  }

  void stage(std::span<VerifyInput const> trials, unsigned char* memory) const noexcept {
    cuda::SamplingParameters parameters = parameters_;
    auto* const staged = reinterpret_cast<cuda::SamplingParameters*>(memory);
    for (std::size_t i = 0; i < trials.size(); ++i) {
      parameters.position = trials[i].length;
      std::construct_at(staged + i, parameters);
    }
  }

  template <class Scalar>
  [[nodiscard]] static std::size_t scratch_bytes(cuda::VerifyLimits const& limits, std::size_t vocabulary) noexcept {
    return cuda::sample_verify_scratch_bytes<Scalar>(limits, vocabulary);
  }

  template <class Scalar>
  [[nodiscard]] static cudaError_t launch(DeviceLogitsView<Scalar> rows, cuda::DraftBatchView const& drafts,
                                          unsigned char const* staged, cuda::VerdictBatchView const& verdicts,
                                          cuda::Workspace workspace, cuda::Scratch scratch,
                                          cudaStream_t stream) noexcept {
    cuda::SamplingView const sampling{.parameters = reinterpret_cast<cuda::SamplingParameters const*>(staged)};
    return cuda::sample_verify(rows, drafts, sampling, verdicts, workspace, scratch, stream);
  }

 private:
  cuda::SamplingParameters parameters_;
};

}  // namespace detail
namespace cuda {

/// Draws the tokens that `SamplingVerifier` draws with the same options, from rows in device memory. A `BatchVerifier`
/// for a `DeviceModel`; everything in `DeviceVerifier` applies.
class DeviceSamplingVerifier : public DeviceVerifier<detail::SamplingMethod> {
 public:
  explicit DeviceSamplingVerifier(SamplingOptions const& sampling, DeviceVerifierOptions const& options = {})
      : DeviceVerifier(options, detail::SamplingMethod(sampling)) {}
};

}  // namespace cuda
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
