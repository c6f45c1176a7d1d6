// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../cost/draft_length.hpp"
#include "../../cost/pass_cost.hpp"
#include "../../cost/sequence_cost.hpp"
#include "../../detail/recovery.hpp"
#include "../../detail/stopwatch.hpp"
#include "../../draft/proposer.hpp"
#include "../../model/model.hpp"
#include "kv_mirror.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A model that guesses for another: answers, for many sequences together, what it would say behind a context and a
/// draft. It feeds only what it does not hold yet, all sequences in one pass as far as `max_tokens` allows, and lets
/// its cache follow the sequences when it is asked, not when tokens are accepted or taken back.
///
/// A pass that throws is the draft model's failure, not the decoder's: what it held of the sequences of that pass is
/// forgotten, they get no answer, and it is counted.
///
/// The model is borrowed. Allocates as the number of sequences grows. Threads: one call at a time.
template <Model M, class Clock = std::chrono::steady_clock>
class DraftModelRunner {
 public:
  using Row = std::span<typename LogitsOf<M>::Scalar const>;

  /// What is asked for one sequence, which has an id in the draft model from the first time that something is asked;
  /// releases what the model holds of it when it is destroyed.
  class Slot {
   public:
    explicit Slot(std::shared_ptr<DraftModelRunner> model) : model_(std::move(model)) {}
    Slot(Slot const&) = delete;
    Slot& operator=(Slot const&) = delete;
    ~Slot() {
      forget();
      if (id_) model_->taken_[static_cast<std::size_t>(*id_)] = false;
    }

    /// After it, contexts of up to `length` tokens allocate nothing here.
    void reserve(std::size_t length) {
      unfed_.reserve(length + max_draft_tokens);
      cache_.reserve(2 * max_draft_tokens);
    }

    /// How many tokens would have to be fed to answer what is said behind `context` and `draft`; at least one.
    [[nodiscard]] std::size_t unfed(std::span<Token const> context, std::span<Token const> draft) {
      return context.size() + draft.size() - agreeing(context, draft);
    }

    /// Asks it. Needs one token at least, and `context_limit` at most. A draft model that has no room for one more
    /// sequence is not asked, and that is a failure of its.
    void ask(std::span<Token const> context, std::span<Token const> draft) {
      context_ = context;
      draft_ = draft;
      if (!id_) with_recovery([&] { id_ = model_->acquire(); }, [&] { ++model_->failures_; }, false);
      asks_ = id_.has_value();
    }

    [[nodiscard]] bool asks() const noexcept { return asks_; }

    /// What of the context was taken back, as `DraftProposer`.
    void truncate(std::size_t length) noexcept { cache_.truncate(length); }

    void forget() noexcept {
      asks_ = false;
      if (id_) cache_.cut(model_->model_->truncate(*id_, 0));
    }

   private:
    friend DraftModelRunner;

    // How many of their first tokens need not be fed: not the last, whose row is wanted.
    [[nodiscard]] std::size_t agreeing(std::span<Token const> context, std::span<Token const> draft) {
      return std::min(cache_.follow(context, draft), context.size() + draft.size() - 1);
    }

    // Cuts the cache back, and finds out what is to be fed.
    void plan_feed() {
      std::size_t const kept = agreeing(context_, draft_);
      cache_.cut(cache_.held() > kept ? model_->model_->truncate(*id_, kept) : kept);
      unfed_.clear();
      std::size_t const held = cache_.held();
      if (held < context_.size()) {
        unfed_.insert(unfed_.end(), context_.begin() + static_cast<std::ptrdiff_t>(held), context_.end());
        unfed_.insert(unfed_.end(), draft_.begin(), draft_.end());
      } else {
        unfed_.insert(unfed_.end(), draft_.begin() + static_cast<std::ptrdiff_t>(held - context_.size()), draft_.end());
      }
      fed_ = 0;
    }

