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

/// Upper bounds on the contents of a batch. The host knows them when it launches or captures; the device reads the
/// actual sizes when the kernel runs.
struct VerifyLimits {
  std::uint32_t max_requests = 0;
  std::uint32_t max_draft_length = 0;  ///< In nodes of one request's draft.
};

/// The drafts of a ragged batch of requests, in device memory. Non-owning: the arrays must stay valid until the kernel
/// has run.
///
/// The draft of request `q` is `tokens[offsets[q]]` up to `tokens[offsets[q + 1]]`. Logits rows are in the same order,
/// with one more for each request: those of request `q` begin at row `offsets[q] + q`.
///
/// Whatever the arrays contain, a kernel ends, and reads and writes only the memory described here. Invalid contents
/// are reported as a `VerifyStatus`.
struct DraftBatchView {
  /// [1]: the number of requests, at most `limits.max_requests`. Null: exactly that many.
  std::int32_t const* request_count = nullptr;
  /// [max_requests + 1]; only the first `request_count + 1` are used.
  std::int32_t const* offsets = nullptr;
  /// [token_capacity]
  Token const* tokens = nullptr;
  /// [token_capacity]: the parent of each node, counted from the first node of its request; -1 for the context. Null:
  /// all drafts are chains.
  std::int32_t const* parents = nullptr;
  std::uint32_t token_capacity = 0;
  VerifyLimits limits;
};

}  // namespace cuda
namespace detail {

/// One request, as its offsets describe it.
struct RequestShape {
  bool present = false;                                ///< Whether there is such a request.
  cuda::VerifyStatus status = cuda::VerifyStatus::ok;  ///< If not `ok`, there is no draft and no row to read.
  std::uint64_t first_row = 0;
  DraftView draft;
};

/// The shape of `request` < `limits.max_requests` in `batch`, where `row_count` rows exist. Checked against all of
/// these bounds. O(1).
[[nodiscard]] COPYSPEC_HOST_DEVICE inline RequestShape shape_of(cuda::DraftBatchView const& batch,
                                                                std::uint32_t request,
                                                                std::uint64_t row_count) noexcept {
  RequestShape shape;
  // Read before the count is known, so that one memory latency covers both.
  std::int64_t const begin = batch.offsets[request];
  std::int64_t const end = batch.offsets[request + 1];
  std::uint32_t count = batch.limits.max_requests;
  if (batch.request_count != nullptr) {
    // A negative count becomes a value above the limit.
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
