// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include "../core/version.hpp"
#include "../model/device_logits.hpp"
#include "detail/greedy_rule.hpp"
#include "detail/verify_launch.cuh"
#include "detail/verify_workspace.hpp"
#include "draft_batch.hpp"
#include "verdict_batch.hpp"
#include "verify_geometry.hpp"
#include "workspace.cuh"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace cuda {

/// Bytes of a `Workspace` for batches with `limits`.
[[nodiscard]] constexpr std::size_t greedy_verify_workspace_bytes(VerifyLimits const& limits) noexcept {
  return detail::verify_workspace_bytes(limits);
}

/// Enqueues the greedy verification of a batch of drafts on `stream`. Each row gives the token with the greatest logit;
/// of equal logits (-0 equals +0), the lowest token. Each request's draft is accepted as far as its tokens agree. Bit
/// for bit the decisions of `GreedyVerifier` on the same rows.
///
/// One kernel, which reads each row that may matter once. It reads `request_count`, offsets, tokens, parents and logits
/// when it runs. So a captured graph that contains it may be replayed with other values in the same memory, within the
/// batch's limits. The pointers and `options` are fixed at launch. Requests beyond the count, and rows beyond a draft's
/// end, cost one empty block per tile.
///
/// `rows.rows()` bounds the rows that the offsets may refer to. Logits must be aligned to their own size. Rows aligned
/// to 16 bytes, with a stride of a multiple of 16 bytes, are read fastest.
///
/// Returns `cudaErrorInvalidValue` for null pointers, a workspace too small or unaligned, or limits beyond 65535
/// requests or `longest_draft` nodes; otherwise the result of the launch. Invalid batch contents are reported in the
/// verdicts. Does not allocate, synchronise or print. Threads: any, but no two launches at a time on one workspace.
template <class Scalar>
[[nodiscard]] cudaError_t greedy_verify(DeviceLogitsView<Scalar> rows, DraftBatchView const& drafts,
                                        VerdictBatchView const& verdicts, Workspace workspace, cudaStream_t stream,
                                        VerifyOptions const& options = {}) noexcept {
  return detail::launch_verify(rows, drafts, verdicts, workspace, detail::GreedyRule{}, 0, detail::shortest_tile_bytes,
                               stream, options);
}

}  // namespace cuda
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
