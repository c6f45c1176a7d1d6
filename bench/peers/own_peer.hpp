// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "copyspec/draft.hpp"
#include "copyspec/token.hpp"
#include "peer.hpp"

namespace copyspec::bench {

/// A `DraftProposer` of this library, driven as `Composer` drives it: each conversation is a sequence with a copy of
/// `prototype`, so conversations share what copies share.
template <DraftProposer Proposer>
class OwnPeer final : public Peer {
 public:
  explicit OwnPeer(Proposer prototype) : prototype_(std::move(prototype)) {}

  void begin_conversation() override { proposer_.emplace(prototype_); }

  void begin_turn(std::span<Token const> context, std::size_t answer) override {
    if constexpr (requires { proposer_->reserve(std::size_t{}); }) proposer_->reserve(context.size() + answer);
    space_.resize(answer);
  }

  void propose(std::span<Token const> context, std::size_t limit, TreeDraft& draft) override {
    if (limit == 0) return;
    std::size_t const length = proposer_->propose(context, std::span(space_).first(limit)).length;
    for (Token const token : std::span(space_).first(length)) draft.extend(token);
  }

  void accept(std::span<Token const>, std::size_t) override {}
  void end_turn() override {}

 private:
  Proposer prototype_;
  std::optional<Proposer> proposer_;
  std::vector<Token> space_;
};

}  // namespace copyspec::bench
