// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "assert.hpp"
#include "context_hashes.hpp"
#include "context_statistics.hpp"
#include "draft.hpp"
#include "draft_length.hpp"
#include "evidence.hpp"
#include "longest_match.hpp"
#include "mixer.hpp"
#include "pass_cost.hpp"
#include "token.hpp"

namespace copyspec::inline v0 {

/// Settings of a `MixingProposer`. There is nothing to tune: the cost of a pass is learnt unless it is known, and the
/// window is a bound on memory.
struct MixingOptions {
  PassCost pass_cost = {};        ///< What a pass costs; by default learnt from the passes a composer reports.
  std::size_t draft_length = 48;  ///< Most tokens drafted, at most `longest_chain`.
  /// Only matches that end at one of the newest `window` tokens are copied from, and no more tokens are read when a
  /// context is read again, so that memory and time are bounded however long the sequence is; zero is no bound.
  std::size_t window = 0;
};

/// Predicts the next tokens from everything the sequence has said, and drafts as many as pay for their rows. A
/// `DraftProposer`.
///
/// For each position, the longest match, a match that survives edits, and four short contexts (the newest token, the
/// newest two, the one before the newest and the one before that) name candidates; a `Mixer` gives each a chance; the
/// best is appended and the next position predicted as if it had been said. `draft_length` cuts the chain where its
/// passes cost least, so a draft may be empty, and is where copying cannot help.
///
/// Copies share what was learnt (weights and pass costs, numbers without tokens) and nothing else: no token of one
/// sequence can reach the draft of another. So the copies that a composer makes for its sequences learn together.
///
/// What was learnt stays when tokens are taken back; everything else is then a function of the tokens that are left,
/// as if the others had never been said.
///
/// Cost: O(1) a token appended and a token predicted; after `truncate`, and when `reserve` has grown, the next call
/// reads the whole context again, or the window. Memory: 50 bytes a token reserved, a quarter more for a context that
/// has grown, less beyond 87,000 tokens; with a window 54, of at most `window` tokens, and 3 KiB; and 200 KiB shared by
/// all copies. Allocates when it is made and in `reserve`, and in `propose` beyond what was reserved. Threads: one call
/// at a time, all copies together.
class MixingProposer {
 public:
  explicit MixingProposer(MixingOptions options = {})
      : draft_length_(std::min(options.draft_length, longest_chain)),
        window_(options.window == 0 ? unlimited : options.window),
        learnt_(std::make_shared<Learnt>(std::move(options.pass_cost))),
        match_(options.window) {}

  /// Most tokens drafted.
  [[nodiscard]] std::size_t draft_length() const noexcept { return draft_length_; }

  /// What a pass costs, as far as it is known.
  [[nodiscard]] PassCost const& pass_cost() const noexcept { return learnt_->pass_cost; }

  /// Bytes allocated for this sequence.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return match_.memory_bytes() + statistics_.memory_bytes(); }

  /// Bytes allocated that all copies share.
  [[nodiscard]] std::size_t shared_memory_bytes() const noexcept { return learnt_->mixer.memory_bytes(); }

  void reserve(std::size_t length) {
    if (std::min(length, window_) <= reserved_) return;
    // A quarter more than the last time, so that a context that grows turn by turn is seldom read again.
    reserved_ = std::min(std::max(length, reserved_ + reserved_ / 4), window_);
    match_.reserve(reserved_);
    std::size_t const contexts = std::min(reserved_ + reserved_ / 2, max_contexts);
    if (contexts <= statistics_.capacity()) return;
    statistics_.reset(contexts);
    forget();
  }

  void truncate(std::size_t length) noexcept {
    if (length >= match_.size()) return;
    statistics_.clear();
    forget();
  }

  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    reserve(context.size());
    take_in(context);
    std::array<float, longest_chain> chances;
    std::size_t const length = predict_chain(context, space.first(std::min(space.size(), draft_length_)), chances);
    drafted_ =
        copyspec::draft_length(std::span(chances).first(length), [&](std::size_t rows) { return learnt_->cost(rows); });
    return {.length = drafted_};
  }

  /// A pass took its time, which is learnt from. Told by a composer.
  void observe_pass(PassReport const& report) noexcept { learnt_->observe(report); }

 private:
  // 2 MiB: beyond it nearly every probe misses the caches. Tokens long past are left to the longest match.
  static constexpr std::size_t max_contexts = std::size_t{1} << 17;
  // A chain less likely to survive than this is not worth predicting.
  static constexpr float min_survival = 0.02F;

