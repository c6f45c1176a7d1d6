// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "copyspec/core/token.hpp"
#include "copyspec/draft/proposer.hpp"
#include "copyspec/draft/proposer_traits.hpp"
#include "copyspec/draft/tree_proposer.hpp"
#include "peer.hpp"

namespace copyspec::bench {

/// A `DraftProposer` of this library, driven as `Composer` drives it: each conversation is a sequence with a copy of
/// `prototype`, so conversations share what copies share. Drafts are trees if the proposer has them and they may have
/// branches.
template <DraftProposer Proposer>
class OwnPeer final : public Peer {
 public:
  explicit OwnPeer(Proposer prototype, std::size_t max_branches = 0)
      : prototype_(std::move(prototype)), max_branches_(max_branches) {}

  void begin_conversation() override {
    proposer_.emplace(prototype_);
    prompt_begin_ = 0;
  }

  void begin_turn(std::span<Token const> context, std::size_t answer) override {
    if constexpr (requires { proposer_->reserve(std::size_t{}); }) proposer_->reserve(context.size() + answer);
    ProposerTraits<Proposer>::on_turn_begin(*proposer_, context, prompt_begin_);
    answer_begin_ = context.size();
    tokens_.resize(answer);
    parents_.resize(answer);
  }

  void propose(std::span<Token const> context, std::size_t limit, TreeDraft& draft) override {
    if (limit == 0) return;
    std::span const tokens = std::span(tokens_).first(limit);
    if constexpr (TreeProposer<Proposer>)
      if (max_branches_ > 0) {
        std::span const parents = std::span(parents_).first(limit);
        std::size_t const nodes =
            proposer_->propose_tree(context, {.tokens = tokens, .parents = parents, .max_branches = max_branches_})
                .length;
        draft.tokens.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(nodes));
        draft.parents.assign(parents.begin(), parents.begin() + static_cast<std::ptrdiff_t>(nodes));
        return;
      }
    std::size_t const length = proposer_->propose(context, tokens).length;
    for (Token const token : tokens.first(length)) draft.extend(token);
  }

  void accept(std::span<Token const>, std::size_t) override {}

  void on_turn_end(std::span<Token const> context) override {
    if constexpr (requires { proposer_->on_turn_end(context, answer_begin_); })
      proposer_->on_turn_end(context, answer_begin_);
    prompt_begin_ = context.size();
  }

 private:
  Proposer prototype_;
  std::optional<Proposer> proposer_;
  std::size_t max_branches_;
  std::size_t answer_begin_ = 0;
  std::size_t prompt_begin_ = 0;
  std::vector<Token> tokens_;
  std::vector<std::int32_t> parents_;
};

}  // namespace copyspec::bench
