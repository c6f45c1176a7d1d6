// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
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

/// Asks several proposers and takes the draft with the greatest expected gain, or none: a `DraftProposer`. Their order
/// does not decide, unlike in `FirstDraft`. The gain of a draft is
///
///     gain = expected tokens * cost of a token  -  cost of the pass
///
/// The cost of a token is its recent average (`TokenCost`), in passes of one row. So the gain is what the pass saves
/// over continuing as before (renewal reward: the best long-run rate is that of the best pass at the price of that
/// rate).
///
/// The expected tokens follow from the acceptance probability of each draft token. A proposer that knows these
/// probabilities reports them (`Draft::probabilities`) and decides the length of its draft itself. For any other
/// proposer, an `AcceptanceTracker` learns them from the generated tokens, whether its draft was taken or not, and
/// `draft_length` truncates its draft. So a weak proposer costs its own time and next to no rows.
///
/// Drafts are inspected before one is chosen. So tokens that were drawn count as named, and the result has no
/// `Draft::drawn_from`.
///
/// Copies share what was learnt, including pass costs, like copies of a `MixingProposer`. A proposer with
/// `on_draft_chosen` is told the length of the draft that was taken, whichever proposer made it.
///
/// Cost: that of all proposers, plus that of `draft_length` for each one that reports no probabilities. Each is asked
/// for at most `max_draft_tokens` tokens. Allocates when constructed. Threads: one call at a time; copies share
/// what was learnt under a lock, so each copy may have a thread of its own, if those of the proposers may.
template <DraftProposer... Proposers>
class BestDraft : public detail::ProposerGroup<Proposers...> {
  using Group = detail::ProposerGroup<Proposers...>;

 public:
  /// `pass_cost` is the cost of a pass. Unless fixed, it is learnt from the passes that a composer reports.
  explicit BestDraft(PassCost pass_cost, Proposers... proposers)
      : Group(std::move(proposers)...), learnt_(std::make_shared<Learnt>(std::move(pass_cost))) {}

  /// The cost of a pass, as learnt so far.
  [[nodiscard]] PassCost const& pass_cost() const noexcept { return learnt_->share.pass_cost(); }

  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    learn_from(context);
    length_ = unknown;  // until all have drafted, in case one throws
    SequenceCost const& share = learnt_->share;
    Costs const cost = costs();
    std::size_t const room = std::min(space.size(), max_draft_tokens);
    Draft best;
    double greatest = cost.token - cost.row;
    std::size_t taken = Group::size;
    std::size_t index = 0;
    this->for_each([&](auto& proposer) {
      Offer& offer = offers_[index];
      Draft draft = proposer.propose(context, std::span(offer.tokens).first(room));
      COPYSPEC_ASSERT(draft.length <= room, "a draft fits into the space it was given");
      COPYSPEC_ASSERT(draft.probabilities.empty() || draft.probabilities.size() >= draft.length,
                      "a probability for each token");
      // The choice of a draft and its length depend on its tokens, so they no longer count as drawn from these rows.
      draft.drawn_from = {};
      offer.length = draft.length;
      std::lock_guard const lock(learnt_->mutex);
      std::array<float, max_draft_tokens> learnt;
      std::span<float const> probabilities = draft.probabilities;
      if (probabilities.empty()) {
        std::span<float> const own = std::span(learnt).first(draft.length);
        learnt_->records[index].probabilities(offer.draft(), rival(index), own);
        draft.length = draft_length(own, share);
        probabilities = own;
      }
      if (double const gain =
              detail::expected_tokens(probabilities.first(draft.length)) * cost.token - share(draft.length + 1);
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

  /// Prepares every proposer that can be prepared, because all of them draft.
  void prepare(std::span<Token const> context, std::size_t room) {
    this->for_each(
        [&]<class P>(P& proposer) { ProposerTraits<P>::prepare(proposer, context, std::min(room, max_draft_tokens)); });
  }

  void truncate(std::size_t length) {
    if (length < length_) length_ = unknown;
    Group::truncate(length);
  }

  void on_draft_chosen(std::span<Token const> context, std::size_t length) {
    if (context.size() != length_) {  // a draft that none of these proposers was asked for
      learn_from(context);
      length_ = unknown;
    }
    drafted_ = length;
    Group::on_draft_chosen(context, length);
  }

  void on_pass(PassReport const& report) {
    {
      std::lock_guard const lock(learnt_->mutex);
      learnt_->share.observe(report);
    }
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

  // The draft of one proposer in the last call.
  struct Offer {
    std::array<Token, max_draft_tokens> tokens{};
    std::size_t length = 0;

    [[nodiscard]] std::span<Token const> draft() const noexcept { return std::span(tokens).first(length); }
  };

  // Shared by all copies.
  struct Learnt {
    std::mutex mutex;
    SequenceCost share;
    std::array<AcceptanceTracker, Group::size> records{};
    TokenCost token_cost;

    explicit Learnt(PassCost pass_cost) : share(std::move(pass_cost)) {}
  };

  struct Costs {
    double token = 0;
    double row = 0;
  };
  [[nodiscard]] Costs costs() const noexcept {
    std::lock_guard const lock(learnt_->mutex);
    double const row = learnt_->share(1);
    return {.token = learnt_->token_cost(row), .row = row};
  }

  // The draft that a proposer is compared with: that of the first proposer, which itself is compared with none.
  [[nodiscard]] std::span<Token const> rival(std::size_t index) const noexcept {
    return index == 0 ? std::span<Token const>() : offers_.front().draft();
  }

  // Learns from the tokens generated since the last draft.
  void learn_from(std::span<Token const> context) noexcept {
    if (length_ == unknown || context.size() <= length_) return;
    std::lock_guard const lock(learnt_->mutex);
    std::span<Token const> const said = context.subspan(length_);
    for (std::size_t i = 0; i < Group::size; ++i) learnt_->records[i].observe(offers_[i].draft(), rival(i), said);
    learnt_->token_cost.observe(said.size(), learnt_->share(drafted_ + 1));
  }

  std::shared_ptr<Learnt> learnt_;
  std::array<Offer, Group::size> offers_{};
  std::size_t length_ = unknown;  // of the context last drafted for; unknown if there is nothing to learn from
  std::size_t drafted_ = 0;       // length of the draft that was taken for it
};

static_assert(DraftProposer<BestDraft<NoProposer>>);

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
