// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "detail/proposer_group.hpp"
#include "proposer.hpp"
#include "proposer_traits.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Asks several proposers in order and takes the first draft that is not empty: a `DraftProposer` of chains. The usual
/// way to combine them, as in prompt lookup before a draft model; right where an earlier proposer is nearly sure
/// whenever it drafts. Where they should compete, use `BestDraft`.
///
/// A proposer after the one that drafts is not asked. It is told which draft was chosen, and takes the generated tokens
/// in when it is asked again.
///
/// If one of the proposers prepares drafts for several sequences together (`PreparingProposer`), so does this:
/// `prepare` asks the proposers before that one, and prepares it only where they draft nothing. So a draft model runs
/// as few passes as it would alone.
///
/// Cost: that of the proposers asked; where one prepares, 4 bytes for each token of the longest context reserved.
/// Allocates nothing itself after `reserve`. Threads: one call at a time. Errors: those of the proposers.
template <DraftProposer... Proposers>
class FirstDraft : public detail::ProposerGroup<Proposers...> {
  using Group = detail::ProposerGroup<Proposers...>;
  static constexpr bool prepares = (PreparingProposer<Proposers> || ...);

 public:
  using Group::Group;

  void reserve(std::size_t length) {
    if constexpr (prepares) tokens_.reserve(length);
    Group::reserve(length);
  }

  void prepare(std::span<Token const> context, std::size_t room) {
    if constexpr (!prepares) return;
    asked_ = 0;
    draft_ = {};
    tokens_.resize(room);
    std::size_t index = 0;
    bool done = false;
    this->for_each([&]<class P>(P& proposer) {
      if (done) return;
      if constexpr (PreparingProposer<P>) {
        proposer.prepare(context, room);
        done = true;
      } else {
        ask(proposer, context, tokens_);
        asked_ = ++index;
        done = draft_.length > 0;
      }
    });
    prepared_ = context;
  }

  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    if (prepared_.data() != context.data() || prepared_.size() != context.size()) {
      asked_ = 0;
      draft_ = {};
    }
    prepared_ = {};
    draft_.length = std::min(draft_.length, space.size());
    std::copy_n(tokens_.begin(), draft_.length, space.begin());
    std::size_t index = 0;
    this->for_each([&](auto& proposer) {
      if (index++ >= asked_ && draft_.length == 0) ask(proposer, context, space);
    });
    this->on_draft_chosen(context, draft_.length);
    return draft_;
  }

 private:
  void ask(auto& proposer, std::span<Token const> context, std::span<Token> space) {
    draft_ = proposer.propose(context, space);
    COPYSPEC_ASSERT(draft_.length <= space.size(), "a draft fits into the space it was given");
  }

  Draft draft_;                        // of the context asked for last
  std::size_t asked_ = 0;              // how many proposers were asked for it in `prepare`
  std::span<Token const> prepared_{};  // the context that was prepared, until its draft is asked for
  std::vector<Token> tokens_;          // of the draft, where it was made in `prepare`
};

template <class... Proposers>
FirstDraft(Proposers...) -> FirstDraft<Proposers...>;

static_assert(DraftProposer<FirstDraft<NoProposer>>);

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
