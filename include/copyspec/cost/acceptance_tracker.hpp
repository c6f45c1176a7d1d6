// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "draft_length.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// How often the tokens of a proposer's drafts came true: the chance of each that it is right if those before it in its
/// draft are. Means that become moving ones, so that it follows a proposer that changes.
///
/// The draft that a `rival` made for the same context tells easy places from hard ones. Kept apart are the tokens that
/// both drafted, by their place; the one where they part; and those of which the rival said nothing, by how many came
/// before. Otherwise what is right wherever both are would be believed where the rival knows better.
///
/// A proposer that was not heard of yet is not believed: what it is worth shows without any of its drafts being fed,
/// because its first tokens are held against what is said anyway. A place that was not reached yet is taken to be a
/// little worse than the one before it.
///
/// O(tokens). No allocation. Threads: one call at a time.
class AcceptanceTracker {
 public:
  /// Behind a context for which `draft` and `rival` were made, `said` was said, as far as it is known.
  void observe(std::span<Token const> draft, std::span<Token const> rival, std::span<Token const> said) noexcept {
    Walk walk(draft, rival);
    std::size_t const known = std::min({draft.size(), said.size(), max_draft_tokens});
    for (std::size_t i = 0; i < known; ++i) {
      Place& place = places_[walk.next()];
      if (place.seen == 0) place = {.share = walk.expected, .seen = 1};
      bool const right = draft[i] == said[i];
      place.seen = std::min(place.seen + 1, memory);
      place.share += ((right ? 1.0F : 0.0F) - place.share) / place.seen;
      if (!right) return;
      walk.expected = place.share * worse;
    }
  }

  /// Writes the probabilities of the tokens of `draft`, at most `max_draft_tokens`.
  void probabilities(std::span<Token const> draft, std::span<Token const> rival,
                     std::span<float> probabilities) const noexcept {
    Walk walk(draft, rival);
    for (std::size_t i = 0; i < draft.size(); ++i) {
      Place const& place = places_[walk.next()];
      probabilities[i] = place.seen == 0 ? walk.expected : place.share;
      walk.expected = probabilities[i] * worse;
    }
  }

 private:
  static constexpr float unheard_of = 0.02F;
  static constexpr float worse = 0.95F;
  static constexpr float memory = 32;  // in observations
  static constexpr std::size_t parting = 2 * max_draft_tokens;

  struct Place {
    float share = 0;
    float seen = 0;
  };

  // Goes along a draft, from one place to the next.
  struct Walk {
    std::size_t agreed;  // tokens that both drafted, then those behind
    bool parts;          // whether the rival has another token there
    std::size_t at = 0;
    float expected = unheard_of;  // of a place that was not reached yet

    Walk(std::span<Token const> draft, std::span<Token const> rival) noexcept
        : agreed(static_cast<std::size_t>(std::ranges::mismatch(draft, rival).in1 - draft.begin())),
          parts(agreed < draft.size() && agreed < rival.size()) {}

    std::size_t next() noexcept {
      std::size_t const i = at++;
      if (i < agreed) return i;
      if (i == agreed) expected = unheard_of;
      if (i == agreed && parts) return parting;
      return max_draft_tokens + i - agreed - (parts ? 1 : 0);
    }
  };

  // Those that both drafted, those of which the rival said nothing, and the one where they part.
  std::array<Place, 2 * max_draft_tokens + 1> places_{};
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
