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

/// Runs a draft model for many sequences together: gives each the logits row after its context and draft. It feeds only
/// tokens that the KV cache does not hold, all sequences in one pass as far as `max_tokens` allows. The KV cache
/// follows a sequence when a row is asked for, not when tokens are accepted or truncated.
///
/// A pass that throws is a failure of the draft model, not of decoding. What the draft model held of the sequences of
/// that pass is forgotten, they get no row, and the failure is counted.
///
/// The model is borrowed. Allocates as the number of sequences grows. Threads: one call at a time.
template <Model M, class Clock = std::chrono::steady_clock>
class DraftModelRunner {
 public:
  using Row = std::span<typename LogitsOf<M>::Scalar const>;

  /// The request of one sequence. The sequence gets an id in the draft model when a row is first asked for. The
  /// destructor releases the id and what the model holds of the sequence.
  class Slot {
   public:
    explicit Slot(std::shared_ptr<DraftModelRunner> model) : model_(std::move(model)) {}
    Slot(Slot const&) = delete;
    Slot& operator=(Slot const&) = delete;
    ~Slot() {
      forget();
      if (id_) model_->taken_[static_cast<std::size_t>(*id_)] = false;
    }

    /// After this, contexts of up to `length` tokens allocate nothing here.
    void reserve(std::size_t length) {
      unfed_.reserve(length + max_draft_tokens);
      cache_.reserve(2 * max_draft_tokens);
    }

    /// How many tokens must be fed to get the row after `context` and `draft`; at least one.
    [[nodiscard]] std::size_t unfed(std::span<Token const> context, std::span<Token const> draft) {
      return context.size() + draft.size() - agreeing(context, draft);
    }

    /// Asks for the row after `context` and `draft`. Requires at least one token and at most `context_limit`. Both
    /// spans are borrowed until the answer. A draft model that has no room for one more sequence is not asked, and that
    /// counts as a failure.
    void ask(std::span<Token const> context, std::span<Token const> draft) {
      context_ = context;
      draft_ = draft;
      if (!id_) with_recovery([&] { id_ = model_->acquire(); }, [&] { ++model_->failures_; }, false);
      asks_ = id_.has_value();
    }

    [[nodiscard]] bool asks() const noexcept { return asks_; }

    /// The context was truncated, as in `DraftProposer`.
    void truncate(std::size_t length) noexcept { cache_.truncate(length); }

    void forget() noexcept {
      asks_ = false;
      if (id_) cache_.cut(as_count(model_->model_->truncate(*id_, 0)));
    }

   private:
    friend DraftModelRunner;

    // How many of the first tokens need not be fed. The last one is always fed, because its row is wanted.
    [[nodiscard]] std::size_t agreeing(std::span<Token const> context, std::span<Token const> draft) {
      return std::min(cache_.follow(context, draft), context.size() + draft.size() - 1);
    }

    // Truncates the KV cache to what agrees, and finds the tokens to be fed.
    void plan_feed() {
      std::size_t const kept = agreeing(context_, draft_);
      cache_.cut(cache_.held() > kept ? as_count(model_->model_->truncate(*id_, kept)) : kept);
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
    std::size_t fed_ = 0;  // of `unfed_`
    bool asks_ = false;
  };

  explicit DraftModelRunner(M& model, PassCost pass_cost = {}) : model_(&model), share_(std::move(pass_cost)) {}

  [[nodiscard]] std::size_t vocabulary_size() const { return as_count(model_->vocabulary_size()); }
  [[nodiscard]] bool knows_placeholders() const { return copyspec::knows_placeholders(*model_); }
  [[nodiscard]] std::size_t context_limit() const { return as_count(model_->context_limit()); }

  /// The cost of feeding this many tokens of one sequence, in passes of one token. For a shared pass, this is the
  /// sequence's share.
  [[nodiscard]] SequenceCost const& share() const noexcept { return share_; }

  /// Number of passes that threw, and of requests for which there was no room.
  [[nodiscard]] std::size_t failures() const noexcept { return failures_; }

  /// Feeds what `requests` ask for, and calls `on_row(index, row)` with each row, which may ask again. Returns when
  /// none asks.
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

  // Schedules the tokens of the requests in order, as many of each as there is room for.
  void plan(std::span<Slot* const> requests) {
    batch_.clear();
    scheduled_.clear();
    std::size_t left = as_count(model_->max_tokens());
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
  std::vector<bool> taken_;  // indexed by sequence id
  std::vector<Segment> batch_;
  std::vector<std::size_t> scheduled_;  // indices of the requests in the pass, in the order of the batch
  std::size_t failures_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
