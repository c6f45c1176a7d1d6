// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../cost/acceptance_tracker.hpp"
#include "../cost/draft_length.hpp"
#include "../cost/pass_cost.hpp"
#include "../cost/sequence_cost.hpp"
#include "../cost/token_cost.hpp"
#include "detail/proposer_group.hpp"
#include "proposer.hpp"
#include "proposer_traits.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Has several proposers draft, and takes the draft that is worth most, or none: a `DraftProposer`. They compete by
/// what their drafts are expected to gain, not by who answers first:
///
///     gain = expected tokens * cost of a token  -  cost of the pass
///
/// where a token costs what one took lately, in passes; so gain is what the pass saves over going on as before (renewal
/// reward: the best long-run rate is that of the best pass at the price of that rate). The tokens expected follow from
/// the chance of each: a proposer that knows them tells (`Draft::probabilities`), and cuts its draft itself; of one
/// that does not, they are learnt (`AcceptanceTracker`) from what is said afterwards, whether its draft was taken or
/// not, and its draft is cut where `draft_length` says. So a proposer that guesses badly costs its own time and next to
/// no rows.
///
/// As it looks at drafts before it chooses, tokens that were drawn are named ones of its draft (`Draft::drawn_from`).
///
/// Copies share what was learnt, also of what passes cost, as those of a `MixingProposer` do. A proposer is told with
///
/// Cost: that of all proposers, and O(`max_draft_tokens` squared) for each that tells no probabilities. Drafts of at
/// most `max_draft_tokens` tokens are asked for. Allocates when it is made. Threads: one call at a time, all copies
/// together.
template <DraftProposer... Proposers>
class BestDraft : public detail::ProposerGroup<Proposers...> {
  using Group = detail::ProposerGroup<Proposers...>;

 public:
  /// With what a pass costs, learnt from the passes that a composer reports unless it is fixed.
  explicit BestDraft(PassCost pass_cost, Proposers... proposers)
      : Group(std::move(proposers)...), learnt_(std::make_shared<Learnt>(std::move(pass_cost))) {}

  /// What a pass costs, as far as it is known.
  [[nodiscard]] PassCost const& pass_cost() const noexcept { return learnt_->share.pass_cost(); }

  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    learn_from(context);
    length_ = unknown;  // until all have drafted, should one throw
    SequenceCost const& share = learnt_->share;
    double const token_cost = learnt_->token_cost(share(1));
    std::size_t const room = std::min(space.size(), max_draft_tokens);
    Draft best;
    double greatest = token_cost - share(1);
    std::size_t taken = Group::size;
    std::size_t index = 0;
    this->for_each([&](auto& proposer) {
      Offer& offer = offers_[index];
      Draft draft = proposer.propose(context, std::span(offer.tokens).first(room));
      COPYSPEC_ASSERT(draft.length <= room, "a draft fits into the space it was given");
      COPYSPEC_ASSERT(draft.probabilities.empty() || draft.probabilities.size() >= draft.length,
                      "a chance for each token");
      // Which draft is taken, and how much of it, depends on its tokens: it is not drawn from these rows any more.
      draft.drawn_from = {};
      offer.length = draft.length;
      std::array<float, max_draft_tokens> learnt;
      std::span<float const> probabilities = draft.probabilities;
      if (probabilities.empty()) {
        std::span<float> const own = std::span(learnt).first(draft.length);
        learnt_->records[index].probabilities(offer.draft(), rival(index), own);
        draft.length = draft_length(own, share);
        probabilities = own;
      }
      if (double const gain = expected_tokens(probabilities.first(draft.length)) * token_cost - share(draft.length + 1);
          gain > greatest) {
        greatest = gain;
        best = draft;
        taken = index;
      }
      ++index;
    });
    if (taken < Group::size) std::copy_n(offers_[taken].tokens.begin(), best.length, space.begin());
    length_ = context.size();
    on_draft_chosen(context, best.length);
    return best;
  }

  /// All of them draft, so all that prepare are told.
  void prepare(std::span<Token const> context, std::size_t room) {
    this->for_each(
        [&]<class P>(P& proposer) { ProposerTraits<P>::prepare(proposer, context, std::min(room, max_draft_tokens)); });
  }

  void truncate(std::size_t length) {
    if (length < length_) length_ = unknown;
    Group::truncate(length);
  }

  void on_draft_chosen(std::span<Token const> context, std::size_t length) {
    if (context.size() != length_) {  // a draft that none of them was asked for
      learn_from(context);
      length_ = unknown;
    }
    drafted_ = length;
    Group::on_draft_chosen(context, length);
  }

  void on_pass(PassReport const& report) {
    learnt_->share.observe(report);
    Group::on_pass(report);
  }

  void on_turn_begin(std::span<Token const> context, std::size_t prompt) {
    if (prompt < context.size()) length_ = unknown;
    Group::on_turn_begin(context, prompt);
  }

  void on_turn_end(std::span<Token const> context, std::size_t answer) {
    learn_from(context);
    length_ = unknown;
    Group::on_turn_end(context, answer);
  }

 private:
  static constexpr std::size_t unknown = ~std::size_t{0};

  // What a proposer offered in the last call.
  struct Offer {
    std::array<Token, max_draft_tokens> tokens{};
    std::size_t length = 0;

    [[nodiscard]] std::span<Token const> draft() const noexcept { return std::span(tokens).first(length); }
  };

  // What copies share.
  struct Learnt {
    SequenceCost share;
    std::array<AcceptanceTracker, Group::size> records{};
    TokenCost token_cost;

    explicit Learnt(PassCost pass_cost) : share(std::move(pass_cost)) {}
  };

  // What the draft of a proposer is compared with: that of the first one, which has none.
  [[nodiscard]] std::span<Token const> rival(std::size_t index) const noexcept {
    return index == 0 ? std::span<Token const>() : offers_.front().draft();
  }

  // From what was generated since the last draft.
  void learn_from(std::span<Token const> context) noexcept {
    if (length_ == unknown || context.size() <= length_) return;
    std::span<Token const> const said = context.subspan(length_);
    for (std::size_t i = 0; i < Group::size; ++i) learnt_->records[i].observe(offers_[i].draft(), rival(i), said);
    learnt_->token_cost.observe(said.size(), learnt_->share(drafted_ + 1));
  }

  std::shared_ptr<Learnt> learnt_;
  std::array<Offer, Group::size> offers_{};
  std::size_t length_ = unknown;  // of the context drafted for last; unknown where nothing is to be learnt from
  std::size_t drafted_ = 0;       // the draft that was taken then
};

static_assert(DraftProposer<BestDraft<NoProposer>>);

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
