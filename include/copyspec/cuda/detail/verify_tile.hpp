// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../../core/version.hpp"
#include "../../detail/host_device.hpp"
#include "../draft_batch.hpp"
#include "../logit_format.hpp"
#include "../verdict_batch.hpp"
#include "../verify_geometry.hpp"
#include "draft_row.hpp"
#include "draft_walk.hpp"
#include "judge_request.hpp"
#include "running_best.hpp"
#include "verify_workspace.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// All that a verification needs to know, for each of its work items alike. Trivially copyable.
template <class Rule>
struct VerifyJob {
  void const* logits = nullptr;  ///< Row `i` begins `i * row_stride` bytes behind; aligned to a logit.
  std::uint64_t row_stride = 0;
  std::uint64_t row_count = 0;
  std::uint32_t vocabulary = 0;
  VerifyGeometry geometry;
  cuda::DraftBatchView drafts;
  cuda::VerdictBatchView verdicts;
  VerifyWorkspace workspace;
  Rule rule;
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

/// What the arrival of a team, with its part of a row, has completed.
enum class Arrival : std::uint32_t { nothing, row, request };

/// Counts a row of a request with `length` draft tokens as decided, and says to others what was decided.
template <class Team>
[[nodiscard]] COPYSPEC_HOST_DEVICE Arrival arrive_with_row(VerifyWorkspace const& workspace, DraftRow const& row,
                                                           Team& team) {
  // A tile that was skipped has said that the row is dead, and the word is not the whole row's.
  if (team.read(workspace.decisions + row.entry) == RowDecision::open)
    team.write(workspace.decisions + row.entry, RowDecision::of(token_of(team.read(workspace.words + row.entry))));
  return team.arrive(workspace.request_arrivals + row.request, row.draft.length + 1) ? Arrival::request
                                                                                     : Arrival::nothing;
}

/// Counts one tile of a row. Of a row that a rule `completes`, and that is not dead, the last tile leaves that to do.
template <class Team>
[[nodiscard]] COPYSPEC_HOST_DEVICE Arrival arrive_with_tile(VerifyWorkspace const& workspace, DraftRow const& row,
                                                            bool completes, Team& team) {
  VerifyGeometry const& geometry = row.logits.geometry;
  if (!geometry.skipping && !completes)
    return team.arrive(workspace.request_arrivals + row.request, geometry.tiles * (row.draft.length + 1))
               ? Arrival::request
               : Arrival::nothing;
  if (!team.arrive(workspace.row_arrivals + row.entry, geometry.tiles)) return Arrival::nothing;
  if (completes && team.read(workspace.decisions + row.entry) != RowDecision::dead) return Arrival::row;
  return arrive_with_row(workspace, row, team);
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
/// | `scratch()`           | memory that the threads share, aligned to 8: `scratch_bytes(max_draft_length)` bytes, or what else the rule needs |
/// | `each(f)`             | every thread calls `f(index)`; what one wrote, all see afterwards |
/// | `any(f)`              | the same; whether `f` returned true anywhere, told to all |
/// | `sum(f)`              | the same; the sum of what `f` returned, in 64 bits, told to all |
/// | `greatest(f)`         | the same; the greatest `BestWord`, told to the leader at least |
/// | `lead(f)`             | one thread, the leader, calls `f()`; its `std::uint32_t` is told to all |
/// | `vector(p)`           | the `LogitVector` at `p`, which is aligned to 16 |
/// | `maximise(p, word)`   | `*p = max(*p, word)`, atomically |
/// | `count_up(p)`         | `(*p)++` in scratch memory, atomically |
/// | `arrive(p, count)`    | `*p = (*p + 1) % count`, atomically; whether that was the last of `count`, which then sees all that the others did before |
/// | `read(p)` `write(p, v)` | of memory that teams share |
///
/// A `Rule` says what is decided about a row (`greedy_rule.hpp`, `sampling_rule.hpp`). Trivially copyable, and a
/// function of the row and its place alone, so that no geometry changes what is decided:
///
/// | expression            | meaning |
/// |-----------------------|---------|
/// | `least_blocks`        | how many blocks a processor of a device is to hold at once, which bounds their registers |
/// | `status(request)`     | `ok`, or why the request cannot be judged by it |
/// | `scan<format>(row, tile, team)` | the best of a tile, told to the leader at least; a row's greatest such word gives its token |
/// | `completes(request, vocabulary)` | whether `complete` is to be asked |
/// | `complete<format>(row, word, team)` | by the last team of a row that may matter: makes of the row's greatest word in the workspace the one that gives its token |
/// | `emit(place, request, entry, team)` | by one thread for each place of `VerdictBatchView::emitted`, with the workspace entry of the row that gave the token there, or `no_entry` |
///
/// Memory is only touched where the views of the job allow it, whatever the offsets, counts, tokens and parents are.
template <cuda::LogitFormat format, class Rule, class Team>
COPYSPEC_HOST_DEVICE void verify_tile(VerifyJob<Rule> const& job, WorkItem item, Team& team) {
  cuda::VerifyLimits const& limits = job.drafts.limits;
  RequestShape const shape = shape_of(job.drafts, item.request, job.row_count);
  if (!shape.present || item.row > shape.draft.length) return;
  cuda::VerifyStatus const status =
      shape.status == cuda::VerifyStatus::ok ? job.rule.status(item.request) : shape.status;
  if (status != cuda::VerifyStatus::ok) {
    if (item.tile == 0 && item.row == 0) refuse_request(status, job.verdicts, limits, item.request, job.rule, team);
    return;
  }
  std::size_t const first_entry = std::size_t{item.request} * (std::size_t{limits.max_draft_length} + 1);
  DraftRow const row{
      .logits = {.data = static_cast<unsigned char const*>(job.logits) + (shape.first_row + item.row) * job.row_stride,
                 .vocabulary = job.vocabulary,
                 .geometry = job.geometry},
      .draft = shape.draft,
      .request = item.request,
      .row = item.row,
      .entry = first_entry + item.row};
  BestWord* const word = job.workspace.words + row.entry;

  bool const dead = job.geometry.skipping && team.lead([&] {
    return is_dead(shape.draft, item.row, job.workspace.decisions + first_entry, team) ? 1U : 0U;
  }) != 0;
  BestWord best = nothing_seen;
  if (!dead) best = job.rule.template scan<format>(row, item.tile, team);
  bool const completes = job.rule.completes(item.request, job.vocabulary);
  auto arrival = static_cast<Arrival>(team.lead([&] {
    if (best != nothing_seen) team.maximise(word, best);
    return static_cast<std::uint32_t>(arrive_with_tile(job.workspace, row, completes, team));
  }));
  if (arrival == Arrival::row) {
    job.rule.template complete<format>(row, word, team);
    arrival = static_cast<Arrival>(
        team.lead([&] { return static_cast<std::uint32_t>(arrive_with_row(job.workspace, row, team)); }));
  }
  if (arrival == Arrival::request)
    judge_request(shape.draft, job.vocabulary, job.workspace, job.verdicts, limits, item.request, job.rule, team);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
