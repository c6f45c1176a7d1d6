// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "../../core/assert.hpp"
#include "../../core/version.hpp"
#include "../../cost/draft_length.hpp"
#include "../../cost/pass_cost.hpp"
#include "../../cost/sequence_cost.hpp"
#include "../../cost/token_cost.hpp"
#include "../../draft/proposer.hpp"
#include "draft_model_calibration.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What it gains to ask a draft model for a token, in passes of one row of the other model:
///
///     value(chance of the model) - value(chance of the copied token)  -  a row, if none was copied  -  its pass
///
/// each with the chance that the draft is right so far. What a token is worth that is right so likely is what it and
/// all behind it will save: what is usually copied behind one, or as many further guesses as pay, each less its own
/// cost, which is lower than that of the first, as the model has read what was said by then. A token is worth what one
/// took lately in steps that began alike: with a copy that was surer than the draft model, or without.
///
/// All of it is learnt: how often the draft model is right, what tokens took, what is copied behind a guess, and what
/// passes cost unless that is known. O(`limit`). No allocation after it is made. Threads: one call at a time.
class DraftModelGain {
 public:
  /// Where a guess would stand.
  struct Place {
    std::span<float const> chain = {};  ///< The probabilities of the draft's tokens, as far as it goes.
    std::size_t place = 0;              ///< In it, or right behind it.
    float survival = 1;                 ///< The chance that all before it are right.
    std::size_t limit = 0;              ///< Places that a draft may have.
    std::size_t unfed = 1;              ///< Tokens that the draft model has to be fed.
    bool copying_is_surer = false;      ///< Whether it was at the first place of the draft.
  };

  /// `draft` is what passes of the draft model cost, borrowed, and `unit` what its pass of one token costs, if known.
  DraftModelGain(PassCost pass_cost, SequenceCost const& draft, std::optional<double> unit)
      : share_(std::move(pass_cost)), draft_(&draft), unit_(unit) {}

  /// What passes of the other model cost.
  [[nodiscard]] SequenceCost const& share() const noexcept { return share_; }
  void on_pass(PassReport const& report) noexcept { share_.observe(report); }

  /// What the draft model's pass of one token costs; a guess until passes of both models were seen.
  [[nodiscard]] double draft_unit() const noexcept {
    constexpr double prior = 0.4;
    if (unit_) return *unit_;
    double const own = draft_->pass_cost().seconds(1);
    double const other = share_.pass_cost().seconds(1);
    return own > 0 && other > 0 ? own / other : prior;
  }

  /// What it costs to feed the draft model so many tokens: no more than one after the other would, since a pass that
  /// was held up once would else look too dear to be tried again, and nothing could correct that.
  [[nodiscard]] double draft_cost(std::size_t tokens) const noexcept {
    SequenceCost const& draft = *draft_;
    return draft_unit() * std::min(draft(tokens), static_cast<double>(tokens) * draft(1));
  }

  /// How often the draft model was right.
  [[nodiscard]] DraftModelCalibration& record() noexcept { return record_; }

  /// Whether a copied token with this chance is surer than what the draft model would say.
  [[nodiscard]] bool copying_is_surer(float copied) const noexcept { return record_.expected(copied) <= copied; }

  /// What it gains to ask at a place; less than nothing where that does not pay.
  [[nodiscard]] double operator()(Place const& at) const noexcept {
    COPYSPEC_ASSERT(at.place <= at.chain.size(), "a place of the draft, or right behind it");
    bool const copies = at.place < at.chain.size();
    float const copied = copies ? at.chain[at.place] : 0;
    float const guessed = record_.expected(copies ? copied : -1);
    double const worth = token_costs_[at.copying_is_surer ? 1 : 0](share_(1));
    // Behind a right one, what would be copied behind the copied one, or as much as usual.
    double const behind =
        std::max(expected_tokens(at.chain.subspan(copies ? at.place + 1 : at.place)), tokens_gained_) - 1;
    auto const value = [&](float chance) {
      auto const reach = static_cast<double>(at.survival * chance);
      return worth * reach + std::max(worth * reach * behind, guessed_behind(at, reach, worth));
    };
    return value(guessed) - (copies ? value(copied) : row_cost(at.place)) - draft_cost(recent(at));
  }

  /// How many of the tokens it has to be fed a guess at a place is charged for: asked again and again, it reads what
  /// was said in between. What is beyond is an investment.
  [[nodiscard]] static std::size_t recent(Place const& at) noexcept { return std::min(at.unfed, at.place + 2); }

  /// A step said so many tokens, and cost so much.
  void observe_step(bool copying_is_surer, std::size_t said, double cost) noexcept {
    token_costs_[copying_is_surer ? 1 : 0].observe(said, cost);
  }

  /// Tokens with these probabilities were copied behind a guess.
  void observe_copied_behind(std::span<float const> probabilities) noexcept {
    tokens_gained_ += (expected_tokens(probabilities) - tokens_gained_) / 64;
  }

 private:
  // Of the row in which the draft has a token at `place`.
  [[nodiscard]] double row_cost(std::size_t place) const noexcept { return share_(place + 2) - share_(place + 1); }

  // What guesses alone gain behind a token that is right with the chance `reach`, as many as pay.
  [[nodiscard]] double guessed_behind(Place const& at, double reach, double worth) const noexcept {
    auto const chance = static_cast<double>(record_.expected(-1));
    double const cost = draft_cost(1);
    double gains = 0;
    for (std::size_t place = at.place + 1; place < at.limit; ++place) {
      reach *= chance;
      double const gain = reach * worth - row_cost(place) - cost;
      if (gain <= 0) break;
      gains += gain;
    }
    return gains;
  }

  SequenceCost share_;
  SequenceCost const* draft_;
  std::optional<double> unit_;
  DraftModelCalibration record_;
  std::array<TokenCost, 2> token_costs_{};  // by whether copying was surer
  double tokens_gained_ = 1;                // by a right guess: itself, and what is copied behind it
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
