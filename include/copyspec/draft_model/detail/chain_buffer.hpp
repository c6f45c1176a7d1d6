// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../cost/draft_length.hpp"
#include "../../draft/proposer.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A chain that is being drafted: up to `max_predicted_tokens` tokens, with the acceptance probability and the source
/// of each.
///
/// O(1) a token. No allocation. Threads: one call at a time.
class ChainBuffer {
 public:
  /// Begins a chain of at most `room` tokens, with none.
  void clear(std::size_t room) noexcept {
    room_ = std::min(room, max_predicted_tokens);
    size_ = 0;
  }

  [[nodiscard]] std::size_t room() const noexcept { return room_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] Token token(std::size_t place) const noexcept { return tokens_[place]; }
  [[nodiscard]] float probability(std::size_t place) const noexcept { return probabilities_[place]; }
  [[nodiscard]] std::span<float const> probabilities() const noexcept { return std::span(probabilities_).first(size_); }

  /// The first `count` tokens. Valid as long as this, like the spans below.
  [[nodiscard]] std::span<Token const> first(std::size_t count) const noexcept {
    return std::span(tokens_).first(count);
  }

  /// Where tokens are written: those there are, and room for more.
  [[nodiscard]] std::span<Token> space() noexcept { return std::span(tokens_).first(room_); }

  /// The tokens of `draft`, which were written to `space()` after those there are, are part of the chain. Needs a
  /// probability for each.
  void append(Draft const& draft) noexcept {
    COPYSPEC_ASSERT(size_ + draft.length <= room_, "a draft fits into the space it was given");
    for (std::size_t i = 0; i < draft.length; ++i) {
      probabilities_[size_ + i] = draft.probabilities[i];
      sources_[size_ + i] =
          draft.sources.empty() ? Source::other : draft.sources[std::min(i, draft.sources.size() - 1)];
    }
    size_ += draft.length;
  }

  /// Token `place` <= `size()` is `token`, and the last one.
  void end_with(std::size_t place, Token token, float probability, Source source) noexcept {
    COPYSPEC_ASSERT(place <= size_ && place < room_, "tokens are decided in order");
    tokens_[place] = token;
    probabilities_[place] = probability;
    sources_[place] = source;
    size_ = place + 1;
  }

  /// What is known of the token at `place` has changed.
  void set_probability(std::size_t place, float probability) noexcept { probabilities_[place] = probability; }

  /// Copies the first `length` tokens to `space`, as a draft.
  [[nodiscard]] Draft deliver(std::size_t length, std::span<Token> space) const noexcept {
    std::copy_n(tokens_.begin(), length, space.begin());
    return {.length = length,
            .sources = std::span(sources_).first(length),
            .probabilities = std::span(probabilities_).first(length),
            .drawn_from = {}};
  }

 private:
  std::array<Token, max_predicted_tokens> tokens_{};
  std::array<float, max_predicted_tokens> probabilities_{};
  std::array<Source, max_predicted_tokens> sources_{};
  std::size_t room_ = 0;
  std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
