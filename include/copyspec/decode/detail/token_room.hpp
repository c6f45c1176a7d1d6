// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../source_counters.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The tokens of a sequence with room for more after them, and the source of each token of the newest turn. Room grows
/// in steps, so that memory follows what is generated and not what a caller allows.
///
/// O(1), unless stated otherwise. Allocates in `place`, `reserve` and copies only; if one of them throws, nothing has
/// changed. Threads: one call at a time.
class TokenRoom {
 public:
  /// How many tokens to make room for after `length` tokens, of which there may be more: at least 1,024, or a quarter.
  [[nodiscard]] static constexpr std::size_t step(std::size_t length) noexcept {
    return std::max<std::size_t>(1024, length / 4);
  }

  /// Room for a context of `length` tokens and an answer of up to `budget`: all of it if that is no more than 4,096
  /// tokens, otherwise at most 1,024 or `length` tokens. An answer that gives a document back is as long as that.
  [[nodiscard]] static constexpr std::size_t first(std::size_t length, std::size_t budget) noexcept {
    return length + (budget <= 4096 ? budget : std::min(budget, std::max<std::size_t>(1024, length)));
  }

  /// Number of tokens that there is room for, those that are there included, with a source for those from position
  /// `turn` on.
  [[nodiscard]] std::size_t size(std::size_t turn) const noexcept {
    return std::min(tokens_.size(), turn + sources_.size());
  }

  [[nodiscard]] Token* tokens() noexcept { return tokens_.data(); }
  [[nodiscard]] Token const* tokens() const noexcept { return tokens_.data(); }
  [[nodiscard]] std::span<Source> sources() noexcept { return sources_; }
  [[nodiscard]] std::span<Source const> sources() const noexcept { return sources_; }

  /// Makes room for `size` tokens, those from position `turn` on with a source. O(tokens) if it grows.
  void reserve(std::size_t size, std::size_t turn) {
    grow(sources_, size - turn);
    grow(tokens_, size);
  }

  /// Copies `prompt`, which may be a part of these tokens, to position `at`, and makes room for `size` tokens. Tokens
  /// before `at` are kept. O(prompt), and O(tokens) if it grows.
  void place(std::span<Token const> prompt, std::size_t at, std::size_t size) {
    COPYSPEC_ASSERT(at + prompt.size() <= size, "a prompt fits into the room that is made for it");
    grow(sources_, size - at - prompt.size());
    std::vector<Token> outgrown;  // lives until the prompt was copied
    if (tokens_.size() < size) {
      outgrown.resize(size);
      std::copy_n(tokens_.begin(), at, outgrown.begin());
      tokens_.swap(outgrown);
    }
    std::copy(prompt.begin(), prompt.end(), tokens_.begin() + static_cast<std::ptrdiff_t>(at));
  }

  /// Writes the sources of a draft of `count` tokens, as in `Draft`, from the source at index `first` on. O(count).
  void write_sources(std::size_t first, std::span<Source const> sources, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
      Source const source = sources.empty() ? Source::other : sources[std::min(i, sources.size() - 1)];
      COPYSPEC_ASSERT(source != Source::model, "a draft is not what the model says");
      sources_[first + i] = source;
    }
  }

  /// Of a draft of `drafted` tokens, whose sources begin at index `first`, keeps those of the first `copied` tokens, or
  /// of the first `copied` that `path` names. Writes that of the model's token after them if `kept` are more. Returns
  /// the counts of the draft. O(drafted).
  SourceCounters keep_sources(std::size_t first, std::size_t drafted, std::span<std::int32_t const> path,
                              std::size_t copied, std::size_t kept) noexcept {
    SourceCounters counts;
    std::span<Source> const sources = std::span(sources_).subspan(first);
    for (Source const source : sources.first(drafted)) ++counts[source].drafted;
    for (std::size_t i = 0; i < copied; ++i) {
      // A path ascends, so the sources that it names are not overwritten yet.
      if (!path.empty()) sources[i] = sources[static_cast<std::size_t>(path[i])];
      ++counts[sources[i]].accepted;
    }
    if (kept > copied) sources[copied] = Source::model;
    return counts;
  }

  /// Removes `count` tokens from position `first` on; the first `length` tokens are in use. O(length).
  void erase(std::size_t first, std::size_t count, std::size_t length) noexcept {
    Token* const tokens = tokens_.data();
    std::copy(tokens + first + count, tokens + length, tokens + first);
  }

 private:
  // To this size exactly: how much is worth its memory is decided by `step`.
  template <class T>
  static void grow(std::vector<T>& values, std::size_t size) {
    if (size <= values.size()) return;
    values.reserve(size);
    values.resize(size);
  }

  std::vector<Token> tokens_;
  std::vector<Source> sources_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
