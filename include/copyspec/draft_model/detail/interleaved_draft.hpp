// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../cost/draft_length.hpp"
#include "../../draft/proposer.hpp"
#include "../../draft/proposer_traits.hpp"
#include "../../model/model.hpp"
#include "chain_buffer.hpp"
#include "draft_feedback.hpp"
#include "draft_model_calibration.hpp"
#include "draft_model_gain.hpp"
#include "draft_model_place_finder.hpp"
#include "draft_sampler.hpp"
#include "drawn_rows.hpp"
#include "interleaved_draft_group.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The draft of one sequence in a `ModelProposer`: copied tokens and draft model tokens in turn. It is prepared, asks
/// the draft model as often as that pays, takes its answers, and is delivered. When the next draft is prepared, it
/// learns from the generated tokens. It cannot be copied or moved, because the group holds its address.
///
/// O(1) per token, besides the copying proposer and the draft model's rows. Allocates as rows grow. Threads: one call
/// at a time across all members of a group.
template <Model M, DraftProposer Copying, class Clock>
class InterleavedDraft {
  using Traits = ProposerTraits<Copying>;

 public:
  using Group = InterleavedDraftGroup<M, InterleavedDraft, Clock>;
  using Slot = typename DraftModelRunner<M, Clock>::Slot;
  static constexpr std::size_t readable = std::numeric_limits<std::size_t>::max();

  /// The draft model reads no context with a token at `unreadable`.
  InterleavedDraft(std::shared_ptr<Group> group, Copying copying, std::size_t unreadable = readable)
      : group_(std::move(group)), copying_(std::move(copying)), slot_(group_->runner()), unreadable_(unreadable) {}
  InterleavedDraft(InterleavedDraft const&) = delete;
  InterleavedDraft& operator=(InterleavedDraft const&) = delete;
  ~InterleavedDraft() { withdraw(); }

  [[nodiscard]] Copying const& copying() const noexcept { return copying_; }
  [[nodiscard]] Copying& copying() noexcept { return copying_; }
  [[nodiscard]] DraftSampler& sampler() noexcept { return sampler_; }
  [[nodiscard]] Slot& slot() noexcept { return slot_; }

  /// See `ReservingProposer`.
  void reserve(std::size_t length) {
    withdraw();
    Traits::reserve(copying_, length);
    slot_.reserve(length);
  }

  /// See `DraftProposer`.
  void truncate(std::size_t length) {
    withdraw();
    if (length <= unreadable_) unreadable_ = readable;
    feedback_.truncate(length);
    copying_.truncate(length);
    slot_.truncate(length);
  }

  /// Begins the draft after `context`, of at most `room` tokens. The draft model is asked when all drafts of the group
  /// are prepared.
  void prepare(std::span<Token const> context, std::size_t room) {
    learn_from(context);
    withdraw();
    context_ = context;
    chain_.clear(room);
    drawn_.clear();
    feedback_.begin();
    if constexpr (Traits::prepares)
      Traits::prepare(copying_, context, chain_.room());
    else
      begin();
    group_->join(*this);
    prepared_ = true;
  }

