// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "../../core/version.hpp"
#include "draft_model_gain.hpp"
#include "reading_budget.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Finds the places of a draft at which asking the draft model pays, from the first place to the last. A place is the
/// index of a copied token, or the one after the last.
///
/// A place pays if its `DraftModelGain` is positive. It is not evaluated where copying is at least as likely to be
/// right as the draft model. The search ends where the draft model has to read more than the `ReadingBudget` of the
/// turn affords, where nothing is copied and asking does not pay, and where the tokens before are unlikely to be right.
///
/// O(`limit`) per place that is evaluated, O(1) for others. No allocation. Threads: one call at a time.
class DraftModelPlaceFinder {
 public:
  /// Begins a draft with these acceptance probabilities, of which no place is decided.
  void begin(std::span<float const> chain, DraftModelGain const& gain) noexcept {
    decided_ = 0;
    copying_is_surer_ = !chain.empty() && gain.copying_is_surer(chain[0]);
  }

  /// For how many of the first places it is decided whether to ask. After `next` has returned a place, that is its
  /// index.
  [[nodiscard]] std::size_t decided() const noexcept { return decided_; }

  /// Whether copying was at least as likely to be right as the draft model at the first place of the draft.
  [[nodiscard]] bool copying_is_surer() const noexcept { return copying_is_surer_; }

  /// The draft model has answered for the place at `decided()`.
  void advance() noexcept { ++decided_; }

  /// Returns the next place at which to ask, if any. The draft has the acceptance probabilities `chain` so far, and at
  /// most `limit` tokens. `gain_of_turns` is the gain that a turn usually has, and `unfed(place)` the number of tokens
  /// that must be fed to the draft model for a place. It is called only for places that are evaluated.
  template <class Unfed>
  [[nodiscard]] std::optional<DraftModelGain::Place> next(std::span<float const> chain, std::size_t limit,
                                                          DraftModelGain const& gain, double gain_of_turns,
                                                          Unfed const& unfed) {
    float survival = 1;
    for (std::size_t i = 0; i < decided_; ++i) survival *= chain[i];
    for (; decided_ < limit && decided_ <= chain.size() && survival > least_survival; survival *= chain[decided_++]) {
      // This is the usual case, and nothing else has to be computed for it.
      if (decided_ < chain.size() && gain.copying_is_surer(chain[decided_])) continue;
      DraftModelGain::Place const place{.chain = chain,
                                        .place = decided_,
                                        .survival = survival,
                                        .limit = limit,
                                        .unfed = unfed(decided_),
                                        .copying_is_surer = copying_is_surer_};
      double const gained = gain(place);
      if (gained <= 0) {
        if (decided_ == chain.size()) break;
        continue;
      }
      double const reading = gain.draft_cost(place.unfed) - gain.draft_cost(DraftModelGain::recent(place));
      if (!reading_.affords(gained, reading, gain_of_turns)) break;
      reading_.spend();
      return place;
    }
    return std::nullopt;
  }

  /// Reports that a turn has ended. Returns what asking gained in it, or would have.
  [[nodiscard]] double end_turn() noexcept { return reading_.end_turn(); }

 private:
  static constexpr float least_survival = 0.02F;

  ReadingBudget reading_;
  std::size_t decided_ = 0;
  bool copying_is_surer_ = false;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
