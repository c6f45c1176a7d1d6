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
namespace cuda {

/// Candidates of a row that stand in shared memory. Of more, the row is read again.
inline constexpr std::uint32_t listed_candidates = 1024;

/// Bytes of scratch memory for batches with `limits`, of rows of `vocabulary` scalars: of bf16 rows, an eighth of
/// these.
template <class Scalar>
[[nodiscard]] constexpr std::size_t sample_verify_scratch_bytes(VerifyLimits const& limits,
                                                                std::size_t vocabulary) noexcept {
  return detail::sampling_scratch_bytes(limits, LogitFormatOf<Scalar>::value, vocabulary, detail::verify_threads);
}

/// Enqueues the verification of a batch of drafts by drawing: of each row the token that `TokenSampler` draws from the
/// same bits with the same options at the same position, and of each request what of its draft these tokens make the
/// model's own; with log-probabilities as `RowLogprobs` has them. Bit for bit, whatever the batch, the request's place
/// in it, and `options`.
///
/// What is said of `greedy_verify` holds, and the workspace is one for it, for the same limits. `scratch` is
/// `sample_verify_scratch_bytes` of device memory, aligned to 4, that needs no contents and is free for anything else
/// between launches. Parameters are read when the kernel runs; of a request whose parameters cannot be meant, the
/// verdict says `bad_sampling`. `options.tile` is raised to `shortest_drawn_bytes`.
///
/// One kernel. With top-k a row that may matter is read once, and a little of it again; also with min-p. With top-p
/// alone it is read twice, with log-probabilities once more. Where more than `listed_candidates` tokens come into
/// question, or top-k is greater than `verify_threads`, some fifty times.
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
                                  .list_capacity = listed_candidates};
  return detail::launch_verify(rows, drafts, verdicts, workspace, rule,
                               detail::candidate_bytes(listed_candidates, detail::verify_threads),
                               detail::shortest_drawn_bytes, stream, options);
}

}  // namespace cuda
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
