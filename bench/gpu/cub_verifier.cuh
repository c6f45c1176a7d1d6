// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <copyspec/cuda/draft_batch.hpp>
#include <copyspec/cuda/verdict_batch.hpp>
#include <copyspec/model/device_logits.hpp>
#include <cstddef>
#include <cstdint>
#include <cub/device/device_segmented_reduce.cuh>
#include <vector>

#include "device_buffer.hpp"

/// What follows an argmax: a thread for each request holds its chain against the tokens of its rows.
template <class Scalar>
__global__ void compare_drafts(cub::KeyValuePair<int, Scalar> const* best, copyspec::cuda::DraftBatchView drafts,
                               copyspec::cuda::BatchVerdict* verdicts) {
  std::uint32_t const request = blockIdx.x * blockDim.x + threadIdx.x;
  if (request >= drafts.limits.max_requests) return;
  std::int32_t const begin = drafts.offsets[request];
  std::int32_t const length = drafts.offsets[request + 1] - begin;
  auto const* const rows = best + begin + static_cast<std::int32_t>(request);
  std::int32_t accepted = 0;
  while (accepted < length && rows[accepted].key == drafts.tokens[begin + accepted]) ++accepted;
  verdicts[request] = {accepted, rows[accepted].key, copyspec::cuda::VerifyStatus::ok};
}

/// The same verdicts from CUB: its segmented argmax over all rows, and a comparison. Of rows without NaN.
template <class Scalar>
class CubVerifier {
 public:
  CubVerifier(copyspec::DeviceLogitsView<Scalar> rows, copyspec::cuda::DraftBatchView const& drafts)
      : drafts_(drafts), best_(rows.rows()), row_offsets_(make_offsets(rows)), temporary_(temporary_bytes(rows)) {}

  void enqueue(copyspec::DeviceLogitsView<Scalar> rows, copyspec::cuda::BatchVerdict* verdicts, cudaStream_t stream) {
    std::size_t bytes = temporary_.size();
    check(reduce(temporary_.data(), bytes, rows, stream));
    std::uint32_t const requests = drafts_.limits.max_requests;
    compare_drafts<<<(requests + 63) / 64, 64, 0, stream>>>(best_.data(), drafts_, verdicts);
    check(cudaGetLastError());
  }

 private:
  static std::vector<std::int64_t> make_offsets(copyspec::DeviceLogitsView<Scalar> rows) {
    std::vector<std::int64_t> offsets;
    for (std::size_t row = 0; row <= rows.rows(); ++row)
      offsets.push_back(static_cast<std::int64_t>(row * rows.stride()));
    return offsets;
  }

  std::size_t temporary_bytes(copyspec::DeviceLogitsView<Scalar> rows) {
    std::size_t bytes = 0;
    check(reduce(nullptr, bytes, rows, nullptr));
    return bytes;
  }

  cudaError_t reduce(void* temporary, std::size_t& bytes, copyspec::DeviceLogitsView<Scalar> rows,
                     cudaStream_t stream) {
    return cub::DeviceSegmentedReduce::ArgMax(temporary, bytes, rows.data(), best_.data(),
                                              static_cast<std::int64_t>(rows.rows()), row_offsets_.data(),
                                              row_offsets_.data() + 1, stream);
  }

  copyspec::cuda::DraftBatchView drafts_;
  DeviceBuffer<cub::KeyValuePair<int, Scalar>> best_;
  DeviceBuffer<std::int64_t> row_offsets_;
  DeviceBuffer<unsigned char> temporary_;
};
