// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/cuda/greedy_verify.cuh>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "batch.hpp"
#include "device_memory.hpp"

/// A `Batch` with its outputs and its workspace in device memory, every array exactly as long as it must be.
template <class Scalar>
class DeviceBatch {
 public:
  explicit DeviceBatch(Batch<Scalar> const& batch)
      : batch_(batch),
        count_(std::vector<std::int32_t>{batch.request_count}),
        offsets_(batch.offsets),
        tokens_(batch.tokens),
        parents_(batch.parents),
        logits_(batch.logits),
        verdicts_(batch.limits.max_requests),
        emitted_(std::size_t{batch.limits.max_requests} * (batch.limits.max_draft_length + 1)),
        path_(std::size_t{batch.limits.max_requests} * batch.limits.max_draft_length),
        workspace_((copyspec::cuda::greedy_verify_workspace_bytes(batch.limits) + 7) / 8) {
    poison_outputs();
    check(cudaMemset(workspace_.data(), 0xEE, workspace_.size() * 8));
    check(copyspec::cuda::initialize(workspace(), nullptr));
    check(cudaDeviceSynchronize());
  }

  /// Other contents of the same sizes.
  void change(Batch<Scalar> const& batch) {
    count_.upload(std::vector<std::int32_t>{batch.request_count});
    offsets_.upload(batch.offsets);
    tokens_.upload(batch.tokens);
    if (batch.trees) parents_.upload(batch.parents);
    logits_.upload(batch.logits);
  }

  void poison_outputs() {
    Verdicts const outputs = poisoned(batch_.limits);
    verdicts_.upload(outputs.verdicts);
    emitted_.upload(outputs.emitted);
    path_.upload(outputs.path);
  }

  [[nodiscard]] cudaError_t launch(cudaStream_t stream, copyspec::cuda::VerifyOptions const& options = {}) const {
    return copyspec::cuda::greedy_verify(rows(), drafts(), outputs(), workspace(), stream, options);
  }

  [[nodiscard]] copyspec::DeviceLogitsView<Scalar> rows() const {
    return {logits_.data() + batch_.first_logit, batch_.row_count, batch_.vocabulary, batch_.stride};
  }
  [[nodiscard]] copyspec::cuda::DraftBatchView drafts() const {
    return {.request_count = batch_.use_count ? count_.data() : nullptr,
            .offsets = offsets_.data(),
            .tokens = tokens_.data(),
            .parents = batch_.trees ? parents_.data() : nullptr,
            .token_capacity = static_cast<std::uint32_t>(batch_.tokens.size()),
            .limits = batch_.limits};
  }
  [[nodiscard]] copyspec::cuda::VerdictBatchView outputs() const {
    return {.verdicts = verdicts_.data(), .emitted = emitted_.data(), .path = path_.data()};
  }
  [[nodiscard]] copyspec::cuda::Workspace workspace() const {
    return {workspace_.data(), copyspec::cuda::greedy_verify_workspace_bytes(batch_.limits)};
  }

  [[nodiscard]] Verdicts verdicts() const {
    return {batch_.limits, verdicts_.download(), emitted_.download(), path_.download()};
  }
  [[nodiscard]] std::vector<std::uint64_t> workspace_words() const {
    std::vector<std::uint64_t> words = workspace_.download();
    // The last word may be half the workspace's.
    if (workspace().bytes % 8 != 0) words.back() &= 0xFFFFFFFFU;
    return words;
  }

 private:
  Batch<Scalar> batch_;
  DeviceArray<std::int32_t> count_;
  DeviceArray<std::int32_t> offsets_;
  DeviceArray<copyspec::Token> tokens_;
  DeviceArray<std::int32_t> parents_;
  DeviceArray<Scalar> logits_;
  DeviceArray<copyspec::cuda::BatchVerdict> verdicts_;
  DeviceArray<copyspec::Token> emitted_;
  DeviceArray<std::int32_t> path_;
  DeviceArray<std::uint64_t> workspace_;
};
