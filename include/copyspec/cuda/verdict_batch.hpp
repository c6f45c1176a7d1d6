// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "../core/token.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace cuda {

/// The outcome of a request. The first two correspond to `VerdictStatus`. The others mean that the request could not be
/// verified; they are detected before any row is read, or whatever the rows contain.
enum class VerifyStatus : std::int32_t {
  ok,
  invalid_row,   ///< The row after the accepted part holds a NaN, or nothing above minus infinity.
  bad_count,     ///< The number of requests is negative or above the batch's limit. Every request gets this status.
  bad_offsets,   ///< The draft's offsets decrease, make a draft too long, or refer to tokens or rows that do not exist.
  bad_token,     ///< A draft token is outside the vocabulary.
  bad_tree,      ///< A node's parent does not come before it.
  bad_sampling,  ///< The request's `SamplingParameters` are invalid.
};

/// The decision about one request.
struct BatchVerdict {
  std::int32_t accepted = 0;  ///< Number of accepted draft tokens; for a tree, the nodes on the chosen path.
  Token next = -1;            ///< The token that the model adds after them; -1 unless `status` is `ok`.
  VerifyStatus status = VerifyStatus::ok;
};

/// Where to write the verdicts of a batch, in device memory, with room for the batch's limits. Everything that belongs
/// to a request is written, whatever its outcome; the rest is not touched. Non-owning: the arrays must stay valid until
/// the kernel has run.
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
