// SPDX-License-Identifier: MIT
// Measures greedy verification on a device beside what it is held against, and prints lines of JSON.
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <copyspec/cuda/greedy_verify.cuh>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "cub_verifier.cuh"
#include "device_buffer.hpp"
#include "measure.hpp"
#include "record.hpp"
#include "workload.cuh"

namespace {

using copyspec::cuda::BatchVerdict;
using copyspec::cuda::RowSkipping;
using copyspec::cuda::VerifyStatus;

void expect_right(DeviceBuffer<BatchVerdict> const& verdicts, Shape const& shape) {
  std::vector<BatchVerdict> const found = verdicts.download();
  for (std::size_t request = 0; request < found.size(); ++request) {
    std::size_t const row = request * (shape.drafted + 1) + shape.accepted;
    if (found[request].status != VerifyStatus::ok ||
        found[request].accepted != static_cast<std::int32_t>(shape.accepted) ||
        found[request].next != static_cast<copyspec::Token>(best_token(row, shape.vocabulary)))
      throw std::runtime_error("wrong verdict on request " + std::to_string(request));
  }
}

template <class Scalar>
void measure_shape(Shape const& shape, char const* scalar) {
  std::size_t const bytes = shape.rows() * shape.vocabulary * sizeof(Scalar);
  std::size_t const copies = copies_of(bytes);
  Workload<Scalar> const workload(shape, copies);
  DeviceBuffer<BatchVerdict> verdicts(shape.requests);
  DeviceBuffer<copyspec::Token> emitted(shape.rows());
  auto const drafts = workload.drafts();
  DeviceBuffer<unsigned char> memory(copyspec::cuda::greedy_verify_workspace_bytes(drafts.limits));
  copyspec::cuda::Workspace const workspace{memory.data(), memory.size()};
  CubVerifier<Scalar> cub(workload.rows(0), drafts);

  auto const verify = [&](RowSkipping skipping) {
    return [&, skipping](std::size_t copy, cudaStream_t stream) {
      check(copyspec::cuda::greedy_verify(workload.rows(copy), drafts,
                                          {.verdicts = verdicts.data(), .emitted = emitted.data()}, workspace, stream,
                                          {.skipping = skipping}));
    };
  };
  auto const verify_with_cub = [&](std::size_t copy, cudaStream_t stream) {
    cub.enqueue(workload.rows(copy), verdicts.data(), stream);
  };
  auto const measure_both = [&](char const* what, auto const& call) {
    check(cudaMemset(verdicts.data(), 0xEE, verdicts.size() * sizeof(BatchVerdict)));
    check(cudaDeviceSynchronize());
    call(0, nullptr);
    expect_right(verdicts, shape);
    Measured const hot = measure(hot_calls, [&](std::size_t, cudaStream_t stream) { call(0, stream); });
    print_record(what, shape, scalar, true, bytes, hot);
    print_record(what, shape, scalar, false, bytes, measure(copies, call));
    expect_right(verdicts, shape);
  };
  measure_both("copyspec", verify(RowSkipping::automatic));
  measure_both("copyspec, no row skipped", verify(RowSkipping::never));
  measure_both("copyspec, rows skipped", verify(RowSkipping::always));
  measure_both("CUB, segmented", verify_with_cub);
}

// The limit: bytes read and written by a copy within the device, in a second.
double copy_bandwidth() {
  std::size_t const bytes = std::size_t{1} << 30U;
  DeviceBuffer<unsigned char> const from(bytes);
  DeviceBuffer<unsigned char> const to(bytes);
  Measured const measured = measure(8, [&](std::size_t, cudaStream_t stream) {
    check(cudaMemcpyAsync(to.data(), from.data(), bytes, cudaMemcpyDeviceToDevice, stream));
  });
  return 2.0 * static_cast<double>(bytes) / (measured.microseconds * 1e-6);
}

void run() {
  int device = 0;
  check(cudaGetDevice(&device));
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device));
  int runtime = 0;
  int driver = 0;
  check(cudaRuntimeGetVersion(&runtime));
  check(cudaDriverGetVersion(&driver));
  std::printf(
      "{\"device\": \"%s\", \"multiprocessors\": %d, \"l2_bytes\": %d, \"runtime\": %d, \"driver\": %d, "
      "\"copy_bytes_per_second\": %.6g}\n",
      properties.name, properties.multiProcessorCount, properties.l2CacheSize, runtime, driver, copy_bandwidth());
  for (std::uint32_t const vocabulary : {32000U, 128256U, 151936U}) {
    for (std::uint32_t const requests : {0U, 1U, 8U, 64U}) {
      for (std::uint32_t const accepted : {0U, 3U, 10U}) {
        Shape const shape{.requests = std::max(requests, 1U),
                          .drafted = requests == 0 ? 0U : 10U,
                          .accepted = accepted,
                          .vocabulary = vocabulary};
        if (shape.accepted > shape.drafted) continue;
        measure_shape<__nv_bfloat16>(shape, "bf16");
        measure_shape<float>(shape, "fp32");
      }
    }
  }
  std::printf("{\"copy_bytes_per_second_after\": %.6g}\n", copy_bandwidth());
}

}  // namespace

int main() {
  try {
    run();
    return 0;
  } catch (std::exception const& error) {
    std::fprintf(stderr, "copyspec-gpu-bench: %s\n", error.what());
    return 1;
  }
}
