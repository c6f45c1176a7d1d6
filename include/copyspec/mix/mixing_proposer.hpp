// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/assert.hpp"
#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../cost/draft_account.hpp"
#include "../cost/draft_length.hpp"
#include "../cost/pass_cost.hpp"
#include "../cost/pass_report.hpp"
#include "../draft/draft_scope.hpp"
#include "../draft/offering_proposer.hpp"
#include "../draft/proposer.hpp"
#include "../draft/tree_proposer.hpp"
#include "detail/copy_sources.hpp"
#include "detail/draft_ledger.hpp"
#include "detail/draft_pricing.hpp"
#include "detail/predicted_chain.hpp"
#include "detail/predicted_tree.hpp"
#include "detail/read_context.hpp"
#include "history.hpp"
#include "mixing_options.hpp"
#include "mixing_scope.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Predicts the next tokens from all text of the sequence, and drafts as many as pay for their rows. A `DraftProposer`.
///
/// For each position, the candidates come from the longest match, a match that survives edits, four short contexts, and
/// a history of earlier answers, if given. A `Mixer` gives each candidate an acceptance probability. The most probable
/// one is appended, and the next position is predicted as if that token had been generated. After 48 tokens of one
/// match, the chain goes on with what follows there. `draft_length` truncates the chain where its passes cost least, or
/// `share_rows` the chains of sequences that share a pass, and accounts (`DraftAccount`) bound what a turn and a scope
/// can lose. So a draft may be empty.
///
/// Copies share pass costs and a `MixingScope`, so the copies that a composer makes for its sequences learn together. A
/// turn may bring another scope (`set_scope`). No token of one sequence can reach the draft of another unless it is in
/// the history.
///
/// What was learnt and the accounts stay when the context is truncated. Everything else is then a function of the
/// tokens that are left, as if the others had never been there.
///
/// Cost: O(1) per token appended and per token predicted. After `truncate` the newest tokens are taken back, or the
/// context, or the window, is read again, as it is when `reserve` has grown and after `set_references`: a long one in
/// pieces of some milliseconds, one for each call, without drafts until that is done (`OwnText`). Memory: that of a
/// `CopySources`, and 220 KiB shared by all copies. Allocates when constructed and in `reserve`, and in `propose`
/// beyond what was reserved; if that fails, the proposer is as before. Threads: one call at a time for each copy; any
/// number of copies, under a lock for what they share, except that `pass_cost` needs that no copy has its `on_pass`
/// called.
class MixingProposer {
 public:
  /// Throws `Error` if drafts may be longer than `max_draft_tokens`, or if a credit is negative or not a number.
  explicit MixingProposer(MixingOptions options = {})
      : draft_length_(options.draft_length),
        checkpoints_(options.rollback == Rollback::checkpoint),
        pricing_(std::make_shared<detail::DraftPricing>(std::move(options.pass_cost), checkpoints_)),
        first_scope_(std::make_shared<MixingScope>(std::move(options.history), options.scope_credit)),
        scope_(first_scope_),
        sources_(options.window, scope_->history()),
        ledger_(options.turn_credit, scope_->account_) {
    if (draft_length_ > max_draft_tokens)
      raise_error(ErrorCode::bad_options, "a draft cannot have " + std::to_string(draft_length_) +
                                              " tokens, only up to " + std::to_string(max_draft_tokens));
  }

