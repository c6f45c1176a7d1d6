// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cuda/draft_batch.hpp>
#include <copyspec/cuda/greedy_verify.cuh>
#include <copyspec/cuda/sample_verify.cuh>
#include <copyspec/model/device_logits.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "device_buffer.hpp"
#include "workload.cuh"

/// Rows in which up to 64 tokens share the mass, each with 6/7 of the one before, above many that have next to none.
template <class Scalar>
__global__ void write_shared_mass(Scalar* logits, std::uint32_t vocabulary, std::size_t count) {
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    std::uint32_t const hash = static_cast<std::uint32_t>(i * 2654435761U) ^ static_cast<std::uint32_t>(i >> 7U);
    auto const token = static_cast<std::uint32_t>(i % vocabulary);
    std::uint32_t const behind = (token + vocabulary - best_token(i / vocabulary, vocabulary)) % vocabulary;
    bool const great = behind % 499 == 0 && behind / 499 < 64;
    float const value =
        great ? 30.0F - static_cast<float>(behind / 499) * 0.154F : static_cast<float>(hash % 4096U) / 256.0F - 8.0F;
    if constexpr (std::is_same_v<Scalar, float>)
      logits[i] = value;
    else
      logits[i] = __float2bfloat16(value);
  }
}

/// Rows of a shape, as often as one wants to have others in turn, all the same, and drafts of which so many tokens are
/// what is drawn.
template <class Scalar>
class SampledWorkload {
 public:
  SampledWorkload(Shape const& shape, std::size_t copies)
      : shape_(shape), logits_(copies * shape.rows() * shape.vocabulary) {
    std::size_t const one = shape.rows() * shape.vocabulary;
    write_shared_mass<<<2048, 256>>>(logits_.data(), shape.vocabulary, one);
    check(cudaGetLastError());
    for (std::size_t copy = 1; copy < copies; ++copy)
      check(cudaMemcpy(logits_.data() + copy * one, logits_.data(), one * sizeof(Scalar), cudaMemcpyDeviceToDevice));
    check(cudaDeviceSynchronize());
  }

  [[nodiscard]] copyspec::DeviceLogitsView<Scalar> rows(std::size_t copy) const {
    return {logits_.data() + copy * shape_.rows() * shape_.vocabulary, shape_.rows(), shape_.vocabulary};
  }

  [[nodiscard]] std::vector<copyspec::cuda::SamplingParameters> parameters(copyspec::SamplingOptions options) const {
    std::vector<copyspec::cuda::SamplingParameters> parameters;
    for (std::uint32_t request = 0; request < shape_.requests; ++request) {
      options.seed = 1000 + request;
      parameters.push_back(copyspec::cuda::SamplingParameters::of(options, 100));
    }
    return parameters;
  }

  /// What each row draws, as a request of its own.
  [[nodiscard]] std::vector<copyspec::Token> drawn(copyspec::SamplingOptions const& options) const {
    using namespace copyspec::cuda;
    auto const rows_of_all = static_cast<std::uint32_t>(shape_.rows());
    std::vector<SamplingParameters> own;
    for (SamplingParameters one : parameters(options))
      for (std::uint32_t row = 0; row <= shape_.drafted; ++row, ++one.position) own.push_back(one);
    DeviceBuffer<SamplingParameters> const device_parameters(own);
    DeviceBuffer<std::int32_t> const offsets(std::vector<std::int32_t>(rows_of_all + 1, 0));
    DeviceBuffer<BatchVerdict> const verdicts(rows_of_all);
    DraftBatchView drafts;
    drafts.offsets = offsets.data();
    drafts.limits = {.max_requests = rows_of_all, .max_draft_length = 0};
    DeviceBuffer<unsigned char> const memory(greedy_verify_workspace_bytes(drafts.limits));
    DeviceBuffer<unsigned char> const scratch(sample_verify_scratch_bytes<Scalar>(drafts.limits, shape_.vocabulary));
    check(sample_verify(rows(0), drafts, {.parameters = device_parameters.data()}, {.verdicts = verdicts.data()},
                        {memory.data(), memory.size()}, {scratch.data(), scratch.size()}, nullptr));
    std::vector<copyspec::Token> tokens;
    for (BatchVerdict const& verdict : verdicts.download()) tokens.push_back(verdict.next);
    return tokens;
  }

  /// Drafts of which the shape's `accepted` tokens are of `drawn`.
  [[nodiscard]] std::vector<copyspec::Token> drafts(std::vector<copyspec::Token> const& drawn) const {
    std::vector<copyspec::Token> tokens;
    for (std::uint32_t request = 0; request < shape_.requests; ++request)
      for (std::uint32_t i = 0; i < shape_.drafted; ++i) {
        copyspec::Token const right = drawn[request * (shape_.drafted + 1) + i];
        tokens.push_back(i < shape_.accepted ? right : right == 0 ? 1 : right - 1);
      }
    return tokens;
  }

 private:
  Shape shape_;
  DeviceBuffer<Scalar> logits_;
};
