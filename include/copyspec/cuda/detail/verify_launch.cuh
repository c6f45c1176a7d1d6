// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "../../core/version.hpp"
#include "../../model/device_logits.hpp"
#include "../draft_batch.hpp"
#include "../logit_format.hpp"
#include "../verdict_batch.hpp"
#include "../verify_geometry.hpp"
#include "../workspace.cuh"
#include "block_team.cuh"
#include "judge_request.hpp"
#include "verify_tile.hpp"
#include "verify_workspace.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace cuda {

template <>
struct LogitFormatOf<__half> {
  static constexpr LogitFormat value = LogitFormat::float16;
};
template <>
struct LogitFormatOf<__nv_bfloat16> {
  static constexpr LogitFormat value = LogitFormat::bfloat16;
};

}  // namespace cuda
namespace detail {

/// Threads of a block of `verify_kernel`.
inline constexpr std::uint32_t verify_threads = 256;
/// The longest draft, in nodes, whose walk fits into the shared memory that every device provides by default.
inline constexpr std::uint32_t longest_draft = 2048;

/// One block per work item. Blocks start in an order where tiles vary fastest, then requests, then rows.
template <cuda::LogitFormat format, class Rule>
__global__ void __launch_bounds__(verify_threads, Rule::least_blocks) verify_kernel(VerifyJob<Rule> const job) {
  extern __shared__ std::uint64_t scratch[];
  __shared__ BestWord warp_words[verify_threads / 32];
  __shared__ std::uint32_t told;
  BlockTeam<verify_threads> team(scratch, warp_words, &told);
  verify_tile<format>(job, {.tile = blockIdx.x, .request = blockIdx.y, .row = blockIdx.z}, team);
}

/// Enqueues a verification by `rule`, which needs `rule_scratch_bytes` of shared memory and tiles of at least
/// `shortest_bytes`. Arguments and errors are as in `greedy_verify`.
template <class Scalar, class Rule>
[[nodiscard]] cudaError_t launch_verify(DeviceLogitsView<Scalar> rows, cuda::DraftBatchView const& drafts,
                                        cuda::VerdictBatchView const& verdicts, cuda::Workspace workspace,
                                        Rule const& rule, std::size_t rule_scratch_bytes, std::uint32_t shortest_bytes,
                                        cudaStream_t stream, cuda::VerifyOptions const& options) noexcept {
  constexpr cuda::LogitFormat format = cuda::LogitFormatOf<Scalar>::value;
  cuda::VerifyLimits const& limits = drafts.limits;
  if (limits.max_requests == 0) return cudaSuccess;
  auto const address = reinterpret_cast<std::uintptr_t>(rows.data());
  if (rows.data() == nullptr || address % sizeof(Scalar) != 0 || rows.vocabulary() == 0 ||
      rows.vocabulary() > static_cast<std::size_t>(std::numeric_limits<Token>::max()))
    return cudaErrorInvalidValue;
  if (drafts.offsets == nullptr || (drafts.tokens == nullptr && drafts.token_capacity > 0) ||
      verdicts.verdicts == nullptr || limits.max_requests > 65535 || limits.max_draft_length > longest_draft)
    return cudaErrorInvalidValue;
  if (workspace.data == nullptr || reinterpret_cast<std::uintptr_t>(workspace.data) % alignof(BestWord) != 0 ||
      workspace.bytes < verify_workspace_bytes(limits))
    return cudaErrorInvalidValue;

  int device = 0;
  int processors = 0;
  if (cudaError_t const error = cudaGetDevice(&device); error != cudaSuccess) return error;
  if (cudaError_t const error = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
      error != cudaSuccess)
    return error;
  VerifyJob<Rule> job;
  job.logits = rows.data();
  job.row_stride = rows.stride() * sizeof(Scalar);
  job.row_count = rows.rows();
  job.vocabulary = static_cast<std::uint32_t>(rows.vocabulary());
  VerifyDevice const size{.processors = static_cast<std::uint32_t>(processors), .blocks_at_once = Rule::least_blocks};
  job.geometry = verify_geometry(format, job.vocabulary, limits, size, options, shortest_bytes);
  job.drafts = drafts;
  job.verdicts = verdicts;
  job.workspace = verify_workspace(workspace.data, limits);
  job.rule = rule;
  // Arrivals are counted in 32 bits.
  if (std::uint64_t{job.geometry.tiles} * (limits.max_draft_length + 1) > std::numeric_limits<std::uint32_t>::max() ||
      job.geometry.tiles > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max()))
    return cudaErrorInvalidValue;
  cudaLaunchConfig_t launch{};
  launch.gridDim = dim3(job.geometry.tiles, limits.max_requests, limits.max_draft_length + 1);
  launch.blockDim = dim3(verify_threads);
  launch.dynamicSmemBytes = std::max(scratch_bytes(limits.max_draft_length), rule_scratch_bytes);
  launch.stream = stream;
  return cudaLaunchKernelEx(&launch, &verify_kernel<format, Rule>, job);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
