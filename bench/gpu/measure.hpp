// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "device_buffer.hpp"

/// What a measurement gave.
struct Measured {
  double microseconds = 0;   ///< Of one call: the median over several replays of the mean within one.
  double fastest = 0;        ///< The least of these means.
  std::size_t launches = 0;  ///< Kernels and copies that one call enqueues.
};

/// Measures `call(index, stream)`, which enqueues work and neither waits nor allocates, by `calls` calls with indices
/// from 0 on, captured into one graph that is replayed: what the host does between launches is not measured. Replays at
/// least 7 times, and up to 21 times as long as that takes no more than 50 milliseconds.
template <class Call>
[[nodiscard]] Measured measure(std::size_t calls, Call&& call) {
  constexpr std::size_t warm_ups = 3;
  constexpr std::size_t fewest = 7;
  constexpr std::size_t most = 21;
  constexpr double enough = 50;

  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  cudaGraph_t graph = nullptr;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  for (std::size_t i = 0; i < calls; ++i) call(i, stream);
  check(cudaStreamEndCapture(stream, &graph));
  std::size_t nodes = 0;
  check(cudaGraphGetNodes(graph, nullptr, &nodes));
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, graph, 0));
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  check(cudaEventCreate(&begin));
  check(cudaEventCreate(&end));

  std::vector<double> means;
  double spent = 0;
  for (std::size_t i = 0; i < warm_ups + fewest || (i < warm_ups + most && spent < enough); ++i) {
    check(cudaEventRecord(begin, stream));
    check(cudaGraphLaunch(executable, stream));
    check(cudaEventRecord(end, stream));
    check(cudaEventSynchronize(end));
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end));
    if (i < warm_ups) continue;
    spent += static_cast<double>(milliseconds);
    means.push_back(1000.0 * static_cast<double>(milliseconds) / static_cast<double>(calls));
  }
  check(cudaEventDestroy(begin));
  check(cudaEventDestroy(end));
  check(cudaGraphExecDestroy(executable));
  check(cudaGraphDestroy(graph));
  check(cudaStreamDestroy(stream));
  std::ranges::sort(means);
  return {.microseconds = means[means.size() / 2], .fastest = means.front(), .launches = nodes / calls};
}
