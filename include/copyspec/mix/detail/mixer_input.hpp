// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "context_hashes.hpp"
#include "context_map.hpp"
#include "match_model.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What is known at one position about the token to come: what followed its contexts, and what its match pointers point
/// to, in the sequence's own text and, if there is one, in a history. Each of these inputs is, about one candidate
/// token, in a small *state*; how often candidates in such a state came true is what a `Mixer` learns.
struct MixerInput {
  static constexpr std::size_t own_contexts = ContextHashes::count;
  static constexpr std::size_t history_contexts = 3;
  static constexpr std::size_t contexts = own_contexts + history_contexts;
  static constexpr std::size_t own_pointers = 2;
  static constexpr std::size_t history_pointers = 2;
  static constexpr std::size_t pointers = own_pointers + history_pointers;

  /// A token that a `MatchPointer` points to, and the pointer's record; a negative token is no vote.
  struct Vote {
    Token token = -1;
    std::uint32_t length = 0;
    std::uint8_t misses = 0;
    std::uint8_t history = 0;
    Source source = Source::context;  ///< Of the text that it points into.
  };

  /// What followed the contexts of the sequence's own text; then, in the history, the newest token, if the newest three
  /// were not seen, the newest two and the newest three. Empty for a context that was not seen before, or not asked.
  std::array<SuccessorCounts, contexts> successors{};
  /// Of the longest match and of the one that survives edits, in the sequence's own text, then in the history.
  std::array<Vote, pointers> votes{};
  bool history = false;   ///< Whether a history was asked; if not, the mixer leaves its inputs out.
  std::uint8_t hits = 0;  ///< `MatchPointers::hits`, of the sequence's own text.
  Token newest = 0;       ///< The last token before the position.

  /// What `token`, which is named, counts as copied from: the text of the longest match that points to it, or else of
  /// the longest context that it followed; of equals, the sequence's own. What followed contexts in reference text is
  /// kept with what followed them in the sequence's own, and counts as that.
  [[nodiscard]] constexpr Source source_of(Token token) const noexcept {
    Vote const* longest = nullptr;
    for (Vote const& vote : votes)
      if (vote.token == token && (longest == nullptr || vote.length > longest->length)) longest = &vote;
    if (longest != nullptr) return longest->source;
    // Three tokens of the history, two of the own text, two of the history, one of the own text; or else one of the
    // history.
    constexpr std::array<std::uint8_t, contexts - 1> longest_first{6, 1, 5, 0, 2, 3};
    for (std::uint8_t const context : longest_first)
      if (successors[context].has(token)) return context < own_contexts ? Source::context : Source::history;
    return Source::history;
  }
};

/// The state of a context about a candidate: the class of its own count, that of its rivals' counts, and whether it is
/// the latest.
struct ContextState {
  static constexpr std::uint32_t count = 7 * 7 * 2;

  static constexpr std::uint32_t of(std::uint32_t own, std::uint32_t rivals, bool latest) noexcept {
    return (class_of(own) * 7 + class_of(rivals)) * 2 + (latest ? 1 : 0);
  }

  /// The share of candidates in `state` that come true, before anything was learnt: what the counts promise, times
  /// `trust` in the context.
  static constexpr float prior(std::uint32_t state, float trust) noexcept {
    constexpr std::array<float, 7> counts{0, 1, 2, 3, 5, 9, 16};
    float const own = counts[state / 14];
    if (own == 0) return 0.02F;
    return trust * (own + (state % 2 != 0 ? 0.3F : 0)) / (own + counts[state / 2 % 7] + 1.3F);
  }

 private:
  // Counts in classes. A table, because branches on counts are guessed wrong.
  static constexpr std::array<std::uint8_t, 14> classes{0, 1, 2, 3, 4, 4, 4, 5, 5, 5, 5, 5, 5, 6};

  static constexpr std::uint32_t class_of(std::uint32_t seen) noexcept {
    return classes[std::min<std::size_t>(seen, classes.size() - 1)];
  }
};

/// The state of a match pointer about a candidate: the class of its length, its misses and last three outcomes, and
/// whether it points to the candidate.
struct PointerState {
  static constexpr std::uint32_t lengths = 16;
  static constexpr std::uint32_t count = lengths * 4 * 8 * 2;

  static constexpr std::uint32_t of(MixerInput::Vote const& vote, bool points) noexcept {
    std::uint32_t const record = std::min<std::uint32_t>(vote.misses, 3) * 8 + (vote.history & 7U);
    return (length_class(vote.length) * 32 + record) * 2 + (points ? 1 : 0);
  }

  /// As that of `ContextState`: a longer match is right more often, and what it does not point to rarely is.
  static constexpr float prior(std::uint32_t state) noexcept {
    auto const length = static_cast<float>(state / 64);
    auto const misses = static_cast<float>(state / 16 % 4);
    float const right = std::clamp((1 - 1 / (1.4F + 0.6F * length)) / (1 + 0.5F * misses), 0.05F, 0.985F);
    return state % 2 != 0 ? right : std::min(0.3F, (1 - right) * 0.2F);
  }

  /// Lengths in classes, the longer the coarser.
  static constexpr std::uint32_t length_class(std::uint32_t length) noexcept {
    if (length <= 8) return length;
    if (length <= 12) return length <= 10 ? 9 : 10;
    if (length <= 24) return length <= 16 ? 11 : 12;
    return length <= 32 ? 13 : length < 64 ? 14 : 15;
  }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
