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

/// The expected gain of asking the draft model for a token, in target model passes of one row:
///
///     gain = value(p of the draft model's token) - value(p of the copied token) - draft model pass
///
/// Here p is an acceptance probability. If no token was copied, the cost of one more target model row takes the place
/// of the second value. Each value is weighted by the probability that the draft is right up to there.
///
/// The value of a token is the expected saving of that token and of everything drafted after it. That is what is
/// usually copied after such a token, or as many further draft model tokens as pay, each minus its own cost. A further
/// token costs less than the first, because the draft model has then read what was generated. One saved token is worth
/// its recent cost in steps that began alike: with copying surer than the draft model at the draft's first place, or
/// not.
///
/// All of this is learnt: how often the draft model is right, the cost of tokens, how much is copied after a draft
/// model token, and pass costs unless they are given. O(`limit`). No allocation after construction. Threads: one call
/// at a time.
class DraftModelGain {
 public:
  /// A position at which the draft model may be asked.
  struct Place {
    std::span<float const> chain = {};  ///< Acceptance probabilities of the draft's tokens so far.
    std::size_t place = 0;              ///< Index into `chain`, or its size.
    float survival = 1;                 ///< Probability that all tokens before it are right.
    std::size_t limit = 0;              ///< Most tokens that the draft may have.
    std::size_t unfed = 1;              ///< Tokens that must be fed to the draft model first.
    bool copying_is_surer = false;      ///< Whether it was at the draft's first place.
  };

  /// `draft` is the cost of draft model passes, borrowed. `unit` is the cost of its pass of one token, if known.
  DraftModelGain(PassCost pass_cost, SequenceCost const& draft, std::optional<double> unit)
      : share_(std::move(pass_cost)), draft_(&draft), unit_(unit) {}

  /// The cost of target model passes.
  [[nodiscard]] SequenceCost const& share() const noexcept { return share_; }
  void on_pass(PassReport const& report) noexcept { share_.observe(report); }

  /// The cost of the draft model's pass of one token; an assumed value until passes of both models were observed.
  [[nodiscard]] double draft_unit() const noexcept {
    constexpr double prior = 0.4;
    if (unit_) return *unit_;
    double const own = draft_->pass_cost().seconds(1);
    double const other = share_.pass_cost().seconds(1);
    return own > 0 && other > 0 ? own / other : prior;
  }

  /// The cost of feeding the draft model this many tokens. It is at most the cost of feeding them one by one. Otherwise
  /// a pass that was delayed once would look too expensive to be tried again, and nothing could correct that.
  [[nodiscard]] double draft_cost(std::size_t tokens) const noexcept {
    SequenceCost const& draft = *draft_;
    return draft_unit() * std::min(draft(tokens), static_cast<double>(tokens) * draft(1));
  }

  /// How often the draft model is right.
  [[nodiscard]] DraftModelCalibration& record() noexcept { return record_; }

  /// Whether a copied token with this acceptance probability is at least as likely to be right as the draft model.
  [[nodiscard]] bool copying_is_surer(float copied) const noexcept { return record_.expected(copied) <= copied; }

  /// The gain of asking at a place; not positive where that does not pay.
  [[nodiscard]] double operator()(Place const& at) const noexcept {
    COPYSPEC_ASSERT(at.place <= at.chain.size(), "a place of the draft, or right after it");
    bool const copies = at.place < at.chain.size();
    float const copied = copies ? at.chain[at.place] : 0;
    float const guessed = record_.expected(copies ? copied : -1);
    double const worth = token_costs_[at.copying_is_surer ? 1 : 0](share_(1));
    // After a right token: what would be copied after the copied one, or the usual amount if that is more.
    double const after =
        std::max(expected_tokens(at.chain.subspan(copies ? at.place + 1 : at.place)), tokens_gained_) - 1;
    auto const value = [&](float probability) {
      auto const reach = static_cast<double>(at.survival * probability);
      return worth * reach + std::max(worth * reach * after, guessed_after(at, reach, worth));
    };
    return value(guessed) - (copies ? value(copied) : row_cost(at.place)) - draft_cost(recent(at));
  }

  /// How many of the `unfed` tokens are charged to a request at this place. A draft model that is asked in every step
  /// reads what was generated in between. Tokens beyond that are an investment.
  [[nodiscard]] static std::size_t recent(Place const& at) noexcept { return std::min(at.unfed, at.place + 2); }

  /// A step generated this many tokens, at this `cost`.
  void observe_step(bool copying_is_surer, std::size_t said, double cost) noexcept {
    token_costs_[copying_is_surer ? 1 : 0].observe(said, cost);
  }

  /// Tokens with these probabilities were copied after a draft model token.
  void observe_copied_after(std::span<float const> probabilities) noexcept {
    tokens_gained_ += (expected_tokens(probabilities) - tokens_gained_) / 64;
  }

 private:
  // The cost of the row in which the draft has a token at `place`.
  [[nodiscard]] double row_cost(std::size_t place) const noexcept { return share_(place + 2) - share_(place + 1); }

  // The gain of further draft model tokens alone, as many as pay, after a token that is right with probability `reach`.
  [[nodiscard]] double guessed_after(Place const& at, double reach, double worth) const noexcept {
    auto const probability = static_cast<double>(record_.expected(-1));
    double const cost = draft_cost(1);
    double gains = 0;
    for (std::size_t place = at.place + 1; place < at.limit; ++place) {
      reach *= probability;
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
  std::array<TokenCost, 2> token_costs_{};  // indexed by whether copying was surer
  double tokens_gained_ = 1;                // by a right draft model token: itself, and what is copied after it
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
