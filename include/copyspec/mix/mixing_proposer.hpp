// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../cost/draft_length.hpp"
#include "../cost/pass_cost.hpp"
#include "../cost/sequence_cost.hpp"
#include "../draft/proposer.hpp"
#include "../draft/tree_proposer.hpp"
#include "detail/context_hashes.hpp"
#include "detail/copy_sources.hpp"
#include "detail/mixer.hpp"
#include "detail/predicted_chain.hpp"
#include "detail/predicted_tree.hpp"
#include "history.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// How the target model returns to a shorter context.
enum class Rollback : std::uint8_t {
  exact,       ///< To any length.
  checkpoint,  ///< To a checkpoint, as recurrent and hybrid models do.
};

/// Settings of a `MixingProposer`. None needs tuning: the cost of a pass is learnt unless it is given, and the window
/// is a bound on memory.
struct MixingOptions {
  PassCost pass_cost = {};        ///< Cost of a pass; by default learnt from the passes that a composer reports.
  std::size_t draft_length = 48;  ///< Most tokens drafted, at most `max_draft_tokens`.
  /// Only matches that end at one of the newest `window` tokens are copied from, and when a context is read again, no
  /// more tokens than these are read. So memory and time are bounded, however long the sequence is. Zero: no bound.
  std::size_t window = 0;
  /// Earlier answers to copy from as well. Each answer that a composer ends is added. A caller that shares the history
  /// may be shown its text, so give each tenant a history of its own (`Histories`). Null: nothing is shared.
  std::shared_ptr<History> history = nullptr;
  /// With `checkpoint`, a rejected draft costs one more pass, which feeds its accepted tokens again. A draft right
  /// after a prompt also costs one more pass. Drafts are then truncated with that in mind, and nothing is drafted right
  /// after a prompt.
  Rollback rollback = Rollback::exact;
};

/// Predicts the next tokens from all text of the sequence, and drafts as many as pay for their rows. A `DraftProposer`.
///
/// For each position, the candidates come from the longest match, a match that survives edits, and four short contexts.
/// These are the newest token, the newest two, the one before the newest, and the one before that. A history of earlier
/// answers, if given, adds candidates. A `Mixer` gives each candidate an acceptance probability. The most probable one
/// is appended, and the next position is predicted as if that token had been generated. `draft_length` truncates the
/// chain where its passes cost least. So a draft may be empty, and is empty where copying cannot help.
///
/// Copies share the history and what was learnt (weights and pass costs: numbers, no tokens), and nothing else. No
/// token of one sequence can reach the draft of another unless it is in the history. So the copies that a composer
/// makes for its sequences learn together.
///
/// What was learnt stays when the context is truncated. Everything else is then a function of the tokens that are left,
/// as if the others had never been there.
///
/// Cost: O(1) per token appended and per token predicted. After `truncate`, and when `reserve` has grown, the next call
/// reads the whole context again, or the window. Memory: that of a `CopySources`, a quarter more for a context that has
/// grown, and 220 KiB shared by all copies. Allocates when constructed and in `reserve`, and in `propose` beyond what
/// was reserved. Threads: one call at a time across all copies.
class MixingProposer {
 public:
  explicit MixingProposer(MixingOptions options = {})
      : draft_length_(std::min(options.draft_length, max_draft_tokens)),
        checkpoints_(options.rollback == Rollback::checkpoint),
        learnt_(std::make_shared<Learnt>(std::move(options.pass_cost))),
        history_(std::move(options.history)),
        sources_(options.window, history_) {}

  /// Most tokens drafted.
  [[nodiscard]] std::size_t draft_length() const noexcept { return draft_length_; }

  /// The cost of a pass, as learnt so far.
  [[nodiscard]] PassCost const& pass_cost() const noexcept { return learnt_->share.pass_cost(); }

  /// Bytes allocated for this sequence.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return sources_.memory_bytes(); }

  /// Bytes allocated and shared by all copies.
  [[nodiscard]] std::size_t shared_memory_bytes() const noexcept { return learnt_->mixer.memory_bytes(); }

  /// The history given at construction; null if none.
  [[nodiscard]] std::shared_ptr<History> const& history() const noexcept { return history_; }

  /// What all copies have learnt about which candidates come true, as plain numbers without tokens, to be saved with
  /// the history (`HistoryFile`). A proposer that loads them with `set_learnt` proposes and learns as this one. Pass
  /// costs belong to the machine and are not included. O(shared memory).
  [[nodiscard]] std::vector<float> learnt() const { return learnt_->mixer.learnt(); }

  /// Makes all copies continue from `numbers`, returned by `learnt`; see `Mixer::set_learnt`.
  void set_learnt(std::span<float const> numbers, std::string const& where) {
    learnt_->mixer.set_learnt(numbers, where);
  }

  void reserve(std::size_t length) {
    if (sources_.reserve(length)) in_prompt_ = true;
  }