  /// Most tokens drafted.
  [[nodiscard]] std::size_t draft_length() const noexcept { return draft_length_; }
  /// The cost of a pass, as learnt so far.
  [[nodiscard]] PassCost const& pass_cost() const noexcept { return pricing_->pass_cost(); }
  /// What the drafts of this turn saved and cost.
  [[nodiscard]] DraftAccount const& account() const noexcept { return ledger_.account(); }
  /// The same of all turns of the scope.
  [[nodiscard]] DraftAccount scope_account() const { return scope_->account(); }
  /// Bytes allocated for this sequence.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return sources_.memory_bytes(); }
  /// Bytes allocated and shared by all copies.
  [[nodiscard]] std::size_t shared_memory_bytes() const noexcept { return first_scope_->memory_bytes(); }
  /// The history of the current scope; null if none.
  [[nodiscard]] std::shared_ptr<History> const& history() const noexcept { return scope_->history(); }
  /// What all copies have learnt about which candidates come true, as plain numbers without tokens, to be saved with
  /// the history (`HistoryFile`). A proposer that loads them with `set_learnt` proposes and learns as this one. Pass
  /// costs belong to the machine and are not included. O(shared memory).
  [[nodiscard]] std::vector<float> learnt() const { return scope_->learnt(); }
  /// Makes all copies continue from `numbers`, returned by `learnt`; see `Mixer::set_learnt`.
  void set_learnt(std::span<float const> numbers, std::string const& where) { scope_->set_learnt(numbers, where); }
  /// The turns from here on copy from and learn in `scope`, a `MixingScope`; null is the scope that all copies were
  /// made with. Throws `Error` if it is of another kind. Called by a composer.
  void set_scope(std::shared_ptr<DraftScope> const& scope) {
    std::shared_ptr<MixingScope> next = MixingScope::of(scope);
    if (next == nullptr) next = first_scope_;
    if (next == scope_) return;
    scope_ = std::move(next);
    ledger_.set_shared(scope_->account_);
    sources_.set_history(scope_->history());
    remembered_.reset();
    // What was generated in one scope is not learnt from in another, nor remembered there.
    in_prompt_ = true;
    scope_begins_ = unknown;
  }