    std::shared_ptr<DraftModelRunner> model_;
    std::optional<SequenceId> id_;
    KvMirror cache_;
    std::span<Token const> context_;
    std::span<Token const> draft_;
    std::vector<Token> unfed_;
    std::size_t fed_ = 0;  // of them
    bool asks_ = false;
  };

  explicit DraftModelRunner(M& model, PassCost pass_cost = {}) : model_(&model), share_(std::move(pass_cost)) {}

  [[nodiscard]] std::size_t vocabulary_size() const { return model_->vocabulary_size(); }
  [[nodiscard]] std::size_t context_limit() const { return model_->context_limit(); }

  /// What feeding so many tokens of one sequence costs, in passes of one token; of passes that are shared, its part.
  [[nodiscard]] SequenceCost const& share() const noexcept { return share_; }

  /// Passes that threw, and questions for which there was no room.
  [[nodiscard]] std::size_t failures() const noexcept { return failures_; }

  /// Feeds what `requests` ask, and calls `on_row(index, row)` with each answer, which may ask again, until none asks.
  template <class OnRow>
  void answer(std::span<Slot* const> requests, OnRow&& on_row) {
    for (Slot* const request : requests) request->fed_ = request->unfed_.size();
    auto const fail = [&] {
      ++failures_;
      for (std::size_t const index : scheduled_) {
        requests[index]->forget();
        requests[index]->fed_ = requests[index]->unfed_.size();
      }
    };
    while (std::ranges::any_of(requests, &Slot::asks)) {
      typename Clock::duration time{};
      LogitsOf<M> rows;
      auto const pass = [&] {
        plan(requests);
        rows = model_->forward(std::span<Segment const>(batch_));
      };
      if (!with_recovery([&] { timed<Clock>(time, pass); }, fail, false)) continue;
      std::size_t tokens = 0, row = 0;
      for (Segment const& segment : batch_) tokens += segment.tokens.size();
      share_.observe(
          {.rows = tokens, .sequences = batch_.size(), .seconds = std::chrono::duration<double>(time).count()});
      for (std::size_t i = 0; i < batch_.size(); ++i) {
        Slot& request = *requests[scheduled_[i]];
        request.cache_.append(batch_[i].tokens, request.context_.size());
        request.fed_ += batch_[i].tokens.size();
        if (batch_[i].rows == 0) continue;
        request.asks_ = false;
        on_row(scheduled_[i], rows.row(row++));
      }
    }
  }

 private:
  [[nodiscard]] SequenceId acquire() {
    auto const free = static_cast<std::size_t>(std::ranges::find(taken_, false) - taken_.begin());
    if (free == taken_.size()) taken_.push_back(false);
    model_->truncate(static_cast<SequenceId>(free), 0);
    taken_[free] = true;
    return static_cast<SequenceId>(free);
  }

  // As many tokens of each as there is room for, in the order of the requests.
  void plan(std::span<Slot* const> requests) {
    batch_.clear();
    scheduled_.clear();
    std::size_t left = model_->max_tokens();
    for (std::size_t i = 0; i < requests.size() && left > 0; ++i) {
      Slot& request = *requests[i];
      if (!request.asks_) continue;
      scheduled_.push_back(i);
      if (request.fed_ == request.unfed_.size()) request.plan_feed();
      std::span<Token const> const tokens = std::span<Token const>(request.unfed_).subspan(request.fed_);
      std::size_t const count = std::min(tokens.size(), left);
      batch_.push_back({.sequence = *request.id_,
                        .tokens = tokens.first(count),
                        .rows = count == tokens.size() ? std::size_t{1} : std::size_t{0}});
      left -= count;
    }
  }

  M* model_;
  SequenceCost share_;
  std::vector<bool> taken_;  // sequence ids
  std::vector<Segment> batch_;
  std::vector<std::size_t> scheduled_;  // requests in the pass, in the order of the batch
  std::size_t failures_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
