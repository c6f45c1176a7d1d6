// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/verify_launch.cuh>

#include <doctest/doctest.h>

#include <copyspec/cuda/detail/greedy_rule.hpp>
#include <copyspec/cuda/sample_verify.cuh>

using copyspec::DeviceLogitsView;
using copyspec::cuda::LogitFormat;
using copyspec::cuda::LogitFormatOf;
using copyspec::detail::verify_threads;

static_assert(LogitFormatOf<__half>::value == LogitFormat::float16);
static_assert(LogitFormatOf<__nv_bfloat16>::value == LogitFormat::bfloat16);

// Every device gives a block 48 KiB of shared memory without being asked.
static_assert(copyspec::detail::scratch_bytes(copyspec::detail::longest_draft) <= 49152);
static_assert(copyspec::detail::candidate_bytes(copyspec::detail::listed_candidates, verify_threads) <= 49152);

TEST_CASE("a batch without requests is verified at once, whatever its pointers") {
  CHECK(copyspec::detail::launch_verify(DeviceLogitsView<float>(), {}, {}, {}, copyspec::detail::GreedyRule{}, 0,
                                        copyspec::detail::shortest_tile_bytes, nullptr, {}) == cudaSuccess);
}
