// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cuda/verdict_batch.hpp>
#include <copyspec/model/device_logits.hpp>
#include <cstddef>
#include <cstdint>
#include <flashinfer/sampling.cuh>
#include <type_traits>

#include "device_buffer.hpp"
#include "workload.cuh"

__global__ void widen(__nv_bfloat16 const* from, float* to, std::size_t count) {
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step)
    to[i] = __bfloat162float(from[i]);
}

__global__ void compare_drawn(std::int32_t const* drawn, copyspec::Token const* drafts, std::uint32_t requests,
                              std::uint32_t drafted, copyspec::cuda::BatchVerdict* verdicts) {
  std::uint32_t const request = blockIdx.x * blockDim.x + threadIdx.x;
  if (request >= requests) return;
  std::int32_t const* const rows = drawn + request * (drafted + 1);
  std::uint32_t accepted = 0;
  while (accepted < drafted && rows[accepted] == drafts[request * drafted + accepted]) ++accepted;
  verdicts[request] = {static_cast<std::int32_t>(accepted), rows[accepted], copyspec::cuda::VerifyStatus::ok};
}

/// The same work with FlashInfer: its softmax and its sampling by top-k and top-p at once, of all rows, and a
/// comparison. It takes float rows, so others are widened before. What it draws is another sample.
class FlashInferSampler {
 public:
  explicit FlashInferSampler(Shape const& shape)
      : shape_(shape),
        wide_(shape.rows() * shape.vocabulary),
        probabilities_(shape.rows() * shape.vocabulary),
        drawn_(shape.rows()),
        valid_(shape.rows()),
        workspace_(std::size_t{16} << 20U) {}

  template <class Scalar>
  void enqueue(copyspec::DeviceLogitsView<Scalar> rows, copyspec::Token const* drafts,
               copyspec::cuda::BatchVerdict* verdicts, std::uint32_t top_k, float top_p, cudaStream_t stream) {
    float* logits = nullptr;
    if constexpr (std::is_same_v<Scalar, float>) {
      logits = const_cast<float*>(rows.data());
    } else {
      widen<<<2048, 256, 0, stream>>>(rows.data(), wide_.data(), wide_.size());
      logits = wide_.data();
    }
    auto const count = static_cast<std::uint32_t>(shape_.rows());
    check(flashinfer::sampling::OnlineSoftmax<float>(logits, probabilities_.data(), count, shape_.vocabulary, nullptr,
                                                     1.0F, workspace_.data(), workspace_.size(), false, stream));
    check(flashinfer::sampling::TopKTopPSamplingFromProb<float, std::int32_t>(
        probabilities_.data(), nullptr, nullptr, drawn_.data(), valid_.data(), nullptr, count,
        static_cast<std::int32_t>(top_k), top_p, shape_.vocabulary, true, nullptr, 7, nullptr, 0, stream));
    compare_drawn<<<(shape_.requests + 63) / 64, 64, 0, stream>>>(drawn_.data(), drafts, shape_.requests,
                                                                  shape_.drafted, verdicts);
    check(cudaGetLastError());
  }

 private:
  Shape shape_;
  DeviceBuffer<float> wide_;
  DeviceBuffer<float> probabilities_;
  DeviceBuffer<std::int32_t> drawn_;
  DeviceBuffer<bool> valid_;
  DeviceBuffer<unsigned char> workspace_;
};
