// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "../core/token.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace cuda {

/// What became of a request. The first two are what `VerdictStatus` says; the others say that the request could not be
/// judged, and are found before any row is looked at or whatever the rows hold.
enum class VerifyStatus : std::int32_t {
  ok,
  invalid_row,   ///< The row after the accepted part holds a NaN, or nothing above minus infinity.
  bad_count,     ///< The number of requests is negative or beyond the batch's limit. Every request says so.
  bad_offsets,   ///< The draft's offsets decrease, or name a draft too long, or tokens or rows that are not there.
  bad_token,     ///< A draft token lies outside the vocabulary.
  bad_tree,      ///< A node's parent does not stand before it.
  bad_sampling,  ///< The request's `SamplingParameters` cannot be meant.
};

/// What was decided about one request.
struct BatchVerdict {
  std::int32_t accepted = 0;  ///< Draft tokens that are the model's own; of a tree, the nodes on the chosen path.
  Token next = -1;            ///< The token that the model adds after them; -1 unless `status` is `ok`.
  VerifyStatus status = VerifyStatus::ok;
};

/// Where the verdicts on a batch go, in device memory, with room for the batch's limits. All of what belongs to a
/// request is written, whatever becomes of it; what belongs to no request is left alone.
struct VerdictBatchView {
  /// [max_requests]
  BatchVerdict* verdicts = nullptr;
  /// [max_requests, max_draft_length + 1]: the accepted tokens, then the next token, then -1 to the end. May be null.
  Token* emitted = nullptr;
  /// [max_requests, max_draft_length]: the nodes of the chosen path, then -1 to the end. May be null.
  std::int32_t* path = nullptr;
};

}  // namespace cuda
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
