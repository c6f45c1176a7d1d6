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

/// What is known at one position about the next token: what followed its contexts, and what its match pointers point
/// to, in the sequence's own text and, if there is one, in a history. For one candidate token, each of these inputs is
/// in a small *state*. A `Mixer` learns how often candidates in such a state are right.
struct MixerInput {
  static constexpr std::size_t own_contexts = ContextHashes::count;
  static constexpr std::size_t history_contexts = 3;
  static constexpr std::size_t contexts = own_contexts + history_contexts;
  static constexpr std::size_t own_pointers = 2;
  static constexpr std::size_t history_pointers = 2;
  static constexpr std::size_t pointers = own_pointers + history_pointers;

  /// A token that a `MatchPointer` points to, and the pointer's record. A negative token is no vote.
  struct Vote {
    Token token = -1;
    std::uint32_t length = 0;
    std::uint8_t misses = 0;
    std::uint8_t history = 0;
    Source source = Source::context;  ///< Source of the text that it points into.

    /// That of an active `pointer`, which points to `token` in a text of `source`.
    static Vote of(MatchPointer const& pointer, Token token, Source source) noexcept {
      return {.token = token,
              .length = pointer.length,
              .misses = pointer.misses,
              .history = pointer.history,
              .source = source};
    }
  };

  /// What followed the contexts of the sequence's own text, then three contexts of the history: the newest token, only
  /// if the newest three were not seen; the newest two; the newest three. Empty for a context that was not seen or not
  /// looked up.
  std::array<SuccessorCounts, contexts> successors{};
  /// Of `longest` and `recovered` in the sequence's own text, then of both in the history.
  std::array<Vote, pointers> votes{};
  bool history = false;   ///< Whether a history was looked up; if not, the mixer skips its inputs.
  std::uint8_t hits = 0;  ///< `MatchPointers::hits` of the sequence's own text.
  Token newest = 0;       ///< The last token before the position.

  /// The source that `token`, which must be named by an input, counts as copied from. It is the text of the longest
  /// match that points to it, or else of the longest context that it followed; of equal lengths, the sequence's own
  /// text. Successors of contexts in reference text are stored with those of the sequence's own text, and count as
  /// that.
  [[nodiscard]] constexpr Source source_of(Token token) const noexcept {
    Vote const* longest = nullptr;
    for (Vote const& vote : votes)
      if (vote.token == token && (longest == nullptr || vote.length > longest->length)) longest = &vote;
    if (longest != nullptr) return longest->source;
    // Three tokens of the history, two of the own text, two of the history, one of the own text; otherwise one of the
    // history.
    constexpr std::array<std::uint8_t, contexts - 1> longest_first{6, 1, 5, 0, 2, 3};
    for (std::uint8_t const context : longest_first)
      if (successors[context].has(token)) return context < own_contexts ? Source::context : Source::history;
    return Source::history;
  }
};

/// The state of a context for a candidate: the class of the candidate's count, the class of its rivals' counts, and
/// whether it is the latest.
struct ContextState {
  static constexpr std::uint32_t count = 7 * 7 * 2;

  static constexpr std::uint32_t of(std::uint32_t own, std::uint32_t rivals, bool latest) noexcept {
    return (class_of(own) * 7 + class_of(rivals)) * 2 + (latest ? 1 : 0);
  }

  /// The prior probability that a candidate in `state` is right, before anything is learnt: the estimate from the
  /// counts, times `trust` in the context.
  static constexpr float prior(std::uint32_t state, float trust) noexcept {
    constexpr std::array<float, 7> counts{0, 1, 2, 3, 5, 9, 16};
    float const own = counts[state / 14];
    if (own == 0) return 0.02F;
    return trust * (own + (state % 2 != 0 ? 0.3F : 0)) / (own + counts[state / 2 % 7] + 1.3F);
  }

 private:
  // Classes of counts. A table, because branches on counts are mispredicted.
  static constexpr std::array<std::uint8_t, 14> classes{0, 1, 2, 3, 4, 4, 4, 5, 5, 5, 5, 5, 5, 6};

  static constexpr std::uint32_t class_of(std::uint32_t seen) noexcept {
    return classes[std::min<std::size_t>(seen, classes.size() - 1)];
  }
};

/// The state of a match pointer for a candidate: the class of its length, its misses and last three outcomes, and
/// whether it points to the candidate.
struct PointerState {
  static constexpr std::uint32_t lengths = 16;
  static constexpr std::uint32_t count = lengths * 4 * 8 * 2;

  static constexpr std::uint32_t of(MixerInput::Vote const& vote, bool points) noexcept {
    std::uint32_t const record = std::min<std::uint32_t>(vote.misses, 3) * 8 + (vote.history & 7U);
    return (length_class(vote.length) * 32 + record) * 2 + (points ? 1 : 0);
  }

  /// The prior probability, as in `ContextState`: a longer match is right more often, and a token that it does not
  /// point to rarely is.
  static constexpr float prior(std::uint32_t state) noexcept {
    auto const length = static_cast<float>(state / 64);
    auto const misses = static_cast<float>(state / 16 % 4);
    float const right = std::clamp((1 - 1 / (1.4F + 0.6F * length)) / (1 + 0.5F * misses), 0.05F, 0.985F);
    return state % 2 != 0 ? right : std::min(0.3F, (1 - right) * 0.2F);
  }

  /// Classes of lengths, coarser for longer ones.
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
