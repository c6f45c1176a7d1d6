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

/// Enqueues the greedy verification of a batch of drafts on `stream`: of each row the token with the greatest logit,
/// the lowest among equals (-0 equals +0), and of each request what of its draft these tokens make the model's own. Bit
/// for bit what `GreedyVerifier` decides about the same rows.
///
/// One kernel, which reads each row that may matter once. It reads `request_count`, offsets, tokens, parents and logits
/// when it runs, so a captured graph that holds it may be replayed with other values in the same places, within the
/// batch's limits; the pointers and `options` are fixed with the launch. Requests beyond the count, and rows beyond a
/// draft's end, cost an empty block for each of their tiles.
///
/// `rows.rows()` bounds what the offsets may name. Logits are aligned to their own size; rows aligned to 16 bytes, with
/// a stride of a multiple of 16 bytes, are read fastest.
///
/// Returns `cudaErrorInvalidValue` for null pointers, a workspace too small or unaligned, or limits beyond 65535
/// requests or `longest_draft` nodes; otherwise what the launch returned. What is wrong with the batch's contents is
/// said in the verdicts. Allocates, synchronises and prints nothing. Threads: any, as far as the workspace allows.
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
