// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cuda/draft_batch.hpp>
#include <copyspec/model/device_logits.hpp>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "device_buffer.hpp"

/// What is verified: requests of `drafted` draft tokens each, of which the first `accepted` are right.
struct Shape {
  std::uint32_t requests = 1;
  std::uint32_t drafted = 10;
  std::uint32_t accepted = 0;
  std::uint32_t vocabulary = 0;

  [[nodiscard]] std::size_t rows() const { return std::size_t{requests} * (drafted + 1); }
};

/// The token that row `row` decides.
[[nodiscard]] __host__ __device__ inline std::uint32_t best_token(std::size_t row, std::uint32_t vocabulary) {
  return static_cast<std::uint32_t>((row * 7919 + 13) % vocabulary);
}

template <class Scalar>
__global__ void write_logits(Scalar* logits, std::uint32_t vocabulary, std::size_t count) {
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    std::uint32_t const hash = static_cast<std::uint32_t>(i * 2654435761U) ^ static_cast<std::uint32_t>(i >> 7U);
    float const value = i % vocabulary == best_token(i / vocabulary, vocabulary)
                            ? 40.0F
                            : static_cast<float>(hash % 4096U) / 256.0F - 8.0F;
    if constexpr (std::is_same_v<Scalar, float>)
      logits[i] = value;
    else
      logits[i] = __float2bfloat16(value);
  }
}

/// Rows of a shape in device memory, as often as one wants to have others in turn.
template <class Scalar>
class Workload {
 public:
  Workload(Shape const& shape, std::size_t copies)
      : shape_(shape),
        offsets_(make_offsets(shape)),
        tokens_(make_tokens(shape)),
        logits_(copies * shape.rows() * shape.vocabulary) {
    for (std::size_t copy = 0; copy < copies; ++copy)
      write_logits<<<2048, 256>>>(logits_.data() + copy * logits(), shape.vocabulary, logits());
    check(cudaGetLastError());
    check(cudaDeviceSynchronize());
  }

  [[nodiscard]] std::size_t logits() const { return shape_.rows() * shape_.vocabulary; }
  [[nodiscard]] copyspec::DeviceLogitsView<Scalar> rows(std::size_t copy) const {
    return {logits_.data() + copy * logits(), shape_.rows(), shape_.vocabulary};
  }
  [[nodiscard]] copyspec::cuda::DraftBatchView drafts() const {
    copyspec::cuda::DraftBatchView drafts;
    drafts.offsets = offsets_.data();
    drafts.tokens = tokens_.data();
    drafts.token_capacity = static_cast<std::uint32_t>(tokens_.size());
    drafts.limits = {.max_requests = shape_.requests, .max_draft_length = shape_.drafted};
    return drafts;
  }

 private:
  static std::vector<std::int32_t> make_offsets(Shape const& shape) {
    std::vector<std::int32_t> offsets;
    for (std::uint32_t i = 0; i <= shape.requests; ++i) offsets.push_back(static_cast<std::int32_t>(i * shape.drafted));
    return offsets;
  }

  static std::vector<copyspec::Token> make_tokens(Shape const& shape) {
    std::vector<copyspec::Token> tokens;
    for (std::uint32_t request = 0; request < shape.requests; ++request) {
      for (std::uint32_t i = 0; i < shape.drafted; ++i) {
        std::uint32_t const right = best_token(std::size_t{request} * (shape.drafted + 1) + i, shape.vocabulary);
        tokens.push_back(static_cast<copyspec::Token>(i < shape.accepted ? right : (right + 1) % shape.vocabulary));
      }
    }
    return tokens;
  }

  Shape shape_;
  DeviceBuffer<std::int32_t> offsets_;
  DeviceBuffer<copyspec::Token> tokens_;
  DeviceBuffer<Scalar> logits_;
};
