// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "draft.hpp"
#include "proposer_group.hpp"
#include "token.hpp"

namespace copyspec::inline v0 {

/// Asks several proposers in order, and takes the first draft that is not empty: a `DraftProposer`. The usual way to
/// combine them, as in prompt lookup before a draft model; right where an earlier proposer is nearly sure whenever it
/// drafts. Where they should compete, use `BestOf`.
///
/// Those behind the one that drafts are not asked, and take in what was said when they are asked again; a
/// `MixingProposer` takes that for a prompt, and does not learn from it.
///
/// Cost: that of those asked. Allocates nothing itself. Threads: one call at a time.
template <DraftProposer... Proposers>
class FirstOf : public ProposerGroup<Proposers...> {
 public:
  using ProposerGroup<Proposers...>::ProposerGroup;

  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    Draft first;
    std::size_t asked = 0;
    this->for_each([&](auto& proposer) {
      if (first.length > 0) return;
      first = proposer.propose(context, space);
      ++asked;
    });
    this->for_each([&](auto& proposer) {
      if constexpr (requires { proposer.drafted(first.length); })
        if (asked > 1) proposer.drafted(first.length);
      asked -= std::min<std::size_t>(asked, 1);
    });
    return first;
  }
};

template <class... Proposers>
FirstOf(Proposers...) -> FirstOf<Proposers...>;

static_assert(DraftProposer<FirstOf<NoProposer>>);

}  // namespace copyspec::inline v0
