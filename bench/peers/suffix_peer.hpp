// SPDX-License-Identifier: MIT
#pragma once

#include <suffix_tree.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>

#include "copyspec/core/token.hpp"
#include "peer.hpp"

namespace copyspec::bench {

/// Settings of a `SuffixPeer`, named and set as in `SuffixDecodingCache` of ArcticInference.
struct SuffixOptions {
  int max_tree_depth = 64;
  int max_spec_tokens = 64;  ///< Where the peer is given none, it takes `max_tree_depth`.
  float max_spec_factor = 1.0F;
  float max_spec_offset = 0.0F;
  float min_token_prob = 0.1F;
  bool use_tree_spec = false;
};

/// The suffix trees of ArcticInference, called as its `SuffixDecodingCache` calls them: a turn is a request, whose
/// prompt is the context; one tree holds prompt and response of the request, another the responses of all requests;
/// both guess, and the guess that expects more tokens is taken, the request's own if they are equal.
///
/// With `Sharing::history` the tree of responses serves all conversations; without, those of one conversation.
class SuffixPeer final : public Peer {
 public:
  SuffixPeer(SuffixOptions const& options, Sharing sharing) : options_(options), sharing_(sharing) {
    responses_.emplace(options.max_tree_depth);
  }

  void begin_conversation() override {
    if (sharing_ == Sharing::nothing) responses_.emplace(options_.max_tree_depth);
  }

  void begin_turn(std::span<Token const> context, std::size_t) override {
    request_.emplace(options_.max_tree_depth);
    request_->extend(0, context);
    ++request_number_;
  }

  void propose(std::span<Token const> context, std::size_t limit, TreeDraft& draft) override {
    auto const newest = context.last(std::min(context.size(), static_cast<std::size_t>(options_.max_tree_depth)));
    int const most = static_cast<int>(std::min(limit, static_cast<std::size_t>(options_.max_spec_tokens)));
    auto const speculate = [&](SuffixTree& tree) {
      return tree.speculate(newest, most, options_.max_spec_factor, options_.max_spec_offset, options_.min_token_prob,
                            options_.use_tree_spec);
    };
    Draft const of_request = speculate(*request_);
    Draft const of_responses = speculate(*responses_);
    Draft const& best = of_request.score >= of_responses.score ? of_request : of_responses;
    draft.tokens.assign(best.token_ids.begin(), best.token_ids.end());
    draft.parents.assign(best.parents.begin(), best.parents.end());
  }

  void accept(std::span<Token const> said, std::size_t) override {
    request_->extend(0, said);
    responses_->extend(request_number_, said);
  }

  void on_turn_end(std::span<Token const>) override { request_.reset(); }

 private:
  // Of the namespace around, where copyspec has a `Draft` of its own.
  using Draft = ::Draft;

  SuffixOptions options_;
  Sharing sharing_;
  std::optional<SuffixTree> request_;
  std::optional<SuffixTree> responses_;
  int request_number_ = -1;
};

}  // namespace copyspec::bench
