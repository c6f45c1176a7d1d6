// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../history.hpp"
#include "context_hashes.hpp"
#include "context_map.hpp"
#include "match_model.hpp"
#include "mixer_input.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A history as a source that one sequence copies from: where in it the newest tokens occurred before, and what
/// followed their contexts. Without a history, only `exists` may be called.
///
/// Cost: O(1) a call, wait-free. Allocates nothing. Threads: one call at a time; the history may be written to
/// meanwhile.
class HistorySource {
 public:
  /// A null pointer is no history.
  explicit HistorySource(std::shared_ptr<History const> history) : history_(std::move(history)) {}

  [[nodiscard]] bool exists() const noexcept { return history_ != nullptr; }

  /// The positions in the history that the newest tokens are being copied from.
  [[nodiscard]] MatchPointers const& pointers() const noexcept { return pointers_; }

  /// Stops following the text that is being copied from.
  void leave() noexcept { pointers_ = {}; }

  /// Reports that the last token of `context` was appended. `three` is the hash of the newest three tokens
  /// (`ContextHashes::three`). If no match is active and `search` is set, searches for one.
  void append(std::span<Token const> context, std::uint64_t three, bool search) noexcept {
    advance(pointers_, context.back());
    std::size_t const candidate = three != 0 && !pointers_.longest.active && search ? history_->newest(three) : 0;
    pointers_.search(Text{*history_}, candidate, context.size(),
                     [&](std::size_t i) { return context[context.size() - 1 - i]; });
  }

  /// Advances `pointers` by one token, as if it had been generated. A pointer becomes inactive after the end of a
  /// request, and where a request was evicted.
  void advance(MatchPointers& pointers, Token token) const noexcept {
    auto const token_at = [&](std::size_t position) { return history_->token(position); };
    pointers.advance(token, token_at);
    for (MatchPointer* const pointer : {&pointers.longest, &pointers.recovered})
      if (pointer->active && token_at(pointer->position) < 0) pointer->active = false;
  }

  /// Adds to `input` what the history knows of the token after `contexts`.
  void describe(ContextHashes const& contexts, MatchPointers const& pointers, MixerInput& input) const noexcept {
    input.history = true;
    auto const [one, two, three] = History::remembered(contexts);
    auto const find = [&](std::uint64_t hash) { return hash != 0 ? history_->find(hash) : SuccessorCounts(); };
    SuccessorCounts* const successors = &input.successors[MixerInput::own_contexts];
    successors[1] = find(two);
    successors[2] = find(three);
    // The shortest context adds little if the longest is known, and reading it costs a memory access.
    if (successors[2].size() == 0) successors[0] = find(one);
    std::size_t i = MixerInput::own_pointers;
    for (MatchPointer const& pointer : {pointers.longest, pointers.recovered}) input.votes[i++] = vote(pointer);
  }

  /// The token that a pointer expects next, if any.
  [[nodiscard]] MixerInput::Vote vote(MatchPointer const& pointer) const noexcept {
    if (!pointer.active) return {};
    return MixerInput::Vote::of(pointer, history_->token(pointer.position), Source::history);
  }

  /// Prefetches what will be read for the position after `length`, assuming that the token at `length` is the one that
  /// `input` names first. The loads overlap with computing its probability. `token_at(i)` is the token at an earlier
  /// position.
  template <class TokenAt>
  void prefetch(MixerInput const& input, std::size_t length, TokenAt const& token_at) const noexcept {
    Token const first = first_named(input);
    if (first < 0) return;
    ContextHashes const after(length + 1, [&](std::size_t at) { return at == length ? first : token_at(at); });
    for (std::uint64_t const hash : {after.values[1], after.three})
      if (hash != 0) history_->expect(hash);
  }

 private:
  struct Text {
    History const& history;

    [[nodiscard]] std::size_t previous(std::size_t position) const noexcept { return history.previous(position); }
    [[nodiscard]] bool equal(std::size_t position, Token token) const noexcept {
      return token >= 0 && history.token(position) == token;
    }
    [[nodiscard]] bool has(std::size_t position) const noexcept { return history.token(position) >= 0; }
  };

  // -1 if no token is named.
  static Token first_named(MixerInput const& input) noexcept {
    for (MixerInput::Vote const& vote : input.votes)
      if (vote.token >= 0) return vote.token;
    for (std::size_t const context : {MixerInput::contexts - 1, std::size_t{1}, std::size_t{0}})
      if (input.successors[context].size() > 0) return input.successors[context].token(0);
    return -1;
  }

  std::shared_ptr<History const> history_;
  MatchPointers pointers_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
