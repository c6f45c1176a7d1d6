// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../token.hpp"
#include "draft_batch.hpp"
#include "draft_walk.hpp"
#include "../host_device.hpp"
#include "judge_request.hpp"
#include "logit_format.hpp"
#include "running_best.hpp"
#include "scan_tile.hpp"
#include "verdict_batch.hpp"
#include "verify_geometry.hpp"
#include "verify_workspace.hpp"

namespace copyspec::inline v0::cuda {

/// All that a verification needs to know, for each of its work items alike. Trivially copyable.
template <class Score>
struct VerifyJob {
  void const* logits = nullptr;  ///< Row `i` begins `i * row_stride` bytes behind; aligned to a logit.
  std::uint64_t row_stride = 0;
  std::uint64_t row_count = 0;
  std::uint32_t vocabulary = 0;
  VerifyGeometry geometry;
  DraftBatchView drafts;
  VerdictBatchView verdicts;
  VerifyWorkspace workspace;
  Score score;
};

/// One tile of one row. Items in the order of rows, then of requests, then of tiles let the later ones skip the most.
struct WorkItem {
  std::uint32_t tile = 0;
  std::uint32_t request = 0;
  std::uint32_t row = 0;  ///< Within the request.
};

/// Whether no node behind `row` of a request can be accepted, as far as that is known by now; if so, says it to others.
template <class Team>
[[nodiscard]] COPYSPEC_HOST_DEVICE bool is_dead(DraftView const& draft, std::uint32_t row, std::uint32_t* decisions,
                                                Team& team) {
  if (row == 0) return false;
  std::uint32_t const node = row - 1;
  // A malformed tree is answered at the end, when all of it was looked at.
  if (!draft.well_formed(node)) return false;
  std::uint32_t const decision = team.read(decisions + draft.deciding_row(node));
  if (decision == RowDecision::open || decision == RowDecision::of(draft.tokens[node])) return false;
  team.write(decisions + row, RowDecision::dead);
  return true;
}

/// Counts one tile of `row` of a request with `length` draft tokens. Whether it was the last of the whole request.
template <class Team>
[[nodiscard]] COPYSPEC_HOST_DEVICE bool arrive(VerifyGeometry const& geometry, VerifyWorkspace const& workspace,
                                               std::uint32_t request, std::size_t row, std::uint32_t length,
                                               Team& team) {
  std::uint32_t* const request_arrivals = workspace.request_arrivals + request;
  if (!geometry.skipping) return team.arrive(request_arrivals, geometry.tiles * (length + 1));
  if (!team.arrive(workspace.row_arrivals + row, geometry.tiles)) return false;
  // A tile that was skipped has said that the row is dead, and the word is not the whole row's.
  if (team.read(workspace.decisions + row) == RowDecision::open)
    team.write(workspace.decisions + row, RowDecision::of(token_of(team.read(workspace.words + row))));
  return team.arrive(request_arrivals, length + 1);
}

/// Does one work item of a verification, with a team of threads. The items of a job, `tiles * max_requests *
/// (max_draft_length + 1)`, may be done in any order and at the same time; none waits for another. The team that comes
/// last in its request walks the draft, writes the verdict, and leaves the request's part of the workspace zero.
///
/// A `Team` is what runs the threads, on a device (`block_team.cuh`) or on a host (tests do):
///
/// | expression            | meaning |
/// |-----------------------|---------|
/// | `size()`              | how many threads there are |
/// | `scratch()`           | `scratch_bytes(max_draft_length)` bytes that the threads share |
/// | `each(f)`             | every thread calls `f(index)`; what one wrote, all see afterwards |
/// | `any(f)`              | the same; whether `f` returned true anywhere, told to all |
/// | `greatest(f)`         | the same; the greatest `BestWord`, told to the leader at least |
/// | `lead(f)`             | one thread, the leader, calls `f()`; its `std::uint32_t` is told to all |
/// | `vector(p)`           | the `LogitVector` at `p`, which is aligned to 16 |
/// | `maximise(p, word)`   | `*p = max(*p, word)`, atomically |
/// | `arrive(p, count)`    | `*p = (*p + 1) % count`, atomically; whether that was the last of `count`, which then sees all that the others did before |
/// | `read(p)` `write(p, v)` | of memory that teams share |
///
/// Memory is only touched where the views of the job allow it, whatever the offsets, counts, tokens and parents are.
template <LogitFormat format, class Score, class Team>
COPYSPEC_HOST_DEVICE void verify_tile(VerifyJob<Score> const& job, WorkItem item, Team& team) {
  VerifyLimits const& limits = job.drafts.limits;
  RequestShape const shape = shape_of(job.drafts, item.request, job.row_count);
  if (!shape.present || item.row > shape.draft.length) return;
  if (shape.status != VerifyStatus::ok) {
    if (item.tile == 0) refuse_request(shape.status, job.verdicts, limits, item.request, team);
    return;
  }
  std::size_t const first_entry = std::size_t{item.request} * (std::size_t{limits.max_draft_length} + 1);
  BestWord* const words = job.workspace.words + first_entry;
  std::uint32_t* const decisions = job.workspace.decisions + first_entry;

  bool const dead = job.geometry.skipping &&
                    team.lead([&] { return is_dead(shape.draft, item.row, decisions, team) ? 1U : 0U; }) != 0;
  BestWord best = nothing_seen;
  if (!dead) {
    auto const* const row =
        static_cast<unsigned char const*>(job.logits) + (shape.first_row + item.row) * job.row_stride;
    std::uint32_t const begin = item.tile * job.geometry.tile;
    std::uint32_t const left = job.vocabulary - begin;
    std::uint32_t const end = begin + (left < job.geometry.tile ? left : job.geometry.tile);
    auto const score = [&](float logit, std::uint32_t token) {
      return job.score(logit, token, item.request, item.row);
    };
    best = team.greatest([&](std::uint32_t thread) { return scan_tile<format>(row, begin, end, thread, score, team); });
  }
  bool const last = team.lead([&] {
    if (best != nothing_seen) team.maximise(words + item.row, best);
    return arrive(job.geometry, job.workspace, item.request, first_entry + item.row, shape.draft.length, team) ? 1U
                                                                                                               : 0U;
  }) != 0;
  if (last) judge_request(shape.draft, job.vocabulary, words, decisions, job.verdicts, limits, item.request, team);
}

}  // namespace copyspec::inline v0::cuda
