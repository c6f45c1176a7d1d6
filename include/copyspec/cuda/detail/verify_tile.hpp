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

/// Everything that a verification needs, the same for all of its work items. Trivially copyable.
template <class Rule>
struct VerifyJob {
  void const* logits = nullptr;  ///< Row `i` begins `i * row_stride` bytes after this address; aligned to a logit.
  std::uint64_t row_stride = 0;
  std::uint64_t row_count = 0;
  std::uint32_t vocabulary = 0;
  VerifyGeometry geometry;
  cuda::DraftBatchView drafts;
  cuda::VerdictBatchView verdicts;
  VerifyWorkspace workspace;
  Rule rule;
};

/// One tile of one row. If items run ordered by row, then by request, then by tile, the later ones skip the most.
struct WorkItem {
  std::uint32_t tile = 0;
  std::uint32_t request = 0;
  std::uint32_t row = 0;  ///< Index within the request.
};

/// Whether it is already known that no node after `row` can be accepted. If so, publishes it to other teams.
template <class Team>
[[nodiscard]] COPYSPEC_HOST_DEVICE bool is_dead(DraftView const& draft, std::uint32_t row, std::uint32_t* decisions,
                                                Team& team) {
  if (row == 0) return false;
  std::uint32_t const node = row - 1;
  // A malformed tree is reported at the end, after all of it has been checked.
  if (!draft.well_formed(node)) return false;
  std::uint32_t const decision = team.read(decisions + draft.deciding_row(node));
  if (decision == RowDecision::open || decision == RowDecision::of(draft.tokens[node])) return false;
  team.write(decisions + row, RowDecision::dead);
  return true;
}

/// What the arrival of a team with its part of a row has completed.
enum class Arrival : std::uint32_t { nothing, row, request };

/// Counts a row of a request with `length` draft tokens as decided, and publishes the decision.
template <class Team>
[[nodiscard]] COPYSPEC_HOST_DEVICE Arrival arrive_with_row(VerifyWorkspace const& workspace, DraftRow const& row,
                                                           Team& team) {
  // If a tile was skipped, the row is already published as dead, and the word does not cover the whole row.
  if (team.read(workspace.decisions + row.entry) == RowDecision::open)
    team.write(workspace.decisions + row.entry, RowDecision::of(token_of(team.read(workspace.words + row.entry))));
  return team.arrive(workspace.request_arrivals + row.request, row.draft.length + 1) ? Arrival::request
                                                                                     : Arrival::nothing;
}

/// Counts one tile of a row as done. If the rule `completes` rows and the row is not dead, the last tile leaves the row
/// to be completed.
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

/// Processes one work item of a verification with a team of threads. The items of a job, `tiles * max_requests *
/// (max_draft_length + 1)`, may run in any order and concurrently; none waits for another. The last team of a request
/// walks the draft, writes the verdict, and resets the request's part of the workspace to zero.
///
/// A `Team` runs the threads, on a device (`block_team.cuh`) or on a host (in tests):
///
/// | expression            | meaning |
/// |-----------------------|---------|
/// | `size()`              | number of threads |
/// | `scratch()`           | memory shared by the threads, aligned to 8: `scratch_bytes(max_draft_length)` bytes, or more if the rule needs it |
/// | `each(f)`             | every thread calls `f(index)`; afterwards all threads see all writes |
/// | `any(f)`              | the same; returns to all threads whether any `f` returned true |
/// | `sum(f)`              | the same; returns to all threads the 64-bit sum of the results of `f` |
/// | `greatest(f)`         | the same; returns the greatest `BestWord`, at least to the leader |
/// | `lead(f)`             | one thread, the leader, calls `f()`; returns its `std::uint32_t` to all threads |
/// | `vector(p)`           | the `LogitVector` at `p`, which is aligned to 16 |
/// | `maximise(p, word)`   | `*p = max(*p, word)`, atomically |
/// | `count_up(p)`         | `(*p)++` in scratch memory, atomically |
/// | `arrive(p, count)`    | `*p = (*p + 1) % count`, atomically; returns whether this was the last of `count`, which then sees all that the others did before |
/// | `read(p)` `write(p, v)` | access to memory shared by teams |
///
/// A `Rule` defines the decision about a row (`greedy_rule.hpp`, `sampling_rule.hpp`). It is trivially copyable, and a
/// function of the row and its place alone, so that the geometry does not change the decision:
///
/// | expression            | meaning |
/// |-----------------------|---------|
/// | `least_blocks`        | how many blocks a multiprocessor must hold at once, which bounds their registers |
/// | `status(request)`     | `ok`, or why the rule cannot verify the request |
/// | `scan<format>(row, tile, team)` | the best of a tile, known at least to the leader; the greatest such word of a row gives its token |
/// | `completes(request, vocabulary)` | whether `complete` must be called |
/// | `complete<format>(row, word, team)` | called by the last team of a row that may matter: turns the row's greatest word in the workspace into the one that gives its token |
/// | `emit(place, request, entry, team)` | called by one thread for each place of `VerdictBatchView::emitted`, with the workspace entry of the row that gave the token there, or `no_entry` |
///
/// Only memory that the views of the job allow is accessed, whatever the offsets, counts, tokens and parents contain.
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