  /// Returns the draft after `context`: the prepared one, or one made now.
  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    if (!prepared_ || context_.data() != context.data() || context_.size() != context.size())
      prepare(context, space.size());
    if (!drafted_) group_->draft();
    choose(context, std::min(fed_, space.size()));
    Draft draft = chain_.deliver(fed_, space);
    draft.drawn_from = drawn_.first(fed_);
    return draft;
  }

  /// See `ChoiceObserver`.
  void on_draft_chosen(std::span<Token const> context, std::size_t length) {
    if (feedback_.expects(context.size())) {
      choose(context, length);
      return;
    }
    // This proposer was not asked for that draft.
    withdraw();
    learn_from(context);
    Traits::on_draft_chosen(copying_, context, length);
  }

  /// See `TurnBeginObserver`.
  void on_turn_begin(std::span<Token const> context, std::size_t prompt) {
    if (prompt < context.size()) feedback_.discard();
    if (unreadable_ == readable && !group_->runner()->knows_placeholders())
      for (std::size_t i = context.size(); i-- > prompt;)
        if (context[i] < 0) unreadable_ = i;
    Traits::on_turn_begin(copying_, context, prompt);
  }

  /// See `TurnEndObserver`.
  void on_turn_end(std::span<Token const> context, std::size_t answer) {
    withdraw();
    learn_from(context);
    group_->observe_turn(finder_.end_turn());
    Traits::on_turn_end(copying_, context, answer);
  }

  /// For the group: asks the draft model at the first place where that pays, if any.
  void ask() {
    if (!begun_) begin();
    std::size_t const longest = group_->runner()->context_limit();
    bool const reads = context_.size() <= longest && unreadable_ == readable;
    std::size_t const limit = !reads ? 0 : std::min(chain_.room(), longest - context_.size() + 1);
    auto const unfed = [&](std::size_t place) { return slot_.unfed(context_, chain_.first(place)); };
    if (group_->fixed_length() > 0) {
      std::size_t const place = finder_.decided();
      if (place < std::min(group_->fixed_length(), limit)) ask_here(unfed(place));
      return;
    }
    DraftModelGain& gain = group_->gain();
    std::optional<DraftModelGain::Place> const next =
        finder_.next(chain_.probabilities(), limit, gain, group_->gain_of_turns(), unfed);
    if (next)
      ask_here(next->unfed);
    else
      gain.record().forget_a_little();
  }

  /// For the group: takes the row that was asked for.
  template <class Row>
  void take(Row row) {
    std::size_t const place = finder_.decided();
    std::optional<DraftToken> const guess = sampler_.guess(row, context_.size() + place);
    if (!guess) return;
    bool const copies = place < chain_.size();
    DraftModelSample const sample{.confidence = guess->confidence,
                                  .copied = copies ? chain_.probability(place) : -1,
                                  .same = copies && chain_.token(place) == guess->token};
    feedback_.add(place, sample, guess->token);
    float const probability = group_->gain().record().probability(sample);
    finder_.advance();
    if (sampler_.independently()) drawn_.keep(place, sampler_.row());
    if (sample.same) {
      chain_.set_probability(place, probability);
    } else if (!copies || sampler_.independently() || probability >= chain_.probability(place)) {
      chain_.end_with(place, guess->token, probability, Source::draft_model);
      if (group_->fixed_length() == 0) {
        copy_on();
        group_->gain().observe_copied_after(chain_.probabilities().subspan(place + 1));
      }
    }
    ask();
  }

  /// For the group: nothing more is asked, so the length of the draft is decided.
  void end() {
    // A shorter draft means more passes, each of which asks the draft model again.
    auto const cost = [&](std::size_t rows) { return group_->gain().share()(rows) + feedback_.paid(); };
    fed_ = group_->fixed_length() > 0 ? chain_.size() : draft_length(chain_.probabilities(), cost);
    // Drawn tokens are always fed: their values must not decide that.
    fed_ = std::max(fed_, drawn_.size());
    drafted_ = true;
    feedback_.end(context_.size());
  }

  /// Where the context begins to be one that the draft model cannot read, because a placeholder stands there.
  [[nodiscard]] std::size_t unreadable() const noexcept { return unreadable_; }

  /// For the group: a new round began.
  void left() noexcept { prepared_ = false; }

 private:
  // Ends the round for this draft: the group no longer drafts for it, and it must be prepared again. It may still be
  // learnt from.
  void withdraw() noexcept {
    if (prepared_) group_->leave(*this);
    prepared_ = drafted_ = begun_ = false;
  }

  // Begins the draft with its copied part.
  void begin() {
    begun_ = true;
    if (group_->fixed_length() == 0) copy_on();
    finder_.begin(chain_.probabilities(), group_->gain());
  }

  // Continues the chain with copied tokens.
  void copy_on() {
    if constexpr (Traits::continues) {
      chain_.append(Traits::propose_after(copying_, context_, chain_.space(), chain_.size()));
    } else if (chain_.size() == 0) {
      Draft draft = copying_.propose(context_, chain_.space());
      if (draft.probabilities.empty())
        draft.probabilities = feedback_.copied().estimate(chain_.first(draft.length), group_->copied());
      chain_.append(draft);
    }
  }

  // Asks for the next token. The draft model must be fed `unfed` tokens for it.
  void ask_here(std::size_t unfed) {
    feedback_.pay(group_->gain().draft_cost(unfed));
    slot_.ask(context_, chain_.first(finder_.decided()));
  }

  // After `context`, which was drafted for, a draft of `length` tokens is fed.
  void choose(std::span<Token const> context, std::size_t length) {
    fed_ = length;
    Traits::on_draft_chosen(copying_, context, length);
  }

  // Learns from the tokens generated since the last draft.
  void learn_from(std::span<Token const> context) {
    feedback_.observe(context, {.length = chain_.size(), .fed = fed_, .copying_is_surer = finder_.copying_is_surer()},
                      group_->gain(), group_->copied());
  }

  std::shared_ptr<Group> group_;
  Copying copying_;
  Slot slot_;
  std::size_t unreadable_;
  DraftSampler sampler_;
  bool prepared_ = false;
  bool begun_ = false;
  bool drafted_ = false;  // for the prepared context
  std::span<Token const> context_;
  ChainBuffer chain_;
  DrawnRows drawn_;
  DraftModelPlaceFinder finder_;
  DraftFeedback feedback_;
  std::size_t fed_ = 0;  // length of the draft that is fed
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
