// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "copyspec/core/token.hpp"

namespace copyspec::bench {

/// A draft that may branch. Token i continues token `parents[i]`, which is less than i, or the context where that is
/// -1. A chain has the parents -1, 0, 1, ...
struct TreeDraft {
  std::vector<Token> tokens;
  std::vector<std::int32_t> parents;

  void clear() noexcept {
    tokens.clear();
    parents.clear();
  }

  /// Appends a token that continues the last one.
  void extend(Token token) {
    parents.push_back(static_cast<std::int32_t>(tokens.size()) - 1);
    tokens.push_back(token);
  }
};

/// A proposer of whatever origin, driven as its own engine drives it: conversations one behind the other, in each the
/// turns, in each the steps `propose` and `accept`. Contexts are all tokens of the conversation so far.
///
/// Threads: one call at a time. Spans are valid during the call.
class Peer {
 public:
  Peer() = default;
  Peer(Peer const&) = delete;
  Peer& operator=(Peer const&) = delete;
  virtual ~Peer() = default;

  /// What follows shares no token with what was said before.
  virtual void begin_conversation() = 0;

  /// An answer to `context`, which is not empty, begins; it will have at most `answer` tokens.
  virtual void begin_turn(std::span<Token const> context, std::size_t answer) = 0;

  /// Guesses, in at most `limit` tokens, how `context` goes on. `draft` comes empty.
  virtual void propose(std::span<Token const> context, std::size_t limit, TreeDraft& draft) = 0;

  /// `said` follows the context that `propose` saw: the `accepted` tokens of its draft, and the one that the model
  /// added.
  virtual void accept(std::span<Token const> said, std::size_t accepted) = 0;

  /// The answer has ended, and `context` with it.
  virtual void on_turn_end(std::span<Token const> context) = 0;
};

/// Whether a peer still knows in one conversation what was said in those before.
enum class Sharing : std::uint8_t { nothing, history };

}  // namespace copyspec::bench
