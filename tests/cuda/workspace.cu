// SPDX-License-Identifier: MIT
#include <copyspec/cuda/workspace.cuh>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/support/device_memory.hpp"

using copyspec::cuda::Scratch;
using copyspec::cuda::Workspace;

TEST_CASE("a workspace and scratch memory are empty unless told") {
  CHECK(Workspace().data == nullptr);
  CHECK(Workspace().bytes == 0);
  CHECK(Scratch().data == nullptr);
  CHECK(Scratch().bytes == 0);
}

TEST_CASE("an initialized workspace is zero to its last byte, and memory after it is left alone") {
  Stream const stream;
  for (std::size_t const bytes : {std::size_t{0}, std::size_t{4}, std::size_t{20}, std::size_t{4000}}) {
    DeviceArray<std::uint8_t> const memory(std::vector<std::uint8_t>(bytes + 8, 0xEE));
    check(copyspec::cuda::initialize({memory.data(), bytes}, stream));
    stream.wait();
    std::vector<std::uint8_t> const found = memory.download();
    CHECK(std::count(found.begin(), found.end(), 0) == static_cast<std::ptrdiff_t>(bytes));
    CHECK(std::count(found.end() - 8, found.end(), 0xEE) == 8);
  }
}
