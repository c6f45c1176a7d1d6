// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "../core/assert.hpp"
#include "../core/error.hpp"
#include "../core/version.hpp"
#include "../model/device_logits.hpp"
#include "../verify/batch_verifier.hpp"
#include "../verify/verifier.hpp"
#include "detail/pack_drafts.hpp"
#include "detail/verify_launch.cuh"
#include "detail/verify_workspace.hpp"
#include "draft_batch.hpp"
#include "verdict_batch.hpp"
#include "workspace.cuh"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace cuda {

/// The stream of a device verifier, and the size of a pass for which it allocates memory in advance.
struct DeviceVerifierOptions {
  cudaStream_t stream = nullptr;  ///< The stream that writes the model's rows, or one ordered after it.
  std::uint32_t sequences = 64;
  std::uint32_t draft_length = 32;
};

/// A `BatchVerifier` for a `DeviceModel`. Drafts go to the device, one kernel verifies all of a pass, and verdicts come
/// back; rows stay where they are.
///
/// Belongs to the device that is current at construction. `verify` waits for its stream, because the next tokens to
/// feed depend on the verdicts. It allocates, and waits for the device, only for a pass that is larger than any before
/// and than the options. Memory that grows with the vocabulary is allocated in the first pass.
///
/// Failure: throws `Error` for CUDA errors, and for a draft of more than `longest_draft` tokens. Movable. Threads: one
/// call at a time.
///
/// `Method` defines the verification. It sends `request_bytes` to the device for each request, a multiple of 8, which
/// `stage(trials, memory)` writes. It needs `scratch_bytes<Scalar>(limits, vocabulary)` of device memory. `launch(rows,
/// drafts, staged, verdicts, workspace, scratch, stream)` enqueues the work.
template <class Method>
class DeviceVerifier {
 public:
  /// Allocates memory for a pass of the size in `options`. Throws `Error` for CUDA errors.
  explicit DeviceVerifier(DeviceVerifierOptions const& options = {}, Method method = {})
      : stream_(options.stream), method_(std::move(method)) {
    reserve({.limits = {.max_requests = options.sequences, .max_draft_length = options.draft_length},
             .drafted = std::size_t{options.sequences} * options.draft_length});
  }

  /// See `BatchVerifier`. Returns when the stream has run the verification. Also throws `Error` for a draft token
  /// outside the vocabulary, and for fewer rows than the drafts need.
  template <class Scalar>
  void verify(DeviceLogitsView<Scalar> rows, std::span<VerifyInput const> trials, std::span<Verdict> verdicts) {
    COPYSPEC_ASSERT(verdicts.size() == trials.size(), "a verdict for each trial");
    detail::PassSize const pass = detail::size_of(trials);
    if (pass.limits.max_draft_length > detail::longest_draft)
      raise_error(ErrorCode::bad_options, "a draft of " + std::to_string(pass.limits.max_draft_length) +
                                              " tokens is longer than the " + std::to_string(detail::longest_draft) +
                                              " that can be verified on the device");
    reserve(pass);
    std::size_t const scratch = method_.template scratch_bytes<Scalar>(pass.limits, rows.vocabulary());
    if (scratch > scratch_bytes_) {
      scratch_ = allocate(scratch);
      scratch_bytes_ = scratch;
    }

    std::size_t const own = trials.size() * Method::request_bytes;
    std::size_t const offsets = trials.size() + 1;
    auto* const staged = static_cast<unsigned char*>(host_.get());
    method_.stage(trials, staged);
    auto* const numbers = reinterpret_cast<std::int32_t*>(staged + own);
    detail::pack_drafts(trials, {numbers, offsets}, {numbers + offsets, pass.drafted});
    auto* const input = static_cast<unsigned char*>(input_.get());
    check_cuda(cudaMemcpyAsync(input, staged, own + (offsets + pass.drafted) * sizeof(std::int32_t),
                               cudaMemcpyHostToDevice, stream_));
    // The host knows the size of this pass, so no block starts without work.
    DraftBatchView drafts;
    drafts.offsets = reinterpret_cast<std::int32_t const*>(input + own);
    drafts.tokens = drafts.offsets + offsets;
    drafts.token_capacity = static_cast<std::uint32_t>(pass.drafted);
    drafts.limits = pass.limits;
    auto* const output = static_cast<BatchVerdict*>(output_.get());
    check_cuda(method_.launch(rows, drafts, input, {.verdicts = output}, {workspace_.get(), workspace_bytes_},
                              {scratch_.get(), scratch_bytes_}, stream_));
    auto* const returned = static_cast<BatchVerdict*>(host_.get());
    check_cuda(
        cudaMemcpyAsync(returned, output, trials.size() * sizeof(BatchVerdict), cudaMemcpyDeviceToHost, stream_));
    check_cuda(cudaStreamSynchronize(stream_));
    std::transform(returned, returned + trials.size(), verdicts.begin(), on_host);
  }

