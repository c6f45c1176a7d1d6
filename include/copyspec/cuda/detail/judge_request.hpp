// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/host_device.hpp"
#include "../draft_batch.hpp"
#include "../verdict_batch.hpp"
#include "draft_walk.hpp"
#include "running_best.hpp"
#include "verify_workspace.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The outcome for a request's draft; by default, nothing accepted.
struct Outcome {
  cuda::BatchVerdict verdict;
  std::int32_t const* path = nullptr;  ///< [verdict.accepted]: the nodes.
  Token const* emitted = nullptr;      ///< [emitted_count]
  std::uint32_t emitted_count = 0;
};

/// Writes `outcome` to the outputs of `request`, padded with -1, and lets `rule` write its own outputs for the emitted
/// tokens. `first_entry` is the index of the request's row 0 in the workspace.
template <class Rule, class Team>
COPYSPEC_HOST_DEVICE void write_outcome(Outcome const& outcome, cuda::VerdictBatchView const& out,
                                        cuda::VerifyLimits const& limits, std::uint32_t request, Rule const& rule,
                                        Team& team) {
  std::size_t const room = limits.max_draft_length;
  std::size_t const first_entry = request * (room + 1);
  auto const accepted = static_cast<std::uint32_t>(outcome.verdict.accepted);
  team.each([&](std::uint32_t thread) {
    if (thread == 0) out.verdicts[request] = outcome.verdict;
    for (std::size_t i = thread; i <= room; i += team.size()) {
      bool const said = i < outcome.emitted_count;
      if (out.emitted != nullptr) out.emitted[first_entry + i] = said ? outcome.emitted[i] : -1;
      if (out.path != nullptr && i < room) out.path[request * room + i] = i < accepted ? outcome.path[i] : -1;
      std::size_t const row = i == 0 || !said ? 0 : static_cast<std::size_t>(outcome.path[i - 1]) + 1;
      rule.emit(first_entry + i, request, said ? first_entry + row : no_entry, team);
    }
  });
}

/// Writes the verdict on a request that cannot be verified.
template <class Rule, class Team>
COPYSPEC_HOST_DEVICE void refuse_request(cuda::VerifyStatus status, cuda::VerdictBatchView const& out,
                                         cuda::VerifyLimits const& limits, std::uint32_t request, Rule const& rule,
                                         Team& team) {
  write_outcome({.verdict = {.accepted = 0, .next = no_token, .status = status}}, out, limits, request, rule, team);
}

/// Bytes of scratch memory that `judge_request` needs for drafts of up to `max_draft_length`.
[[nodiscard]] COPYSPEC_HOST_DEVICE constexpr std::size_t scratch_bytes(std::uint32_t max_draft_length) noexcept {
  return (3 * std::size_t{max_draft_length} + 2) * sizeof(Token);
}

/// Verifies `draft`, the draft of `request`, by the results of its rows in the workspace, and resets these to zero.
/// `Team` and `Rule` are as `verify_tile` describes them. O(draft.length).
template <class Rule, class Team>
COPYSPEC_HOST_DEVICE void judge_request(DraftView const& draft, std::uint32_t vocabulary,
                                        VerifyWorkspace const& workspace, cuda::VerdictBatchView const& out,
                                        cuda::VerifyLimits const& limits, std::uint32_t request, Rule const& rule,
                                        Team& team) {
  std::size_t const first_entry = request * (std::size_t{limits.max_draft_length} + 1);
  BestWord* const words = workspace.words + first_entry;
  std::uint32_t* const decisions = workspace.decisions + first_entry;
  // The walk is sequential, so its input is loaded by all threads beforehand.
  auto* const decided = static_cast<Token*>(team.scratch());
  Token* const tokens = decided + draft.length + 1;
  std::int32_t* const parents = tokens + draft.length + 1;
  team.each([&](std::uint32_t thread) {
    for (std::uint32_t row = thread; row <= draft.length; row += team.size()) {
      decided[row] = token_of(team.read(words + row));
      team.write(words + row, nothing_seen);
      team.write(decisions + row, RowDecision::open);
      if (row == draft.length) continue;
      tokens[row] = draft.tokens[row];
      if (draft.parents != nullptr) parents[row] = draft.parents[row];
    }
  });
  DraftView const fetched{
      .tokens = tokens, .parents = draft.parents == nullptr ? nullptr : parents, .length = draft.length};
  bool const unknown_token = team.any([&](std::uint32_t thread) {
    bool unknown = false;
    for (std::uint32_t node = thread; node < fetched.length; node += team.size())
      unknown = unknown || !fetched.known_token(node, vocabulary);
    return unknown;
  });
  bool const malformed = team.any([&](std::uint32_t thread) {
    bool wrong = false;
    for (std::uint32_t node = thread; node < fetched.length; node += team.size())
      wrong = wrong || !fetched.well_formed(node);
    return wrong;
  });

  if (unknown_token || malformed) {
    refuse_request(malformed ? cuda::VerifyStatus::bad_tree : cuda::VerifyStatus::bad_token, out, limits, request, rule,
                   team);
    return;
  }
  // A path ascends, so the walk writes only where it has already read.
  std::uint32_t const walked = team.lead([&] {
    WalkEnd const end = walk_draft(fetched, decided, parents, tokens);
    decided[0] = end.next;
    return end.accepted;
  });
  Token const next = decided[0];
  bool const valid = next != no_token;
  write_outcome({.verdict = {.accepted = static_cast<std::int32_t>(walked),
                             .next = next,
                             .status = valid ? cuda::VerifyStatus::ok : cuda::VerifyStatus::invalid_row},
                 .path = parents,
                 .emitted = tokens,
                 .emitted_count = walked + (valid ? 1U : 0U)},
                out, limits, request, rule, team);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
