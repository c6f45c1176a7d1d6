// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/sampled_best.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <copyspec/detail/gumbel_noise.hpp>
#include <cstddef>
#include <cstdint>

#include "cuda/support/device_memory.hpp"

namespace {

__global__ void measure_rough_noise(float* worst) {
  std::uint32_t const first = (blockIdx.x * blockDim.x + threadIdx.x) * 256U;
  float greatest = 0;
  for (std::uint32_t i = 0; i < 256; ++i) {
    float const difference =
        std::abs(copyspec::detail::rough_noise(first + i) - copyspec::detail::gumbel_noise(first + i));
    greatest = difference > greatest ? difference : greatest;
  }
  worst[blockIdx.x * blockDim.x + threadIdx.x] = greatest;
}

}  // namespace

TEST_CASE("rough noise is near the noise, for every word") {
  DeviceArray<float> const worst(std::size_t{1} << 24U);
  launch(1U << 16U, 256, &measure_rough_noise, worst.data());
  float greatest = 0;
  for (float const difference : worst.download()) greatest = difference > greatest ? difference : greatest;
  CHECK(greatest < 3e-5F);
}
