// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "../assert.hpp"
#include "../device_logits.hpp"
#include "../error.hpp"
#include "../pass_verifier.hpp"
#include "../verifier.hpp"
#include "greedy_verify.cuh"
#include "pack_drafts.hpp"

namespace copyspec::inline v0::cuda {

/// For what size of a pass a `DeviceGreedyVerifier` sets memory aside at once, and on which stream it works.
struct DeviceGreedyVerifierOptions {
  cudaStream_t stream = nullptr;  ///< The stream that the model's rows are written on, or one ordered behind it.
  std::uint32_t sequences = 64;
  std::uint32_t draft_length = 32;
};

/// A `PassVerifier` for a `DeviceModel`: drafts go to the device, one kernel judges all of a pass, and verdicts come
/// back; rows stay where they are. Decides what `GreedyVerifier` decides.
///
/// Belongs to the device that is current when it is made. `verify` waits for its stream, because what is fed next
/// depends on the verdicts. It allocates, and waits for the device, only for a pass that is larger than any before and
/// than the options. Failure: what CUDA refuses, and a draft of more than `longest_draft` tokens, is an `Error`.
/// Movable. Threads: one call at a time.
class DeviceGreedyVerifier {
 public:
  explicit DeviceGreedyVerifier(DeviceGreedyVerifierOptions const& options = {}) : stream_(options.stream) {
    reserve({.limits = {.max_requests = options.sequences, .max_draft_length = options.draft_length},
             .drafted = std::size_t{options.sequences} * options.draft_length});
  }

  template <class Scalar>
  void verify(DeviceLogitsView<Scalar> rows, std::span<Trial const> trials, std::span<Verdict> verdicts) {
    COPYSPEC_ASSERT(verdicts.size() == trials.size(), "a verdict for each trial");
    PassSize const pass = size_of(trials);
    if (pass.limits.max_draft_length > longest_draft)
      raise("a draft of " + std::to_string(pass.limits.max_draft_length) + " tokens is longer than the " +
            std::to_string(longest_draft) + " that can be verified on the device");
    reserve(pass);

    std::size_t const offsets = trials.size() + 1;
    auto* const staged = static_cast<std::int32_t*>(host_.get());
    pack_drafts(trials, {staged, offsets}, {staged + offsets, pass.drafted});
    auto* const input = static_cast<std::int32_t*>(input_.get());
    check(cudaMemcpyAsync(input, staged, (offsets + pass.drafted) * sizeof(std::int32_t), cudaMemcpyHostToDevice,
                          stream_));
    // The host knows what this pass holds, so no block starts in vain.
    DraftBatchView drafts;
    drafts.offsets = input;
    drafts.tokens = input + offsets;
    drafts.token_capacity = static_cast<std::uint32_t>(pass.drafted);
    drafts.limits = pass.limits;
    auto* const output = static_cast<BatchVerdict*>(output_.get());
    check(greedy_verify(rows, drafts, {.verdicts = output}, {workspace_.get(), workspace_bytes_}, stream_));
    auto* const returned = static_cast<BatchVerdict*>(host_.get());
    check(cudaMemcpyAsync(returned, output, trials.size() * sizeof(BatchVerdict), cudaMemcpyDeviceToHost, stream_));
    check(cudaStreamSynchronize(stream_));
    std::transform(returned, returned + trials.size(), verdicts.begin(), on_host);
  }

 private:
  struct FreeDevice {
    void operator()(void* memory) const noexcept { static_cast<void>(cudaFree(memory)); }
  };
  struct FreeHost {
    void operator()(void* memory) const noexcept { static_cast<void>(cudaFreeHost(memory)); }
  };
  using DeviceMemory = std::unique_ptr<void, FreeDevice>;
  using HostMemory = std::unique_ptr<void, FreeHost>;

  static void check(cudaError_t error) {
    if (error != cudaSuccess) raise(std::string("verifying on the device: ") + cudaGetErrorString(error));
  }

  [[nodiscard]] static Verdict on_host(BatchVerdict const& verdict) {
    if (verdict.status != VerifyStatus::ok && verdict.status != VerifyStatus::invalid_row)
      raise("verifying on the device: a draft token outside the vocabulary, or fewer rows than drafts need");
    bool const valid = verdict.status == VerifyStatus::ok;
    return {.accepted = static_cast<std::size_t>(verdict.accepted),
            .next = valid ? verdict.next : 0,
            .status = valid ? VerdictStatus::ok : VerdictStatus::invalid_row};
  }

  [[nodiscard]] static DeviceMemory allocate(std::size_t bytes) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes));
    return DeviceMemory(memory);
  }

  // Input and output use the pinned memory one after the other.
  void reserve(PassSize const& pass) {
    std::size_t const input = (pass.limits.max_requests + 1 + pass.drafted) * sizeof(std::int32_t);
    std::size_t const output = pass.limits.max_requests * sizeof(BatchVerdict);
    std::size_t const workspace = greedy_verify_workspace_bytes(pass.limits);
    if (std::max(input, output) > host_bytes_) {
      void* memory = nullptr;
      check(cudaMallocHost(&memory, std::max(input, output)));
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
      check(initialize({workspace_.get(), workspace_bytes_}, stream_));
    }
  }

  cudaStream_t stream_;
  HostMemory host_;
  DeviceMemory input_;
  DeviceMemory output_;
  DeviceMemory workspace_;
  std::size_t host_bytes_ = 0;
  std::size_t input_bytes_ = 0;
  std::size_t output_bytes_ = 0;
  std::size_t workspace_bytes_ = 0;
};

}  // namespace copyspec::inline v0::cuda