  void truncate(std::size_t length) noexcept {
    if (sources_.truncate(length)) in_prompt_ = true;
  }

  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    reserve(context.size());
    take_in(context);
    if (checkpoints_ && after_prompt_) return {};
    std::size_t const length =
        detail::predict_chain(sources_, learnt_->mixer, context, space.first(std::min(space.size(), draft_length_)), 0,
                              probabilities_, token_sources_);
    std::size_t const drafted = worth_drafting(std::span<float const>(probabilities_).first(length));
    return {.length = drafted,
            .sources = std::span(token_sources_).first(drafted),
            .probabilities = std::span(probabilities_).first(drafted)};
  }

  /// Predicts what follows `context` and the first `given` tokens of `space`, which another proposer wrote. Writes it
  /// after these, however little it pays.
  [[nodiscard]] Draft propose_after(std::span<Token const> context, std::span<Token> space, std::size_t given) {
    reserve(context.size());
    take_in(context);
    std::size_t const end =
        detail::predict_chain(sources_, learnt_->mixer, context, space.first(std::min(space.size(), max_draft_tokens)),
                              given, probabilities_, token_sources_);
    return {.length = end - given,
            .sources = std::span(token_sources_).subspan(given, end - given),
            .probabilities = std::span(probabilities_).subspan(given, end - given)};
  }

  /// Like `propose`, but with all candidates at a position, as far as they pay: see `TreeProposer`.
  [[nodiscard]] Draft propose_tree(std::span<Token const> context, TreeSpace space) {
    reserve(context.size());
    take_in(context);
    std::size_t const limit = std::min(space.tokens.size(), draft_length_);
    detail::PredictedTree const tree(sources_, learnt_->mixer, context, space, limit, least_reach());
    std::size_t const drafted = copyspec::draft_length(tree.parents(), tree.reaches(), learnt_->share);
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
  }

  /// The answer that begins at `answer` has ended, and is added to the history. Called by a composer.
  void on_turn_end(std::span<Token const> context, std::size_t answer) {
    if (history_ == nullptr || answer >= context.size()) return;
    remembered_ = history_->append(context.subspan(answer - std::min(answer, lead_in)));
  }

  /// The id of the last answer that this sequence added to the history, by which it can be removed.
  [[nodiscard]] std::optional<HistoryEntryId> remembered() const noexcept { return remembered_; }

  /// A pass has ended, and its time is learnt from. Called by a composer.
  void on_pass(PassReport const& report) noexcept { learnt_->share.observe(report); }

 private:
  // This many tokens before an answer are stored with it, so that its first tokens can be matched.
  static constexpr std::size_t lead_in = 8;
  // The last tokens of a prompt are enough to find a place in the history.
  static constexpr std::size_t followed = 64;

  // The reach below which no node of a tree can pay, since a node saves one pass at most. A node that does not pay
  // itself may still decide where a draft ends, hence the quarter.
  [[nodiscard]] float least_reach() const noexcept {
    SequenceCost const& share = learnt_->share;
    double const alone = share(1);
    double least = alone;
    for (std::size_t rows = 2; rows <= max_draft_tokens + 1; rows += rows / 2)
      least = std::min(least, (share(rows) - alone) / static_cast<double>(rows - 1));
    return std::max(0.005F, static_cast<float>(least / alone / 4));
  }

  // How many tokens of a chain to draft.
  [[nodiscard]] std::size_t worth_drafting(std::span<float const> probabilities) const noexcept {
    SequenceCost const& share = learnt_->share;
    if (!checkpoints_) return copyspec::draft_length(probabilities, share);
    // What a pass would have gained by a draft.
    constexpr double forgone = 0.1;
    double const alone = share(1);
    // The token before the draft is fed again, too.
    auto const rejection = [&](std::size_t right) { return forgone * alone + share(right + 2) - alone; };
    return copyspec::draft_length(probabilities, share, rejection);
  }

  // Shared by all copies.
  struct Learnt {
    detail::Mixer mixer;
    SequenceCost share;

    explicit Learnt(PassCost pass_cost) : share(std::move(pass_cost)) {}
  };

  // Reads what was added since the last call. Learns from it, unless it is a prompt or is read again.
  void take_in(std::span<Token const> context) {
    COPYSPEC_ASSERT(sources_.size() <= context.size(), "tokens were taken away without a truncate");
    if (context.size() == sources_.size()) return;
    after_prompt_ = std::exchange(in_prompt_, false);
    bool const generated = !after_prompt_;
    sources_.skip(context.size());
    auto const token_at = [&](std::size_t position) { return context[position]; };
    detail::ContextHashes contexts(sources_.size(), token_at);
    while (sources_.size() < context.size()) {
      std::size_t const position = sources_.size();
      if (generated) {
        detail::Prediction prediction;
        learnt_->mixer.predict(sources_.input(contexts, sources_.pointers(), position, token_at), prediction);
        learnt_->mixer.learn(prediction, context[position]);
      }
      bool const near = position + followed >= context.size();
      contexts = sources_.append(context, contexts, near);
    }
  }

  std::size_t draft_length_;
  bool checkpoints_;
  std::shared_ptr<Learnt> learnt_;
  std::shared_ptr<History> history_;
  detail::CopySources sources_;
  std::optional<HistoryEntryId> remembered_;
  std::array<Source, max_draft_tokens> token_sources_{};  // of the last chain or tree
  std::array<float, max_draft_tokens> probabilities_{};   // of the last chain
  bool in_prompt_ = true;                                 // whether the tokens read next are not learnt from
  bool after_prompt_ = true;                              // whether those read last were not learnt from
};

static_assert(TreeProposer<MixingProposer>);

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
