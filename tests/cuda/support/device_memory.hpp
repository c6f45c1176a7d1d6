// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

/// Throws if a call of the CUDA runtime failed.
inline void check(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(error));
}

/// Runs a kernel on the default stream, in `blocks` of `threads`.
template <class... Parameters, class... Arguments>
void launch(std::uint32_t blocks, std::uint32_t threads, void (*kernel)(Parameters...), Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(threads);
  check(cudaLaunchKernelEx(&config, kernel, arguments...));
}

/// A stream that ends with its scope.
class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() { static_cast<void>(cudaStreamDestroy(stream_)); }
  Stream(Stream const&) = delete;
  Stream& operator=(Stream const&) = delete;

  operator cudaStream_t() const { return stream_; }
  void wait() const { check(cudaStreamSynchronize(stream_)); }

 private:
  cudaStream_t stream_ = nullptr;
};

/// An array in device memory, as long as what it was made from, or empty.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t size) : size_(size) { check(cudaMalloc(&data_, size == 0 ? 1 : size * sizeof(T))); }
  explicit DeviceArray(std::vector<T> const& host) : DeviceArray(host.size()) { upload(host); }
  ~DeviceArray() { static_cast<void>(cudaFree(data_)); }
  DeviceArray(DeviceArray const&) = delete;
  DeviceArray& operator=(DeviceArray const&) = delete;

  [[nodiscard]] T* data() const { return static_cast<T*>(data_); }
  [[nodiscard]] std::size_t size() const { return size_; }

  void upload(std::span<T const> host) const {
    check(cudaMemcpy(data_, host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice));
    // The copy may still be on its way from where the driver has put it, and the tests' streams do not wait for it.
    check(cudaStreamSynchronize(nullptr));
  }
  void download(std::span<T> host) const {
    check(cudaMemcpy(host.data(), data_, host.size() * sizeof(T), cudaMemcpyDeviceToHost));
  }
  [[nodiscard]] std::vector<T> download() const {
    std::vector<T> host(size_);
    download(host);
    return host;
  }

 private:
  void* data_ = nullptr;
  std::size_t size_;
};
