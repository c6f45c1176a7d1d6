// SPDX-License-Identifier: MIT
#pragma once

#include <speculative.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "copyspec/core/error.hpp"
#include "copyspec/core/token.hpp"
#include "peer.hpp"

namespace copyspec::bench {

/// An n-gram drafter of llama.cpp, behind `common_speculative` and called as llama-server calls it for one slot: a
/// draft is asked for with the tokens before the newest and the newest, and its outcome is told if there was one.
///
/// With `Sharing::history` one slot serves all conversations, as in a server; without, each has a fresh one.
class LlamaPeer final : public Peer {
 public:
  /// Drafts are cut to `longest` tokens by the limit that a call may set. Throws `Error` if `params` name no drafter.
  LlamaPeer(common_params_speculative params, std::size_t longest, Sharing sharing)
      : params_(std::move(params)), longest_(longest), sharing_(sharing) {
    restart();
  }

  void begin_conversation() override {
    if (sharing_ == Sharing::nothing) restart();
  }

  void begin_turn(std::span<Token const> context, std::size_t) override {
    before_newest_.assign(context.begin(), context.end() - 1);
    common_speculative_begin(speculative_.get(), slot, before_newest_);
  }

  void propose(std::span<Token const> context, std::size_t limit, TreeDraft& draft) override {
    draft_.clear();
    limit = std::min(limit, longest_);
    if (limit == 0) return;
    auto const known = static_cast<std::ptrdiff_t>(before_newest_.size());
    before_newest_.insert(before_newest_.end(), context.begin() + known, context.end() - 1);
    common_speculative_get_draft_params(speculative_.get(), slot) = {.drafting = true,
                                                                     .n_max = static_cast<std::int32_t>(limit),
                                                                     .pos0 = static_cast<llama_pos>(context.size()) - 1,
                                                                     .id_last = context.back(),
                                                                     .prompt = &before_newest_,
                                                                     .result = &draft_};
    common_speculative_draft(speculative_.get());
    for (llama_token const token : draft_) draft.extend(token);
  }

  void accept(std::span<Token const>, std::size_t accepted) override {
    if (!draft_.empty()) common_speculative_accept(speculative_.get(), slot, static_cast<std::uint16_t>(accepted));
  }

  void on_turn_end(std::span<Token const>) override {}

 private:
  static constexpr llama_seq_id slot = 0;

  void restart() {
    speculative_.reset(common_speculative_init(params_, 1));
    if (speculative_ == nullptr) raise_error(ErrorCode::engine, "llama.cpp made no drafter of these parameters");
  }

  common_params_speculative params_;
  std::size_t longest_;
  Sharing sharing_;
  common_speculative_ptr speculative_;
  llama_tokens before_newest_;
  llama_tokens draft_;
};

}  // namespace copyspec::bench
