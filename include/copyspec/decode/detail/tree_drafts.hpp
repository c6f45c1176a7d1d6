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
#include "../../verify/verifier_traits.hpp"
#include "../engine_limits.hpp"
#include "../pass_plan.hpp"
#include "../sequence.hpp"
#include "chain_drafts.hpp"
#include "prompt_check.hpp"
#include "verifier_adapter.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Whether a batch of these types can draft trees, for an engine that has branches.
template <class Proposer, class Verifier, class Rows>
concept DraftsTrees = TreeProposer<Proposer> && SequenceVerifier<Verifier, Rows> && !BatchVerifier<Verifier, Rows>;

/// How a `DecodeBatch` handles drafts that may be trees. Shares out the engine's branches, and knows which tree the
/// engine holds of a sequence until one path of it is kept. A draft without branches is a chain and handled as one.
template <class Proposer, class Verifier, class Rows>
class TreeDrafts {
  static_assert(DraftsTrees<Proposer, Verifier, Rows>);
  using Chains = ChainDrafts<Proposer, Verifier, Rows>;
  static constexpr std::size_t no_tree = std::numeric_limits<std::size_t>::max();

 public:
  using Adapter = typename Chains::Adapter;

  /// State of one sequence.
  class Own {
    friend TreeDrafts;
    std::vector<std::int32_t> parents_;  // of the tree in this pass; after the verdict, its path
    std::span<Token> nodes_;             // of the tree in this pass, after the context
    std::size_t accepted_ = 0;           // length of the path that the engine can keep, until the next pass
    std::size_t before_tree_ = no_tree;  // tokens before the tree that the engine holds
  };

  /// See `ChainDrafts` for this and all that follow.
  void reserve(std::size_t sequences) { batch_.reserve(sequences); }

  static void reserve(EngineLimits const& limits, Own& own, std::size_t length) {
    if (limits.max_branches > 0) own.parents_.resize(std::max(own.parents_.size(), length));
  }

  void begin_pass(EngineLimits const& limits, std::size_t drafting) noexcept {
    branches_ = limits.max_branches;
    drafting_ = drafting;
    batch_.clear();
  }

  static void begin_pass(Own& own) noexcept {
    own.nodes_ = {};
    own.accepted_ = 0;
  }

  [[nodiscard]] Draft propose(Proposer& proposer, Own& own, std::span<Token const> context, std::span<Token> space) {
    std::size_t const share = branches_ / std::max<std::size_t>(drafting_, 1);
    drafting_ -= std::min<std::size_t>(drafting_, 1);
    if (share == 0) {
      typename Chains::Own none;
      return Chains::propose(proposer, none, context, space);
    }
    std::span<std::int32_t> const parents = std::span(own.parents_).first(space.size());
    Draft const draft = proposer.propose_tree(context, {.tokens = space, .parents = parents, .max_branches = share});
    COPYSPEC_ASSERT(draft.length <= space.size(), "a draft fits into the space it was given");
    TreeSize const size = tree_size(parents.first(draft.length), share);
    COPYSPEC_ASSERT(size.nodes == draft.length, "nodes stand after their parents, in as many branches as allowed");
    if (size.branches > 0) own.nodes_ = space.first(size.nodes);
    return draft;
  }

  [[nodiscard]] std::size_t feedable(EngineLimits const& limits, Own& own, std::span<Token const> /*context*/,
                                     std::span<Token const> draft) {
    std::size_t const known = known_prefix(draft, limits.vocabulary_size);
    if (own.nodes_.empty()) return known;
    own.nodes_ = own.nodes_.first(std::min(known, own.nodes_.size()));
    TreeSize const size = tree_size(std::span(own.parents_).first(own.nodes_.size()), branches_);
    if (size.branches == 0) {
      own.nodes_ = {};  // a chain
    } else {
      branches_ -= size.branches;
    }
    return size.nodes;
  }

  [[nodiscard]] static bool is_chain(Own const& own) noexcept { return own.nodes_.empty(); }

  void add(Segment const& segment, Own& own, std::size_t length) {
    if (!own.nodes_.empty()) own.before_tree_ = length;
    batch_.push_back({.sequence = segment.sequence,
                      .tokens = segment.tokens,
                      .rows = segment.rows,
                      .parents = std::span(own.parents_).first(own.nodes_.size())});
  }

  [[nodiscard]] std::span<TreeSegment const> tree_segments(EngineLimits const& limits) const noexcept {
    if (branches_ == limits.max_branches) return {};
    return batch_;
  }

  [[nodiscard]] static Verdict verdict(Adapter& adapter, typename Adapter::Own& verifier, Own& own, Rows rows,
                                       std::span<VerifyInput const> inputs, std::size_t index, std::size_t first) {
    if (own.nodes_.empty()) return adapter.verdict(verifier, rows, inputs, index, first);
    VerifyInput const& input = inputs[index];
    // The walk goes on after a row only to a node that its token is equal to.
    own.accepted_ = 0;
    auto const count = [&](Verdict const& verdict) {
      ++own.accepted_;
      return verdict;
    };
    struct Counting {
      typename Adapter::Own& verifier;
      decltype(count)& verified;
      Verdict verify(Rows one, std::span<Token const> tokens, std::size_t length) {
        return verified(verifier.verify(one, tokens, length));
      }
    } counting{verifier, count};
    Verdict const verdict = verify_tree(counting, rows.subview(first, input.rows()), input.tokens.first(input.length),
                                        own.nodes_, std::span(own.parents_).first(own.nodes_.size()));
    own.accepted_ = verdict.accepted;
    return verdict;
  }

  [[nodiscard]] static Verdict verdict_before_throw(Adapter& adapter, typename Adapter::Own& verifier, Own& own,
                                                    Rows rows, VerifyInput const& input, std::size_t first) {
    if (own.nodes_.empty()) return Adapter::verdict_before_throw(verifier, rows, input, first);
    static_cast<void>(adapter);
    return {.accepted = own.accepted_, .status = VerdictStatus::invalid_row};
  }

  [[nodiscard]] static std::span<std::int32_t const> path(Own const& own) noexcept {
    return std::span(own.parents_).first(own.accepted_);
  }

  [[nodiscard]] static Truncation truncation(Own& own, Sequence const& sequence) noexcept {
    std::size_t const length = std::min(sequence.cached(), own.before_tree_);
    std::span<std::int32_t const> const path = std::span(own.parents_).first(sequence.cached() - length);
    // If the engine throws, the path is not requested again, because another tree may have been fed by then.
    bool const keeps = path.size() > 0 && std::exchange(own.accepted_, 0) > 0;
    Truncation truncation{.sequence = sequence.id(), .length = length};
    if (keeps) truncation.path = path;
    return truncation;
  }

  static void truncated(Own& own) noexcept { own.before_tree_ = no_tree; }

 private:
  std::size_t branches_ = 0;  // left in this pass
  std::size_t drafting_ = 0;  // sequences that still share them
  std::vector<TreeSegment> batch_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
