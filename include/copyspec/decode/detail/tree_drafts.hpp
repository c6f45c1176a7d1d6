// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../draft/proposer.hpp"
#include "../../draft/tree_proposer.hpp"
#include "../../model/engine.hpp"
#include "../../model/tree_model.hpp"
#include "../../model/tree_shape.hpp"
#include "../../verify/batch_verifier.hpp"
#include "../../verify/tree_verification.hpp"
#include "../../verify/verifier.hpp"
#include "../sequence.hpp"
#include "chain_drafts.hpp"
#include "prompt_check.hpp"
#include "verifier_adapter.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Whether a composer of these can draft trees.
template <class M, class Proposer, class Verifier>
concept DraftsTrees = TreeModel<M> && TreeProposer<Proposer> && SequenceVerifier<Verifier, LogitsOf<M>> &&
    !BatchVerifier<Verifier, LogitsOf<M>>;

/// What a composer does about drafts that may be trees: shares the model's branches out, and knows which tree the model
/// has of a sequence, until one path of it is kept. What has no branches is a chain and treated as one.
template <class M, class Proposer, class Verifier>
class TreeDrafts {
  static_assert(DraftsTrees<M, Proposer, Verifier>);
  using Chains = ChainDrafts<M, Proposer, Verifier>;
  static constexpr std::size_t no_tree = std::numeric_limits<std::size_t>::max();

 public:
  using Rows = typename Chains::Rows;
  using Adapter = typename Chains::Adapter;

  /// What a sequence keeps.
  class Own {
    friend TreeDrafts;
    std::vector<std::int32_t> parents_;  // of the tree in this pass, and its path once there is a verdict
    std::span<Token> nodes_;             // of the tree in this pass, behind the context
    std::size_t accepted_ = 0;           // of the path that the model can be told to keep, until the next pass
    std::size_t before_tree_ = no_tree;  // tokens before the tree that the model has
  };

  /// See `ChainDrafts`, like all that follow.
  void reserve(std::size_t sequences) { batch_.reserve(sequences); }

  static void reserve(M const& model, Own& own, std::size_t length) {
    if (model.max_branches() > 0) own.parents_.resize(std::max(own.parents_.size(), length));
  }

  void begin_pass(M const& model, std::size_t drafting) {
    branches_ = model.max_branches();
    drafting_ = drafting;
    batch_.clear();
  }

  static void begin_pass(Own& own) noexcept {
    own.nodes_ = {};
    own.accepted_ = 0;
  }

  [[nodiscard]] Draft propose(M const& model, Proposer& proposer, Own& own, std::span<Token const> context,
                              std::span<Token> space) {
    std::size_t const share = branches_ / std::max<std::size_t>(drafting_, 1);
    drafting_ -= std::min<std::size_t>(drafting_, 1);
    if (share == 0) {
      typename Chains::Own none;
      return Chains::propose(model, proposer, none, context, space);
    }
    std::span<std::int32_t> const parents = std::span(own.parents_).first(space.size());
    Draft draft = proposer.propose_tree(context, {.tokens = space, .parents = parents, .max_branches = share});
    COPYSPEC_ASSERT(draft.length <= space.size(), "a draft fits into the space it was given");
    COPYSPEC_ASSERT(tree_size(parents.first(draft.length), share).nodes == draft.length,
                    "nodes stand behind their parents, in as many branches as allowed");
    std::size_t const known = known_prefix(std::span<Token const>(space).first(draft.length), model);
    TreeSize const size = tree_size(parents.first(known), share);
    if (size.branches > 0) {
      own.nodes_ = space.first(size.nodes);
      own.before_tree_ = context.size();
      branches_ -= size.branches;
    }
    draft.length = size.nodes;
    return draft;
  }

  [[nodiscard]] static bool is_chain(Own const& own) noexcept { return own.nodes_.empty(); }

  void add(Segment const& segment, Own& own) {
    batch_.push_back({.sequence = segment.sequence,
                      .tokens = segment.tokens,
                      .rows = segment.rows,
                      .parents = std::span(own.parents_).first(own.nodes_.size())});
  }

  [[nodiscard]] Rows forward(M& model, std::span<Segment const> batch) {
    if (branches_ == model.max_branches()) return model.forward(batch);
    return model.forward(std::span<TreeSegment const>(batch_));
  }

  [[nodiscard]] static Verdict verdict(Adapter& judges, typename Adapter::Own& verifier, Own& own, Rows rows,
                                       std::span<VerifyInput const> trials, std::size_t index, std::size_t first) {
    if (own.nodes_.empty()) return judges.verdict(verifier, rows, trials, index, first);
    VerifyInput const& trial = trials[index];
    Verdict const verdict = verify_tree(verifier, rows.subview(first, trial.rows()), trial.tokens.first(trial.length),
                                        own.nodes_, std::span(own.parents_).first(own.nodes_.size()));
    own.accepted_ = verdict.accepted;
    return verdict;
  }

  [[nodiscard]] static std::span<std::int32_t const> path(Own const& own) noexcept {
    return std::span(own.parents_).first(own.accepted_);
  }

  static std::size_t cut_back(M& model, Own& own, Sequence const& sequence) {
    std::size_t const length = std::min(sequence.cached(), own.before_tree_);
    std::span<std::int32_t const> const path = std::span(own.parents_).first(sequence.cached() - length);
    // If it throws, the path is not asked for again: the model may have fed another tree by then.
    bool const keeps = path.size() > 0 && std::exchange(own.accepted_, 0) > 0;
    std::size_t const held = keeps ? model.keep(sequence.id(), length, path) : model.truncate(sequence.id(), length);
    own.before_tree_ = no_tree;
    return held;
  }

 private:
  std::size_t branches_ = 0;  // left in this pass
  std::size_t drafting_ = 0;  // sequences that they are still to be shared by
  std::vector<TreeSegment> batch_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
