// SPDX-License-Identifier: MIT
#include "support/mixing_decoder.hpp"

#include <copyspec/mix/mixing_proposer.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

#include "support/copying_text.hpp"
#include "support/mixing_drafts.hpp"

namespace copyspec_test {

Spent decode(MixingProposer& proposer, Tokens const& text, std::size_t begin, std::size_t end, std::size_t space) {
  Spent spent;
  for (std::size_t length = begin; length < end;) {
    Tokens const draft = propose(proposer, std::span(text).first(length), std::min(space, end - length - 1));
    std::size_t accepted = 0;
    while (accepted < draft.size() && draft[accepted] == text[length + accepted]) ++accepted;
    length += accepted + 1;
    spent.tokens += accepted + 1;
    ++spent.passes;
    spent.drafted += draft.size();
    spent.accepted += accepted;
  }
  return spent;
}

Spent decode_trees(MixingProposer& proposer, Tokens const& text, std::size_t begin, std::size_t end,
                   std::size_t max_branches) {
  Spent spent;
  for (std::size_t length = begin; length < end;) {
    auto const left = std::span(text).subspan(length, end - length - 1);
    Tree const tree = propose_tree(proposer, std::span(text).first(length), max_branches);
    std::size_t const accepted = tree.accepted(left);
    length += accepted + 1;
    spent.tokens += accepted + 1;
    ++spent.passes;
    spent.drafted += tree.size();
    spent.accepted += accepted;
  }
  return spent;
}

}  // namespace copyspec_test