  // What copies share.
  struct Learnt {
    Mixer mixer;
    PassCost pass_cost;
    // The rows that other sequences bring to a pass, and the sequences in it.
    std::size_t others = 0;
    std::size_t sequences = 1;

    explicit Learnt(PassCost cost) : pass_cost(std::move(cost)) {}

    // What a sequence's rows add to a pass, and its share of what the pass costs anyway.
    [[nodiscard]] double cost(std::size_t rows) const noexcept {
      double const alone = pass_cost(others + 1);
      return pass_cost(others + rows) - alone + alone / static_cast<double>(sequences);
    }

    void observe(PassReport const& report) noexcept {
      pass_cost.observe(report.rows, report.seconds);
      sequences = std::max<std::size_t>(report.sequences, 1);
      others = report.rows - report.rows / sequences;
    }
  };

  void forget() noexcept {
    match_.begin_at(0);
    drafted_ = unknown;
  }

  // Learns from and remembers what was said since the last call. More than the last draft could have made are a
  // prompt, which is remembered only: what a user says is predicted otherwise than what the model says.
  void take_in(std::span<Token const> context) {
    std::size_t const added = context.size() - match_.size();
    COPYSPEC_ASSERT(match_.size() <= context.size(), "tokens were taken away without a truncate");
    bool const generated = drafted_ != unknown && added > 0 && added <= drafted_ + 1;
    if (added > window_) match_.begin_at(context.size() - window_);
    auto const token_at = [&](std::size_t position) { return context[position]; };
    while (match_.size() < context.size()) {
      std::size_t const position = match_.size();
      Token const token = context[position];
      ContextHashes const contexts(position, token_at);
      if (generated) {
        Prediction prediction;
        learnt_->mixer.predict(evidence(contexts, match_.pointers(), position, token_at), prediction);
        learnt_->mixer.learn(prediction, token);
      }
      for (std::uint64_t const hash : contexts.values)
        if (hash != 0) statistics_.observe(hash, token);
      match_.append(context.first(position + 1));
    }
  }

  // Writes the most likely continuation into `space`, with the chance of each token, and returns its length.
  std::size_t predict_chain(std::span<Token const> context, std::span<Token> space,
                            std::array<float, longest_chain>& chances) const noexcept {
    auto const token_at = [&](std::size_t position) {
      return position < context.size() ? context[position] : space[position - context.size()];
    };
    MatchPointers pointers = match_.pointers();
    Prediction prediction;
    float survival = 1;
    std::size_t length = 0;
    while (length < space.size()) {
      std::size_t const position = context.size() + length;
      learnt_->mixer.predict(evidence(ContextHashes(position, token_at), pointers, position, token_at), prediction);
      if (prediction.size == 0) break;
      Prediction::Candidate const& best = prediction.candidates[prediction.best];
      survival *= best.chance;
      if (survival < min_survival) break;
      chances[length] = best.chance;
      space[length++] = best.token;
      pointers.advance(best.token, token_at);
    }
    return length;
  }

  template <class TokenAt>
  [[nodiscard]] Evidence evidence(ContextHashes const& contexts, MatchPointers const& pointers, std::size_t length,
                                  TokenAt const& token_at) const noexcept {
    Evidence evidence;
    for (std::size_t i = 0; i < Evidence::contexts; ++i)
      if (contexts.values[i] != 0) evidence.successors[i] = statistics_.find(contexts.values[i]);
    auto const vote = [&](MatchPointer const& pointer) {
      if (!pointer.active || pointer.position >= length) return Evidence::Vote{};
      return Evidence::Vote{.token = token_at(pointer.position),
                            .length = pointer.length,
                            .misses = pointer.misses,
                            .history = pointer.history};
    };
    evidence.votes = {vote(pointers.longest), vote(pointers.survivor)};
    evidence.hits = pointers.hits;
    evidence.order = evidence.successors[1] != nullptr ? 2 : evidence.successors[0] != nullptr ? 1 : 0;
    evidence.newest = contexts.newest;
    return evidence;
  }

  static constexpr std::size_t unknown = ~std::size_t{0};
  static constexpr std::size_t unlimited = ~std::size_t{0};

  std::size_t draft_length_;
  std::size_t window_;
  std::shared_ptr<Learnt> learnt_;
  LongestMatch match_;
  ContextStatistics statistics_;
  std::size_t reserved_ = 0;
  std::size_t drafted_ = unknown;  // by the last call; unknown if what follows cannot be told from a prompt
};

static_assert(DraftProposer<MixingProposer>);

}  // namespace copyspec::inline v0
