// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../token.hpp"
#include "draft_batch.hpp"
#include "draft_walk.hpp"
#include "../host_device.hpp"
#include "running_best.hpp"
#include "verdict_batch.hpp"
#include "verify_workspace.hpp"

namespace copyspec::inline v0::cuda {

/// Writes -1 wherever the outputs of `request` have room behind `accepted` nodes and `emitted` tokens.
template <class Team>
COPYSPEC_HOST_DEVICE void fill_rest(VerdictBatchView const& out, VerifyLimits const& limits, std::uint32_t request,
                                    std::size_t accepted, std::size_t emitted, Team& team) {
  std::size_t const room = limits.max_draft_length;
  team.each([&](std::uint32_t thread) {
    if (out.emitted != nullptr)
      for (std::size_t i = emitted + thread; i <= room; i += team.size()) out.emitted[request * (room + 1) + i] = -1;
    if (out.path != nullptr)
      for (std::size_t i = accepted + thread; i < room; i += team.size()) out.path[request * room + i] = -1;
  });
}

/// The verdict on a request that cannot be judged.
template <class Team>
COPYSPEC_HOST_DEVICE void refuse_request(VerifyStatus status, VerdictBatchView const& out, VerifyLimits const& limits,
                                         std::uint32_t request, Team& team) {
  team.lead([&] {
    out.verdicts[request] = {.accepted = 0, .next = no_token, .status = status};
    return 0U;
  });
  fill_rest(out, limits, request, 0, 0, team);
}

/// Bytes of scratch memory that `judge_request` needs for drafts of up to `max_draft_length`.
[[nodiscard]] COPYSPEC_HOST_DEVICE constexpr std::size_t scratch_bytes(std::uint32_t max_draft_length) noexcept {
  return (3 * std::size_t{max_draft_length} + 1) * sizeof(Token);
}

/// Judges `draft`, the draft of `request`, by the words that its rows have left in the workspace from `words` and
/// `decisions` on, and sets these back to zero. For a `Team` as `verify_tile` describes it. O(draft.length).
template <class Team>
COPYSPEC_HOST_DEVICE void judge_request(DraftView const& draft, std::uint32_t vocabulary, BestWord* words,
                                        std::uint32_t* decisions, VerdictBatchView const& out,
                                        VerifyLimits const& limits, std::uint32_t request, Team& team) {
  // The walk goes step by step, so what it reads is fetched beforehand, by all threads at once.
  auto* const decided = static_cast<Token*>(team.scratch());
  Token* const tokens = decided + draft.length + 1;
  std::int32_t* const parents = tokens + draft.length;
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
    refuse_request(malformed ? VerifyStatus::bad_tree : VerifyStatus::bad_token, out, limits, request, team);
    return;
  }
  std::size_t const room = limits.max_draft_length;
  std::uint32_t const outcome = team.lead([&] {
    WalkEnd const end = walk_draft(fetched, decided, out.path == nullptr ? nullptr : out.path + request * room,
                                   out.emitted == nullptr ? nullptr : out.emitted + request * (room + 1));
    bool const valid = end.next != no_token;
    out.verdicts[request] = {.accepted = static_cast<std::int32_t>(end.accepted),
                             .next = end.next,
                             .status = valid ? VerifyStatus::ok : VerifyStatus::invalid_row};
    return end.accepted * 2 + (valid ? 1U : 0U);
  });
  fill_rest(out, limits, request, outcome / 2, outcome / 2 + outcome % 2, team);
}

}  // namespace copyspec::inline v0::cuda
