// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../cost/pass_cost.hpp"
#include "../draft/proposer.hpp"
#include "../draft/proposer_traits.hpp"
#include "../model/model.hpp"
#include "../verify/sampling_options.hpp"
#include "detail/draft_model_runner.hpp"
#include "detail/interleaved_draft.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Settings of a `ModelProposer`. There is nothing to tune: what passes cost is learnt unless it is known.
struct ModelProposerOptions {
  PassCost pass_cost = {};        ///< What a pass of the model that is drafted for costs.
  PassCost draft_pass_cost = {};  ///< What a pass of the draft model costs, in its own passes of one token.
  /// What a pass of one token of the draft model costs, in passes of one row of the other; learnt if not given.
  std::optional<double> draft_cost = std::nullopt;
  /// So many tokens are drafted, whatever they cost and are worth, as most implementations do; zero: as many as pay.
  std::size_t fixed_length = 0;
};

/// Has a draft model guess where that pays more than what `Copying` proposes, or than nothing: a `DraftProposer`.
///
/// A draft begins as `Copying` has it, with the chance of each token. At the first place where the draft model is
/// likely to do better, and by so much that it pays for its pass, it is asked what it would say behind the tokens
/// before; its token takes the place of the copied one; and if `Copying` can go on behind it (`propose_after`, as
/// `MixingProposer` can), it does, until the model is asked again. So a draft is copied, guessed, or both in turn, and
/// may be empty. What it pays is learnt (`DraftModelGain`), and in the end `draft_length` cuts the draft where its
/// passes cost least. What the draft model has not read yet is read once the gains that were passed up for it, and
/// those that turns usually have ahead, come to the cost of reading it: so little more than twice what was best is lost
/// by it, however long the context is (ski rental; Karlin et al., "Competitive snoopy caching", 1988).
///
/// The draft model says what it would say itself: its greatest logit, or under `set_sampling` what the noise of the
/// sequence draws from its rows, which is what the other model draws whenever both rows are alike.
///
/// Copies share the draft model, what was learnt, and what passes cost. Those that a composer announces are drafted for
/// in the same passes of the draft model. With `NoProposer` for `Copying`, the draft model drafts alone.
///
/// Cost: that of `Copying`, and of the draft model's passes, whose time is not counted as the other model's; O(`row`)
/// for each of its rows. Allocates when made or copied, in `reserve`, and as rows and vocabularies grow. Threads: one
/// call at a time, all copies together. The draft model is borrowed and must outlive all copies.
template <Model M, DraftProposer Copying = NoProposer, class Clock = std::chrono::steady_clock>
class ModelProposer {
 public:
  explicit ModelProposer(M& model, Copying copying = Copying(), ModelProposerOptions options = {})
      : group_(std::make_shared<Group>(model, std::move(options.pass_cost), std::move(options.draft_pass_cost),
                                       options.draft_cost, options.fixed_length)),
        own_(std::make_unique<Own>(group_, std::move(copying))) {}

  ModelProposer(ModelProposer const& other)
      : group_(other.group_), own_(std::make_unique<Own>(group_, other.own_->copying())) {}
  ModelProposer& operator=(ModelProposer const& other) {
    if (this != &other) *this = ModelProposer(other);
    return *this;
  }
  ModelProposer(ModelProposer&&) noexcept = default;
  ModelProposer& operator=(ModelProposer&&) noexcept = default;
  ~ModelProposer() = default;

  /// What copies.
  [[nodiscard]] Copying const& copying() const noexcept { return own_->copying(); }

  /// The draft model, and what its passes cost.
  [[nodiscard]] detail::DraftModelRunner<M, Clock> const& draft_model() const noexcept { return *group_->runner(); }

  /// What a pass of the target model costs, as far as it is known.
  [[nodiscard]] PassCost const& pass_cost() const noexcept { return group_->gain().share().pass_cost(); }

  /// What a pass of one token of the draft model costs, in passes of one row of the target model, as far as it is
  /// known.
  [[nodiscard]] double draft_cost() const noexcept { return group_->gain().draft_unit(); }

  /// See `VocabularyProposer`: the draft model needs a vocabulary of this size. That its tokens mean the same is for
  /// the caller to ensure.
  void require_vocabulary(std::size_t size) {
    if (std::size_t const own = group_->runner()->vocabulary_size(); own != size)
      raise_error(ErrorCode::vocabulary_mismatch, "the draft model has a vocabulary of " + std::to_string(own) +
                                                      " tokens, and the model one of " + std::to_string(size) +
                                                      ": they need the same");
    Traits::require_vocabulary(own_->copying(), size);
  }

  /// See `SamplingProposer`. If `independently`, the draft model's tokens are drawn with noise of their own, and their
  /// rows kept in `Draft::drawn_from`, as a `RejectionVerifier` needs it.
  void set_sampling(SamplingOptions const& options, bool independently) {
    own_->sampler().set_sampling(options, independently);
    Traits::set_sampling(own_->copying(), options, independently);
  }

  void reserve(std::size_t length) { own_->reserve(length); }
  void truncate(std::size_t length) { own_->truncate(length); }
  void prepare(std::span<Token const> context, std::size_t room) { own_->prepare(context, room); }
  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    return own_->propose(context, space);
  }
  void on_draft_chosen(std::span<Token const> context, std::size_t length) { own_->on_draft_chosen(context, length); }
  void set_references(std::span<std::vector<Token> const> texts) { Traits::set_references(own_->copying(), texts); }
  void on_turn_begin(std::span<Token const> context, std::size_t prompt) { own_->on_turn_begin(context, prompt); }
  void on_turn_end(std::span<Token const> context, std::size_t answer) { own_->on_turn_end(context, answer); }

  /// See `PassObserver`. The time that the draft model took is not the pass's.
  void on_pass(PassReport report) {
    report.seconds -= std::chrono::duration<double>(group_->take_time()).count();
    group_->gain().on_pass(report);
    Traits::on_pass(own_->copying(), report);
  }

 private:
  using Own = detail::InterleavedDraft<M, Copying, Clock>;
  using Group = typename Own::Group;
  using Traits = ProposerTraits<Copying>;

  std::shared_ptr<Group> group_;
  std::unique_ptr<Own> own_;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
