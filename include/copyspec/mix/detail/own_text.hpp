// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "context_hashes.hpp"
#include "context_map.hpp"
#include "match_model.hpp"
#include "mixer_input.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A sequence's own text as a source to copy from. It remembers what followed which context, and where the newest
/// tokens occurred before. Reference text that the sequence was given is read as if it were generated before everything
/// else.
///
/// What is remembered is a function of the tokens. Positions in `MatchPointers` count the reference text too; all
/// others count from the first token of the context.
///
/// Cost: O(1) a token. Memory: 50 bytes for each token reserved, reference text included, and less beyond 52,000
/// tokens. With a window, at most `window` tokens of both count. Allocates in `reserve` and `set_references` only.
/// Threads: one call at a time.
class OwnText {
 public:
  /// A window of zero is no window.
  explicit OwnText(std::size_t window) : window_(window == 0 ? unlimited : window), match_(window) {}

  /// Number of context tokens that were read.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return match_.memory_bytes() + followed_.memory_bytes() + reference_.capacity() * sizeof(Token);
  }

  /// The positions that the newest tokens are being copied from.
  [[nodiscard]] MatchPointers const& pointers() const noexcept { return match_.pointers(); }

  /// Reads `texts` instead of the earlier ones, and forgets the context. Returns whether it did; it does not if there
  /// were none and are none. Copies the texts. O(tokens of all texts, and of room reserved).
  bool set_references(std::span<std::vector<Token> const> texts) {
    if (texts.empty() && reference_.empty()) return false;
    std::size_t const before = reference_.size();
    reference_.clear();
    for (std::vector<Token> const& text : texts) {
      reference_.insert(reference_.end(), text.begin(), text.end());
      // The -1 ends every match, so none continues from one text into the next, or into the context.
      reference_.push_back(-1);
    }
    if (std::size_t const context = reserved_ - std::min(reserved_, before); !reserve(context)) forget();
    return true;
  }

  /// Makes room for `length` tokens of context. Returns whether everything was forgotten for it and must be read again.
  bool reserve(std::size_t length) {
    length += reference_.size();
    if (std::min(length, window_) <= reserved_) return false;
    // At least a quarter more than last time, so that a context that grows turn by turn is seldom read again.
    reserved_ = std::min(std::max(length, reserved_ + reserved_ / 4), window_);
    match_.reserve(reserved_);
    followed_.reset(std::min(reserved_ * 5 / 2, max_contexts));
    read_references();
    return true;
  }

  /// Forgets everything if more than `length` tokens were read. Returns whether it did.
  bool truncate(std::size_t length) noexcept {
    if (length >= size_) return false;
    forget();
    return true;
  }

  /// Skips the part of a context of `length` tokens that is older than the window. Returns whether anything was
  /// skipped.
  bool skip(std::size_t length) noexcept {
    if (length - size_ <= window_) return false;
    size_ = length - window_;
    match_.begin_at(reference_.size() + size_);
    return true;
  }

  /// Reads the token of `context` at the position `size()`, between these contexts.
  void append(std::span<Token const> context, ContextHashes const& before, ContextHashes const& after) noexcept {
    read(context[size_], before, after, [&](std::size_t position) { return context[position]; });
    ++size_;
  }

  /// Advances `pointers` by one token, as if it had been generated. `token_at` is as in `describe`.
  template <class TokenAt>
  void advance(MatchPointers& pointers, Token token, TokenAt const& token_at) const noexcept {
    pointers.advance(token, text_of(token_at));
  }

  /// Writes to `input` what is known of the token at the position `length`, which comes after `contexts`. `token_at(i)`
  /// is the token at an earlier position, of the context or of a draft after it.
  template <class TokenAt>
  void describe(ContextHashes const& contexts, MatchPointers const& pointers, std::size_t length,
                TokenAt const& token_at, MixerInput& input) const noexcept {
    for (std::size_t i = 0; i < MixerInput::own_contexts; ++i)
      if (contexts.values[i] != 0) input.successors[i] = followed_.find(contexts.values[i]);
    auto const vote = [&](MatchPointer const& pointer) {
      bool const stands = pointer.active && pointer.position < reference_.size() + length;
      if (!stands) return MixerInput::Vote{};
      Source const source = pointer.position < reference_.size() ? Source::reference : Source::context;
      return MixerInput::Vote::of(pointer, text_of(token_at)(pointer.position), source);
    };
    input.votes[0] = vote(pointers.longest);
    input.votes[1] = vote(pointers.recovered);
    input.hits = pointers.hits;
    input.newest = contexts.newest;
  }

 private:
  static constexpr std::size_t unlimited = ~std::size_t{0};
  // 2 MiB. Beyond that, nearly every probe misses the caches. Older tokens are left to the longest match.
  static constexpr std::size_t max_contexts = std::size_t{1} << 17;

  // The reference text, followed by what `token_at` returns.
  template <class TokenAt>
  [[nodiscard]] auto text_of(TokenAt const& token_at) const noexcept {
    return [this, &token_at](std::size_t position) {
      return position < reference_.size() ? reference_[position] : token_at(position - reference_.size());
    };
  }

  // Reads `token`, the next token of the text that `token_at` returns after the reference text.
  template <class TokenAt>
  void read(Token token, ContextHashes const& before, ContextHashes const& after, TokenAt const& token_at) noexcept {
    for (std::uint64_t const hash : before.values)
      if (hash != 0) followed_.observe(hash, token);
    match_.append(text_of(token_at), after.three);
  }

  void forget() noexcept {
    followed_.clear();
    match_.begin_at(0);
    read_references();
  }

  // Call only when nothing is remembered.
  void read_references() noexcept {
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
  std::vector<Token> reference_;  // the texts, each followed by -1
  MatchModel match_;
  ContextMap followed_;
  std::size_t size_ = 0;
  std::size_t reserved_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
