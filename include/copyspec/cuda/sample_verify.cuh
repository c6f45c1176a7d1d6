// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../core/version.hpp"
#include "../model/device_logits.hpp"
#include "detail/row_candidates.hpp"
#include "detail/sampling_rule.hpp"
#include "detail/sampling_scratch.hpp"
#include "detail/verify_launch.cuh"
#include "draft_batch.hpp"
#include "logit_format.hpp"
#include "sampling_parameters.hpp"
#include "verdict_batch.hpp"
#include "verify_geometry.hpp"
#include "workspace.cuh"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Number of candidates of a row that fit into shared memory. With more, the row is read again.
inline constexpr std::uint32_t listed_candidates = 1024;

}  // namespace detail
namespace cuda {

/// Bytes of scratch memory for batches with `limits` and rows of `vocabulary` scalars. For bf16 rows, an eighth of the
/// rows' own size.
template <class Scalar>
[[nodiscard]] constexpr std::size_t sample_verify_scratch_bytes(VerifyLimits const& limits,
                                                                std::size_t vocabulary) noexcept {
  return detail::sampling_scratch_bytes(limits, LogitFormatOf<Scalar>::value, vocabulary, detail::verify_threads);
}

/// Enqueues the verification of a batch of drafts by sampling. Each row gives the token that `TokenSampler` draws from
/// the same bits with the same options at the same position. Each request's draft is accepted as far as its tokens
/// agree; log-probabilities are those of `RowLogprobs`. The results are the same bit for bit, whatever the batch, the
/// request's place in it, and `options`.
///
/// Everything in `greedy_verify` applies, and the workspace is one for it, with the same limits. `scratch` is
/// `sample_verify_scratch_bytes` of device memory, aligned to 4; its contents do not matter, and between launches it
/// may be used for anything else. Parameters are read when the kernel runs. A request with invalid parameters gets the
/// verdict `bad_sampling`. `options.tile` is raised to `shortest_drawn_bytes`.
///
/// One kernel. With top-k or min-p, a row that may matter is read once, and a small part of it again. With top-p alone
/// it is read twice; log-probabilities add one read. If there are more than 1,024 candidates, or top-k is greater than
/// 256, it is read about fifty times.
template <class Scalar>
[[nodiscard]] cudaError_t sample_verify(DeviceLogitsView<Scalar> rows, DraftBatchView const& drafts,
                                        SamplingView const& sampling, VerdictBatchView const& verdicts,
                                        Workspace workspace, Scratch scratch, cudaStream_t stream,
                                        VerifyOptions options = {}) noexcept {
  VerifyLimits const& limits = drafts.limits;
  if (limits.max_requests == 0) return cudaSuccess;
  if (sampling.parameters == nullptr || scratch.data == nullptr ||
      reinterpret_cast<std::uintptr_t>(scratch.data) % alignof(std::uint32_t) != 0 ||
      scratch.bytes < sample_verify_scratch_bytes<Scalar>(limits, rows.vocabulary()))
    return cudaErrorInvalidValue;
  if (options.tile > 0)
    options.tile = std::max(options.tile, detail::shortest_drawn_bytes / static_cast<std::uint32_t>(sizeof(Scalar)));
  detail::SamplingScratch const parts = detail::sampling_scratch(scratch.data, limits);
  detail::SamplingRule const rule{.sampling = sampling,
                                  .maxima = parts.maxima,
                                  .row_logprobs = parts.row_logprobs,
                                  .list_capacity = detail::listed_candidates};
  return detail::launch_verify(rows, drafts, verdicts, workspace, rule,
                               detail::candidate_bytes(detail::listed_candidates, detail::verify_threads),
                               detail::shortest_drawn_bytes, stream, options);
}

}  // namespace cuda
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
