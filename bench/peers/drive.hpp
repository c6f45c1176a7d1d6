// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "../replay_trace.hpp"
#include "../trace.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/core/token.hpp"
#include "peer.hpp"

namespace copyspec::bench {

/// The tokens of `draft` along its path that `expected` begins with, as in greedy verification of a tree. Throws
/// `Error` if `draft` is no tree of at most `limit` tokens.
[[nodiscard]] inline std::size_t count_accepted(TreeDraft const& draft, std::span<Token const> expected,
                                                std::size_t limit) {
  if (draft.tokens.size() != draft.parents.size() || draft.tokens.size() > limit)
    raise_error(ErrorCode::file, fmt::format("a draft of {} tokens with {} parents, where {} tokens are allowed",
                                             draft.tokens.size(), draft.parents.size(), limit));
  std::size_t accepted = 0;
  std::int32_t newest = -1;
  for (std::size_t i = 0; i < draft.tokens.size(); ++i) {
    if (draft.parents[i] < -1 || std::cmp_greater_equal(draft.parents[i], i))
      raise_error(ErrorCode::file, fmt::format("token {} of a draft continues token {}, which does not come before it",
                                               i, draft.parents[i]));
    if (draft.parents[i] == newest && accepted < expected.size() && draft.tokens[i] == expected[accepted]) {
      newest = static_cast<std::int32_t>(i);
      ++accepted;
    }
  }
  return accepted;
}

/// Nanoseconds.
struct PeerTimes {
  std::int64_t begin = 0;           ///< Of all calls of `begin_turn`.
  std::vector<std::int64_t> steps;  ///< Of each step, `propose` and `accept`.
};

/// Lets `peer` answer: the context is the first `turn.answer` of `tokens`, and the model says what follows up to
/// `turn.end`. As in `Composer`, the pass that yields the first token may have a draft, and no draft goes further than
/// one token before the end, which the model adds itself.
inline void drive(Peer& peer, std::span<Token const> tokens, Turn const& turn, Tally& tally, PeerTimes& times) {
  using Clock = std::chrono::steady_clock;
  auto const nanoseconds = [](Clock::duration time) { return std::chrono::nanoseconds(time).count(); };
  TreeDraft draft;
  auto const begin_turn = Clock::now();
  peer.begin_turn(tokens.first(turn.answer), turn.end - turn.answer);
  times.begin += nanoseconds(Clock::now() - begin_turn);
  for (std::size_t length = turn.answer; length < turn.end;) {
    std::size_t const limit = turn.end - length - 1;
    draft.clear();
    auto const begin = Clock::now();
    peer.propose(tokens.first(length), limit, draft);
    auto const proposed = Clock::now();
    std::size_t const accepted = count_accepted(draft, tokens.subspan(length, limit), limit);
    auto const judged = Clock::now();
    peer.accept(tokens.subspan(length, accepted + 1), accepted);
    times.steps.push_back(nanoseconds((proposed - begin) + (Clock::now() - judged)));
    length += accepted + 1;
    tally += {.tokens = accepted + 1,
              .passes = 1,
              .drafted = draft.tokens.size(),
              .accepted = accepted,
              .attempts = draft.tokens.empty() ? std::size_t{0} : std::size_t{1}};
  }
  peer.on_turn_end(tokens.first(turn.end));
}

/// Lets `peer` answer all turns of all conversations, in the order of the trace.
inline void drive(Peer& peer, std::span<Conversation const> conversations, Tally& tally, PeerTimes& times) {
  for (Conversation const& conversation : conversations) {
    peer.begin_conversation();
    for (Turn const& turn : conversation.turns) drive(peer, conversation.tokens, turn, tally, times);
  }
}

}  // namespace copyspec::bench
