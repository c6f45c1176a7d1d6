// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <copyspec/core/error.hpp>
#include <copyspec/model/device_logits.hpp>
#include <copyspec/model/device_model.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "toy_language.cuh"

/// Writes the logits of the rows that have `states`: a block row of the grid to each.
static __global__ void write_toy_logits(std::uint64_t const* states, float* logits) {
  std::uint32_t const token = blockIdx.x * blockDim.x + threadIdx.x;
  if (token < ToyLanguage::vocabulary)
    logits[std::size_t{blockIdx.y} * ToyLanguage::vocabulary + token] = ToyLanguage::logit(states[blockIdx.y], token);
}

/// A `DeviceModel`: the toy language with its rows computed and kept in device memory. Put your engine here.
class ToyDeviceModel {
 public:
  /// Works on `stream`, of the current device.
  explicit ToyDeviceModel(cudaStream_t stream)
      : stream_(stream),
        states_(allocate<std::uint64_t>(ToyLanguage::max_tokens)),
        logits_(allocate<float>(ToyLanguage::max_tokens * ToyLanguage::vocabulary)) {}

  [[nodiscard]] std::size_t vocabulary_size() const { return ToyLanguage::vocabulary; }
  [[nodiscard]] std::size_t max_tokens() const { return ToyLanguage::max_tokens; }
  [[nodiscard]] std::size_t context_limit() const { return ToyLanguage::context_limit; }

  copyspec::DeviceLogitsView<float> forward(std::span<copyspec::Segment const> batch) {
    std::span<std::uint64_t const> const states = language_.feed(batch);
    if (!states.empty()) {
      check(cudaMemcpyAsync(states_.get(), states.data(), states.size_bytes(), cudaMemcpyHostToDevice, stream_));
      cudaLaunchConfig_t launch{};
      launch.gridDim = dim3(ToyLanguage::vocabulary / 256, static_cast<unsigned>(states.size()));
      launch.blockDim = dim3(256);
      launch.stream = stream_;
      check(cudaLaunchKernelEx(&launch, &write_toy_logits, states_.get(), logits_.get()));
    }
    return {logits_.get(), states.size(), ToyLanguage::vocabulary};
  }

  std::size_t truncate(copyspec::SequenceId sequence, std::size_t length) {
    return language_.truncate(sequence, length);
  }

 private:
  struct Free {
    void operator()(void* memory) const { static_cast<void>(cudaFree(memory)); }
  };

  static void check(cudaError_t error) {
    if (error != cudaSuccess)
      copyspec::raise_error(copyspec::ErrorCode::engine, std::string("toy device model: ") + cudaGetErrorString(error));
  }

  template <class T>
  static std::unique_ptr<T, Free> allocate(std::size_t count) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, count * sizeof(T)));
    return std::unique_ptr<T, Free>(static_cast<T*>(memory));
  }

  ToyLanguage language_;
  cudaStream_t stream_;
  std::unique_ptr<std::uint64_t, Free> states_;
  std::unique_ptr<float, Free> logits_;
};

static_assert(copyspec::DeviceModel<ToyDeviceModel>);
