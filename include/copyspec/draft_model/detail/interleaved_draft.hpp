// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
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
#include "asked_tokens.hpp"
#include "chain_buffer.hpp"
#include "copied_draft.hpp"
#include "draft_model_calibration.hpp"
#include "draft_model_gain.hpp"
#include "draft_sampler.hpp"
#include "drawn_rows.hpp"
#include "interleaved_draft_group.hpp"
#include "reading_budget.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The draft of one sequence as a `ModelProposer` makes it: copied tokens and tokens of the draft model in turn. It is
/// prepared, asks the draft model as often as that pays, takes its answers, and is delivered. The generated tokens are
/// learnt from when the next one is prepared. Its address stays.
///
/// O(1) a token besides what it copies with and the draft model's rows. Allocates as rows grow. Threads: one call at a
/// time, all members of a group together.
template <Model M, DraftProposer Copying, class Clock>
class InterleavedDraft {
  using Traits = ProposerTraits<Copying>;

 public:
  using Group = InterleavedDraftGroup<M, InterleavedDraft, Clock>;
  using Slot = typename DraftModelRunner<M, Clock>::Slot;

  InterleavedDraft(std::shared_ptr<Group> group, Copying copying)
      : group_(std::move(group)), copying_(std::move(copying)), slot_(group_->runner()) {}
  InterleavedDraft(InterleavedDraft const&) = delete;
  InterleavedDraft& operator=(InterleavedDraft const&) = delete;
  ~InterleavedDraft() { withdraw(); }

  [[nodiscard]] Copying const& copying() const noexcept { return copying_; }
  [[nodiscard]] Copying& copying() noexcept { return copying_; }
  [[nodiscard]] DraftSampler& sampler() noexcept { return sampler_; }
  [[nodiscard]] Slot& slot() noexcept { return slot_; }

  /// See `ReservingProposer`.
  void reserve(std::size_t length) {
    Traits::reserve(copying_, length);
    slot_.reserve(length);
    withdraw();
  }

  /// See `DraftProposer`.
  void truncate(std::size_t length) {
    withdraw();
    if (length < length_) length_ = unknown;
    copying_.truncate(length);
    slot_.truncate(length);
  }

  /// Begins the draft after `context`, of at most `room` tokens; the draft model is asked when all are prepared.
  void prepare(std::span<Token const> context, std::size_t room) {
    learn_from(context);
    length_ = unknown;  // until there is a draft, should one throw
    withdraw();
    context_ = context;
    chain_.clear(room);
    asked_.clear();
    drawn_.clear();
    copied_.clear();
    decided_ = 0;
    paid_ = 0;
    if constexpr (Traits::prepares)
      Traits::prepare(copying_, context, chain_.room());
    else
      begin();
    group_->join(*this);
    prepared_ = true;
  }