 protected:
  [[nodiscard]] Method& method() noexcept { return method_; }

 private:
  struct FreeDevice {
    void operator()(void* memory) const noexcept { static_cast<void>(cudaFree(memory)); }
  };
  struct FreeHost {
    void operator()(void* memory) const noexcept { static_cast<void>(cudaFreeHost(memory)); }
  };
  using DeviceMemory = std::unique_ptr<void, FreeDevice>;
  using HostMemory = std::unique_ptr<void, FreeHost>;

  static void check_cuda(cudaError_t error) {
    if (error != cudaSuccess)
      raise_error(ErrorCode::engine, std::string("verifying on the device: ") + cudaGetErrorString(error));
  }

  [[nodiscard]] static Verdict on_host(BatchVerdict const& verdict) {
    if (verdict.status != VerifyStatus::ok && verdict.status != VerifyStatus::invalid_row)
      raise_error(ErrorCode::engine,
                  "verifying on the device: a draft token outside the vocabulary, or fewer rows than drafts need");
    bool const valid = verdict.status == VerifyStatus::ok;
    return {.accepted = static_cast<std::size_t>(verdict.accepted),
            .next = valid ? verdict.next : 0,
            .status = valid ? VerdictStatus::ok : VerdictStatus::invalid_row};
  }

  [[nodiscard]] static DeviceMemory allocate(std::size_t bytes) {
    void* memory = nullptr;
    check_cuda(cudaMalloc(&memory, bytes));
    return DeviceMemory(memory);
  }

  // Input and output use the pinned memory one after the other.
  void reserve(detail::PassSize const& pass) {
    std::size_t const input = pass.limits.max_requests * Method::request_bytes +
                              (pass.limits.max_requests + 1 + pass.drafted) * sizeof(std::int32_t);
    std::size_t const output = pass.limits.max_requests * sizeof(BatchVerdict);
    std::size_t const workspace = detail::verify_workspace_bytes(pass.limits);
    if (std::max(input, output) > host_bytes_) {
      void* memory = nullptr;
      check_cuda(cudaMallocHost(&memory, std::max(input, output)));
      host_.reset(memory);
      host_bytes_ = std::max(input, output);
    }
    if (input > input_bytes_) {
      input_ = allocate(input);
      input_bytes_ = input;
    }
    if (output > output_bytes_) {
      output_ = allocate(output);
      output_bytes_ = output;
    }
    if (workspace > workspace_bytes_) {
      workspace_ = allocate(workspace);
      workspace_bytes_ = workspace;
      check_cuda(initialize({workspace_.get(), workspace_bytes_}, stream_));
    }
  }

  cudaStream_t stream_;
  Method method_;
  HostMemory host_;
  DeviceMemory input_;
  DeviceMemory output_;
  DeviceMemory workspace_;
  DeviceMemory scratch_;
  std::size_t host_bytes_ = 0;
  std::size_t input_bytes_ = 0;
  std::size_t output_bytes_ = 0;
  std::size_t workspace_bytes_ = 0;
  std::size_t scratch_bytes_ = 0;
};

}  // namespace cuda
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
