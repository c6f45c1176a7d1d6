// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "detail/row_classes.hpp"
#include "draft_length.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Estimates how often a proposer's draft tokens are accepted: for each token, the probability that it is right if
/// those before it in its draft are. Estimates are means that turn into moving means, so they follow a proposer that
/// changes.
///
/// The draft that a `rival` proposer made for the same context separates easy positions from hard ones. Three kinds of
/// token are tracked apart: tokens that both drafted, by their position; the first token where the drafts differ; and
/// tokens that the rival did not draft, by how many of these came before. Without this, accuracy where both agree would
/// be credited where the rival is better. Beyond the first 64, a quarter of a doubling counts as one position.
///
/// A proposer without observations gets low probabilities. Its accuracy becomes known without feeding any of its
/// drafts, because its first tokens are compared with the generated text anyway. A position without observations is
/// assumed to be slightly worse than the one before it.
///
/// O(tokens). No allocation, no failure. Threads: one call at a time.
class AcceptanceTracker {
 public:
  /// Compares with the generated tokens: `draft` and `rival` were made for the same context, and `said` is what was
  /// generated after it, as far as it is known. Only the first `max_draft_tokens` tokens count.
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

  /// Writes the acceptance probability of each token of `draft`, which has at most `max_draft_tokens`.
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
  static constexpr float memory = 32;  // observations
  static constexpr std::size_t parting = 2 * detail::RowClasses::count;

  struct Place {
    float share = 0;
    float seen = 0;
  };

  // Walks along a draft, from one position to the next.
  struct Walk {
    std::size_t agreed;  // number of leading tokens that both drafted
    bool parts;          // whether the rival has a different token there
    std::size_t at = 0;
    float expected = unheard_of;  // for a position without observations

    Walk(std::span<Token const> draft, std::span<Token const> rival) noexcept
        : agreed(static_cast<std::size_t>(std::ranges::mismatch(draft, rival).in1 - draft.begin())),
          parts(agreed < draft.size() && agreed < rival.size()) {}

    std::size_t next() noexcept {
      std::size_t const i = at++;
      if (i < agreed) return detail::RowClasses::of(i + 1);
      if (i == agreed) expected = unheard_of;
      if (i == agreed && parts) return parting;
      return detail::RowClasses::count + detail::RowClasses::of(i - agreed + (parts ? 0 : 1));
    }
  };

  // In this order: tokens that both drafted, tokens that the rival did not draft, and the first token where they
  // differ.
  std::array<Place, parting + 1> places_{};
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
