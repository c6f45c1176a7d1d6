// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "../../core/assert.hpp"
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

/// Where a sequence, or a chain of guesses behind it, is being copied from.
struct Place {
  MatchPointers own;      ///< In the sequence's own text.
  MatchPointers history;  ///< In the history.
};

/// All that one sequence may be copied from: its own text, of which it remembers the contexts and the matches;
/// reference text that it was given, which is read as if it had been said before everything else; and a history that it
/// shares with others, if there is one.
///
/// What is remembered of the first two is a function of their tokens. Positions of the own text that a `Place` holds
/// count the reference text too; all others count from the first token of the context.
///
/// Cost: O(1) a token. Memory: 50 bytes a token reserved, less beyond 52,000 tokens, of the reference text too; with a
/// window, of at most `window` tokens of both. Allocates in `reserve` and `set_references` only. Threads: one call at a
/// time; the history may be written to meanwhile.
class CopySources {
 public:
  /// A window of zero is none; without a history, there is the own text.
  CopySources(std::size_t window, std::shared_ptr<History const> history)
      : window_(window == 0 ? unlimited : window), history_(std::move(history)), match_(window) {}

  /// How many tokens of the context were read.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Bytes allocated for this sequence.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return match_.memory_bytes() + statistics_.memory_bytes() + reference_.capacity() * sizeof(Token);
  }

  /// Behind what was read.
  [[nodiscard]] Place const& place() const noexcept { return place_; }

  /// Reads `texts` instead of those given before, and forgets the context. Returns whether it did: not if there were
  /// none and are none. Copies the texts. O(tokens of all texts, and of room reserved).
  bool set_references(std::span<std::vector<Token> const> texts) {
    if (texts.empty() && reference_.empty()) return false;
    std::size_t const before = reference_.size();
    reference_.clear();
    for (std::vector<Token> const& text : texts) {
      reference_.insert(reference_.end(), text.begin(), text.end());
      // No match goes on from one text into the next, or into the context.
      reference_.push_back(-1);
    }
    if (std::size_t const context = reserved_ - std::min(reserved_, before); !reserve(context)) forget();
    return true;
  }

  /// Makes room for `length` tokens of context. Returns whether everything was forgotten for it, and is to be read
  /// again.
  bool reserve(std::size_t length) {
    length += reference_.size();
    if (std::min(length, window_) <= reserved_) return false;
    // A quarter more than the last time, so that a context that grows turn by turn is seldom read again.
    reserved_ = std::min(std::max(length, reserved_ + reserved_ / 4), window_);
    match_.reserve(reserved_);
    statistics_.reset(std::min(reserved_ * 5 / 2, max_contexts));
    begin_again();
    return true;
  }

  /// Forgets everything, if more than `length` tokens were read. Returns whether it did.
  bool truncate(std::size_t length) noexcept {
    if (length >= size_) return false;
    forget();
    return true;
  }

  /// What of `context` is further back than the window need not be read.
  void skip(std::size_t length) noexcept {
    if (length - size_ <= window_) return;
    size_ = length - window_;
    match_.begin_at(reference_.size() + size_);
    place_ = {};
  }

  /// Reads the token of `context` at the position `size()`, whose contexts are `contexts`. Only with `follow` is its
  /// place in the history looked for: of a prompt, the last tokens are enough. Returns the contexts of the position
  /// behind.
  ContextHashes append(std::span<Token const> context, ContextHashes const& contexts, bool follow) noexcept {
    auto const token_at = [&](std::size_t position) { return context[position]; };
    ContextHashes const after(size_ + 1, token_at);
    read(context[size_], contexts, after, token_at);
    ++size_;
    if (history_ != nullptr) {
      if (follow)
        follow_history(context.first(size_), after.three);
      else
        place_.history = {};
    }
    return after;
  }

  /// Goes one token on in all texts, as if it had been said. `token_at` as in `evidence`.
  template <class TokenAt>
  void advance(Place& place, Token token, TokenAt const& token_at) const noexcept {
    place.own.advance(token, text_of(token_at));
    if (history_ != nullptr) advance_in_history(place.history, token);
  }

  /// What is known of the token at the position `length`, before which stand `contexts`; `token_at(i)` is the token at
  /// a position before it, of the context or of a chain of guesses behind it.
  template <class TokenAt>
  [[nodiscard]] MixerInput evidence(ContextHashes const& contexts, Place const& place, std::size_t length,
                                    TokenAt const& token_at) const noexcept {
    MixerInput evidence;
    for (std::size_t i = 0; i < MixerInput::own_contexts; ++i)
      if (contexts.values[i] != 0) evidence.successors[i] = statistics_.find(contexts.values[i]);
    auto const own_vote = [&](MatchPointer const& pointer) {
      bool const stands = pointer.active && pointer.position < reference_.size() + length;
      if (!stands) return MixerInput::Vote{};
      Source const source = pointer.position < reference_.size() ? Source::reference : Source::context;
      return vote(pointer, text_of(token_at)(pointer.position), source);
    };
    evidence.votes[0] = own_vote(place.own.longest);
    evidence.votes[1] = own_vote(place.own.recovered);
    evidence.hits = place.own.hits;
    evidence.newest = contexts.newest;
    if (asks_history(evidence)) {
      add_history(contexts, place.history, evidence);
      expect_behind(evidence, length, token_at);
    }
    return evidence;
  }

 private:
  static constexpr std::size_t unlimited = ~std::size_t{0};
  // 2 MiB: beyond it nearly every probe misses the caches. Tokens long past are left to the longest match.
  static constexpr std::size_t max_contexts = std::size_t{1} << 17;

  // So long a match of the own text is right so often that a history has nothing to add.
  static constexpr std::uint32_t sure_length = 16;

  [[nodiscard]] bool asks_history(MixerInput const& evidence) const noexcept {
    return history_ != nullptr && (evidence.votes[0].token < 0 || evidence.votes[0].length < sure_length);
  }

  struct HistoryText {
    History const& history;

    [[nodiscard]] std::size_t previous(std::size_t position) const noexcept { return history.previous(position); }
    [[nodiscard]] bool equal(std::size_t position, Token token) const noexcept {
      return token >= 0 && history.token(position) == token;
    }
    [[nodiscard]] bool has(std::size_t position) const noexcept { return history.token(position) >= 0; }
  };

  static MixerInput::Vote vote(MatchPointer const& pointer, Token token, Source source) noexcept {
    return {.token = token,
            .length = pointer.length,
            .misses = pointer.misses,
            .history = pointer.history,
            .source = source};
  }

  // Beyond the end of a request, and where one was evicted, there is nothing to follow.
  void advance_in_history(MatchPointers& pointers, Token token) const noexcept {
    auto const token_at = [&](std::size_t position) { return history_->token(position); };
    pointers.advance(token, token_at);
    for (MatchPointer* const pointer : {&pointers.longest, &pointers.recovered})
      if (pointer->active && token_at(pointer->position) < 0) pointer->active = false;
  }

  void follow_history(std::span<Token const> context, std::uint64_t three) noexcept {
    MatchPointers& pointers = place_.history;
    advance_in_history(pointers, context.back());
    MatchPointer const& own = place_.own.longest;
    bool const sure = own.active && own.length >= sure_length;
    std::size_t const candidate = three != 0 && !pointers.longest.active && !sure ? history_->newest(three) : 0;
    pointers.search(HistoryText{*history_}, candidate, context.size(),
                    [&](std::size_t i) { return context[context.size() - 1 - i]; });
  }

  void add_history(ContextHashes const& contexts, MatchPointers const& pointers, MixerInput& evidence) const noexcept {
    evidence.history = true;
    auto const [one, two, three] = History::remembered(contexts);
    auto const find = [&](std::uint64_t hash) { return hash != 0 ? history_->find(hash) : SuccessorCounts(); };
    SuccessorCounts* const successors = &evidence.successors[MixerInput::own_contexts];
    successors[1] = find(two);
    successors[2] = find(three);
    // It says little where more is known, and costs a look into memory.
    if (successors[2].size() == 0) successors[0] = find(one);
    std::size_t i = MixerInput::own_pointers;
    for (MatchPointer const& pointer : {pointers.longest, pointers.recovered})
      evidence.votes[i++] =
          pointer.active ? vote(pointer, history_->token(pointer.position), Source::history) : MixerInput::Vote{};
  }

  // What is asked next, if that token is said which is named first: while the probabilities are worked out, it comes
  // from memory.
  template <class TokenAt>
  void expect_behind(MixerInput const& evidence, std::size_t length, TokenAt const& token_at) const noexcept {
    Token guess = -1;
    for (MixerInput::Vote const& vote : evidence.votes)
      if (guess < 0) guess = vote.token;
    for (std::size_t const context : {MixerInput::contexts - 1, std::size_t{1}, std::size_t{0}})
      if (guess < 0 && evidence.successors[context].size() > 0) guess = evidence.successors[context].token(0);
    if (guess < 0) return;
    ContextHashes const behind(length + 1, [&](std::size_t at) { return at == length ? guess : token_at(at); });
    for (std::uint64_t const hash : {behind.values[1], behind.three})
      if (hash != 0) history_->expect(hash);
  }

  // The reference text, and behind it what `token_at` gives.
  template <class TokenAt>
  [[nodiscard]] auto text_of(TokenAt const& token_at) const noexcept {
    return [this, &token_at](std::size_t position) {
      return position < reference_.size() ? reference_[position] : token_at(position - reference_.size());
    };
  }

  // Reads `token`, the next of the text that `token_at` gives behind the reference text, between these contexts.
  template <class TokenAt>
  void read(Token token, ContextHashes const& before, ContextHashes const& after, TokenAt const& token_at) noexcept {
    for (std::uint64_t const hash : before.values)
      if (hash != 0) statistics_.observe(hash, token);
    match_.append(text_of(token_at), after.three);
    place_.own = match_.pointers();
  }

  void forget() noexcept {
    statistics_.clear();
    match_.begin_at(0);
    begin_again();
  }

  // With nothing remembered: reads the reference text.
  void begin_again() noexcept {
    place_ = {};
    size_ = 0;
    auto const token_at = [&](std::size_t position) { return reference_[position]; };
    auto const nothing = [](std::size_t) { return Token{-1}; };
    ContextHashes before(0, token_at);
    for (std::size_t i = 0; i < reference_.size(); ++i) {
      ContextHashes const after(i + 1, token_at);
      read(reference_[i], before, after, nothing);
      before = after;
    }
  }

  std::size_t window_;
  std::shared_ptr<History const> history_;
  std::vector<Token> reference_;  // the texts, a -1 behind each
  MatchModel match_;
  ContextMap statistics_;
  Place place_;
  std::size_t size_ = 0;
  std::size_t reserved_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