  void reserve(std::size_t length) { sources_.reserve(length); }
  void truncate(std::size_t length) noexcept {
    ledger_.discard();
    // What comes next may be a prompt, or what was truncated. It is not learnt from.
    if (sources_.truncate(length) != detail::OwnText::Truncated::nothing) in_prompt_ = after_prompt_ = true;
  }

  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    DraftAccount const account = open_account(context);
    return draft(context, pricing_->length_of_chain(chain(context, space), account));
  }

  /// Like `propose`, for a pass that several sequences share: see `OfferingProposer`.
  [[nodiscard]] DraftOffer offer(std::span<Token const> context, std::span<Token> space) {
    DraftAccount const account = open_account(context);
    return pricing_->offer(chain(context, space), account);
  }
  void share_rows(std::span<DraftOffer> offers, PassWithoutDrafts const& pass) const { pricing_->share(offers, pass); }
  [[nodiscard]] Draft draft_offered(std::span<Token const> context, std::size_t length) {
    // Other drafts of the pass may have a stake in the account by now.
    return draft(context, pricing_->affordable(length, ledger_.open(0, *pricing_)));
  }

  /// Predicts what follows `context` and the first `given` tokens of `space`, which another proposer wrote. Writes it
  /// after these, however little it pays.
  [[nodiscard]] Draft propose_after(std::span<Token const> context, std::span<Token> space, std::size_t given) {
    if (!take_in(context)) return {};
    space = space.first(std::min(space.size(), max_predicted_tokens));
    std::size_t const end = predict_chain(context, space, given, max_predicted_tokens);
    return {.length = end - given,
            .sources = std::span(token_sources_).subspan(given, end - given),
            .probabilities = std::span(probabilities_).subspan(given, end - given)};
  }

  /// Like `propose`, but with all candidates at a position, as far as they pay: see `TreeProposer`.
  [[nodiscard]] Draft propose_tree(std::span<Token const> context, TreeSpace space) {
    DraftAccount const account = open_account(context);
    if (!take_in(context)) return {};
    std::size_t const limit = std::min({space.tokens.size(), draft_length_, most_mixed});
    float const least = pricing_->least_reach();
    std::unique_lock lock(scope_->mutex_);
    detail::PredictedTree const tree(sources_, scope_->mixer_, context, space, limit, least);
    lock.unlock();
    std::size_t const drafted = pricing_->length_of_tree(tree.parents(), tree.reaches(), account);
    ledger_.propose(context.size(), drafted, *pricing_);
    std::ranges::copy(tree.sources().first(drafted), token_sources_.begin());
    return {.length = drafted, .sources = std::span(token_sources_).first(drafted)};
  }

  /// Sets text that the coming answers will probably resemble: a file to edit, a document to summarise, an earlier
  /// answer. It is copied from as if it came before the context, until other texts are set, or none.
  void set_references(std::span<std::vector<Token> const> texts) {
    if (sources_.set_references(texts)) in_prompt_ = true;
  }

  /// A turn begins: the tokens of `context` from `prompt` on are a prompt, which is read but not learnt from. The text
  /// of a user is predicted differently from what the model generates. Called by a composer.
  void on_turn_begin(std::span<Token const> context, std::size_t prompt) noexcept {
    if (prompt < context.size()) in_prompt_ = true;
    ledger_.begin_turn();
    scope_begins_ = std::min(scope_begins_, prompt);
  }

  /// Only `fed` tokens of the newest draft are fed. Called by a composer.
  void on_draft_chosen(std::span<Token const> context, std::size_t fed) noexcept {
    ledger_.settle(context.size(), *pricing_);
    ledger_.choose(context.size(), fed);
  }

  /// The answer that begins at `answer` has ended, and is added to the history. Called by a composer.
  void on_turn_end(std::span<Token const> context, std::size_t answer) {
    ledger_.settle(context.size(), *pricing_);
    if (history() == nullptr || answer >= context.size()) return;
    std::size_t const lead = answer - std::min(scope_begins_, answer);
    remembered_ = history()->append(context.subspan(answer - std::min(lead, lead_in)));
  }

  /// The id of the last answer that this sequence added to the history, by which it can be removed.
  [[nodiscard]] std::optional<HistoryEntryId> remembered() const noexcept { return remembered_; }
  /// A pass has ended, and its time is learnt from. Called by a composer.
  void on_pass(PassReport const& report) noexcept { pricing_->observe(report); }

 private:
  static constexpr std::size_t lead_in = 8;  // tokens before an answer, stored with it to match its first ones
  static constexpr std::size_t unknown = ~std::size_t{0};
  static constexpr std::size_t most_mixed = 48;  // tokens of a chain that are predicted one by one
  // What each pass adds to the credit of its scope, so that fresh text does not end drafting for good.
  static constexpr double pass_credit = 0.001;

  // Enters the newest draft. Returns the account that has less left for the next one.
  [[nodiscard]] DraftAccount open_account(std::span<Token const> context) noexcept {
    ledger_.settle(context.size(), *pricing_);
    return ledger_.open(pass_credit, *pricing_);
  }

  // Predicts into `space`. Returns the probabilities of what was written.
  [[nodiscard]] std::span<float const> chain(std::span<Token const> context, std::span<Token> space) {
    if (!take_in(context) || (checkpoints_ && after_prompt_)) return {};
    space = space.first(std::min(space.size(), draft_length_));
    return std::span(probabilities_).first(predict_chain(context, space, 0, most_mixed));
  }

  // Drafts the first `length` tokens of the chain that was predicted last.
  [[nodiscard]] Draft draft(std::span<Token const> context, std::size_t length) noexcept {
    ledger_.propose(context.size(), length, *pricing_);
    return {length, std::span(token_sources_).first(length), std::span(probabilities_).first(length)};
  }

  // Predicts after the first `given` tokens of `space`. Returns the tokens there are then.
  std::size_t predict_chain(std::span<Token const> context, std::span<Token> space, std::size_t given,
                            std::size_t mixed) {
    std::lock_guard const lock(scope_->mutex_);
    return detail::predict_chain(sources_, scope_->mixer_, context, space, given, mixed, probabilities_,
                                 token_sources_);
  }

  // Reads what was added since the last call. Learns from it, unless it is a prompt or is read again. Returns whether
  // everything is read; if not, the next call goes on.
  bool take_in(std::span<Token const> context) {
    reserve(context.size());
    COPYSPEC_ASSERT(sources_.size() <= context.size(), "tokens were taken away without a truncate");
    if (sources_.has_read(context.size())) return true;
    bool const begun = detail::read_context(sources_, context, scope_->mixer_, scope_->mutex_, !in_prompt_);
    bool const whole = sources_.has_read(context.size());
    if (begun) after_prompt_ = std::exchange(in_prompt_, in_prompt_ && !whole);
    return whole;
  }

  std::size_t draft_length_;
  bool checkpoints_;
  std::shared_ptr<detail::DraftPricing> pricing_;
  std::shared_ptr<MixingScope> first_scope_;  // that of construction
  std::shared_ptr<MixingScope> scope_;        // the current one
  std::size_t scope_begins_ = 0;              // position of the first prompt of the current scope
  detail::CopySources sources_;
  std::optional<HistoryEntryId> remembered_;
  detail::DraftLedger ledger_;
  std::array<Source, max_draft_tokens> token_sources_{};  // of the last chain or tree
  std::array<float, max_draft_tokens> probabilities_{};   // of the last chain
  bool in_prompt_ = true;                                 // whether the tokens read next are not learnt from
  bool after_prompt_ = true;                              // whether those read last were not learnt from
};

static_assert(TreeProposer<MixingProposer> && OfferingProposer<MixingProposer>);

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
