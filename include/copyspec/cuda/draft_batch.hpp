// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../detail/host_device.hpp"
#include "detail/draft_walk.hpp"
#include "verdict_batch.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace cuda {

/// The most that a batch may hold. The host knows it when it launches, or captures; how much there is, the device reads
/// when it runs.
struct VerifyLimits {
  std::uint32_t max_requests = 0;
  std::uint32_t max_draft_length = 0;  ///< Nodes of one request's draft.
};

/// The drafts of a ragged batch of requests, in device memory.
///
/// The draft of request `q` is `tokens[offsets[q]]` up to `tokens[offsets[q + 1]]`. Rows of logits lie in the same
/// order, one more for each request: those of request `q` begin at row `offsets[q] + q`.
///
/// Nothing that the arrays hold makes a kernel read or write outside what is described here, or not end: what cannot be
/// meant is answered with a `VerifyStatus`.
struct DraftBatchView {
  /// [1]: how many requests there are, at most `limits.max_requests`. Null: as many as that.
  std::int32_t const* request_count = nullptr;
  /// [max_requests + 1], of which the first `request_count + 1` matter.
  std::int32_t const* offsets = nullptr;
  /// [token_capacity]
  Token const* tokens = nullptr;
  /// [token_capacity]: of each node, its parent, counted from the first node of its request; -1 for the context. Null:
  /// all drafts are chains.
  std::int32_t const* parents = nullptr;
  std::uint32_t token_capacity = 0;
  VerifyLimits limits;
};

}  // namespace cuda
namespace detail {

/// One request as its offsets describe it.
struct RequestShape {
  bool present = false;                                ///< Whether there is such a request.
  cuda::VerifyStatus status = cuda::VerifyStatus::ok;  ///< Unless `ok`, there is no draft and no row to look at.
  std::uint64_t first_row = 0;
  DraftView draft;
};

/// What `batch` says of `request` < `limits.max_requests`, of rows of which `row_count` exist. Checked against all of
/// these bounds. O(1).
[[nodiscard]] COPYSPEC_HOST_DEVICE inline RequestShape shape_of(cuda::DraftBatchView const& batch,
                                                                std::uint32_t request,
                                                                std::uint64_t row_count) noexcept {
  RequestShape shape;
  // Before the count is known, so that one latency covers both.
  std::int64_t const begin = batch.offsets[request];
  std::int64_t const end = batch.offsets[request + 1];
  std::uint32_t count = batch.limits.max_requests;
  if (batch.request_count != nullptr) {
    // A negative count becomes one that is too great.
    count = static_cast<std::uint32_t>(*batch.request_count);
    if (count > batch.limits.max_requests) {
      shape.present = true;
      shape.status = cuda::VerifyStatus::bad_count;
      return shape;
    }
  }
  if (request >= count) return shape;
  shape.present = true;
  std::int64_t const length = end - begin;
  if (begin < 0 || length < 0 || length > static_cast<std::int64_t>(batch.limits.max_draft_length) ||
      end > static_cast<std::int64_t>(batch.token_capacity) || static_cast<std::uint64_t>(end) + request >= row_count) {
    shape.status = cuda::VerifyStatus::bad_offsets;
    return shape;
  }
  shape.first_row = static_cast<std::uint64_t>(begin) + request;
  shape.draft = {.tokens = batch.tokens + begin,
                 .parents = batch.parents == nullptr ? nullptr : batch.parents + begin,
                 .length = static_cast<std::uint32_t>(length)};
  return shape;
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