  /// The draft after `context`: the one that was prepared, or one made now.
  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    if (!prepared_ || context_.data() != context.data() || context_.size() != context.size())
      prepare(context, space.size());
    if (!drafted_) group_->draft();
    choose(std::min(fed_, space.size()));
    Draft draft = chain_.deliver(fed_, space);
    draft.drawn_from = drawn_.first(fed_);
    return draft;
  }

  /// See `ChoiceObserver`.
  void on_draft_chosen(std::span<Token const> context, std::size_t length) {
    if (context.size() == length_) {
      choose(length);
      return;
    }
    // A draft that this was not asked for.
    withdraw();
    learn_from(context);
    length_ = unknown;
    Traits::on_draft_chosen(copying_, context, length);
  }

  /// See `TurnBeginObserver`.
  void on_turn_begin(std::span<Token const> context, std::size_t prompt) {
    if (prompt < context.size()) length_ = unknown;
    Traits::on_turn_begin(copying_, context, prompt);
  }

  /// See `TurnEndObserver`.
  void on_turn_end(std::span<Token const> context, std::size_t answer) {
    withdraw();
    learn_from(context);
    length_ = unknown;
    group_->observe_turn(reading_.end_turn());
    Traits::on_turn_end(copying_, context, answer);
  }

  /// For the group: asks the draft model at the first place where that pays, if there is one.
  void ask() {
    if (!begun_) begin();
    std::size_t const longest = group_->runner()->context_limit();
    std::size_t const limit = context_.size() > longest ? 0 : std::min(chain_.room(), longest - context_.size() + 1);
    if (group_->fixed_length() > 0) {
      if (decided_ < std::min(group_->fixed_length(), limit)) ask_here(slot_.unfed(context_, before()));
      return;
    }
    std::span<float const> const chain = chain_.probabilities();
    DraftModelGain const& gain = group_->gain();
    float survival = 1;
    for (std::size_t i = 0; i < decided_; ++i) survival *= chain[i];
    for (; decided_ < limit && decided_ <= chain.size() && survival > 0.02F; survival *= chain[decided_++]) {
      // Nearly always it is, and then nothing more is to be known.
      if (decided_ < chain.size() && gain.copying_is_surer(chain[decided_])) continue;
      DraftModelGain::Place const place{.chain = chain,
                                        .place = decided_,
                                        .survival = survival,
                                        .limit = limit,
                                        .unfed = slot_.unfed(context_, before()),
                                        .copying_is_surer = copying_is_surer_};
      double const gained = gain(place);
      if (gained <= 0) {
        if (decided_ == chain.size()) break;
        continue;
      }
      double const reading = gain.draft_cost(place.unfed) - gain.draft_cost(DraftModelGain::recent(place));
      if (!reading_.affords(gained, reading, group_->gain_of_turns())) break;
      ask_here(place.unfed);
      return;
    }
    group_->gain().record().forget_a_little();
  }

  /// For the group: the answer to what was asked.
  template <class Row>
  void take(Row row) {
    std::optional<DraftToken> const guess = sampler_.guess(row, context_.size() + decided_);
    if (!guess) return;
    std::size_t const place = decided_;
    bool const copies = place < chain_.size();
    DraftModelSample const sample{.confidence = guess->confidence,
                                  .copied = copies ? chain_.probability(place) : -1,
                                  .same = copies && chain_.token(place) == guess->token};
    asked_.add(place, sample, guess->token);
    float const probability = group_->gain().record().chance(sample);
    ++decided_;
    if (sampler_.independently()) drawn_.keep(place, sampler_.row());
    if (sample.same) {
      chain_.set_probability(place, probability);
    } else if (!copies || sampler_.independently() || probability >= chain_.probability(place)) {
      chain_.end_with(place, guess->token, probability, Source::draft_model);
      if (group_->fixed_length() == 0) {
        copy_on();
        group_->gain().observe_copied_behind(chain_.probabilities().subspan(decided_));
      }
    }
    ask();
  }

  /// For the group: nothing more is asked.
  void end() {
    fed_ = group_->fixed_length() > 0 ? chain_.size() : draft_length(chain_.probabilities(), group_->gain().share());
    // What was drawn does not decide whether it is fed.
    fed_ = std::max(fed_, drawn_.size());
    drafted_ = true;
    length_ = context_.size();
  }

  /// For the group: a new round began.
  void left() noexcept { prepared_ = false; }

 private:
  static constexpr std::size_t unknown = ~std::size_t{0};
  void withdraw() noexcept {
    if (prepared_) group_->leave(*this);
    prepared_ = drafted_ = begun_ = false;
  }

  // The copied part that the draft begins with.
  void begin() {
    begun_ = true;
    if (group_->fixed_length() == 0) copy_on();
    copying_is_surer_ = chain_.size() > 0 && group_->gain().copying_is_surer(chain_.probability(0));
  }

  // Has the chain go on as what copies has it.
  void copy_on() {
    if constexpr (Traits::continues) {
      chain_.append(Traits::propose_after(copying_, context_, chain_.space(), chain_.size()));
    } else if (chain_.size() == 0) {
      Draft draft = copying_.propose(context_, chain_.space());
      if (draft.probabilities.empty())
        draft.probabilities = copied_.estimate(chain_.first(draft.length), group_->copied());
      chain_.append(draft);
    }
  }

  // For which the draft model has to be fed so many tokens.
  void ask_here(std::size_t unfed) {
    paid_ += group_->gain().draft_cost(unfed);
    reading_.spend();
    slot_.ask(context_, before());
  }

  // The draft as far as it is decided.
  [[nodiscard]] std::span<Token const> before() const noexcept { return chain_.first(decided_); }

  // So many tokens of it are fed.
  void choose(std::size_t length) {
    fed_ = length;
    Traits::on_draft_chosen(copying_, context_, length);
  }

  // From what was generated since the last draft.
  void learn_from(std::span<Token const> context) {
    if (length_ == unknown || context.size() <= length_) return;
    std::span<Token const> const generated = context.subspan(length_);
    DraftModelGain& gain = group_->gain();
    asked_.observe(generated, std::min(generated.size() - 1, chain_.size()), gain.record());
    copied_.observe(generated, group_->copied());
    gain.observe_step(copying_is_surer_, generated.size(), gain.share()(fed_ + 1) + paid_);
  }

  std::shared_ptr<Group> group_;
  Copying copying_;
  Slot slot_;
  DraftSampler sampler_;
  bool prepared_ = false;
  bool begun_ = false;
  bool drafted_ = false;  // for the context that was prepared
  std::span<Token const> context_;
  ChainBuffer chain_;
  DrawnRows drawn_;
  AskedTokens asked_;
  CopiedDraft copied_;
  ReadingBudget reading_;
  std::size_t decided_ = 0;  // of its first tokens, whether to ask the model
  bool copying_is_surer_ = false;
  double paid_ = 0;               // for the draft model in this step
  std::size_t length_ = unknown;  // of the context drafted for; unknown where nothing is to be learnt from
  std::size_t fed_ = 0;           // of the draft
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
