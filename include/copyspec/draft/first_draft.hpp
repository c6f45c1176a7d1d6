// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "detail/proposer_group.hpp"
#include "proposer.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Asks several proposers in order, and takes the first draft that is not empty: a `DraftProposer`. The usual way to
/// combine them, as in prompt lookup before a draft model; right where an earlier proposer is nearly sure whenever it
/// drafts. Where they should compete, use `BestDraft`.
///
/// Those behind the one that drafts are not asked, and take in what was said when they are asked again; a
/// `MixingProposer` takes that for a prompt, and does not learn from it.
///
/// Cost: that of those asked. Allocates nothing itself. Threads: one call at a time.
template <DraftProposer... Proposers>
class FirstDraft : public detail::ProposerGroup<Proposers...> {
 public:
  using detail::ProposerGroup<Proposers...>::ProposerGroup;

  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    Draft first;
    std::size_t asked = 0;
    this->for_each([&](auto& proposer) {
      if (first.length > 0) return;
      first = proposer.propose(context, space);
      ++asked;
    });
    this->for_each([&](auto& proposer) {
      if constexpr (requires { proposer.on_draft_chosen(first.length); })
        if (asked > 1) proposer.on_draft_chosen(first.length);
      asked -= std::min<std::size_t>(asked, 1);
    });
    return first;
  }
};

template <class... Proposers>
FirstDraft(Proposers...) -> FirstDraft<Proposers...>;

static_assert(DraftProposer<FirstDraft<NoProposer>>);

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
