// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/draft_length.hpp>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include "support/copying_text.hpp"
#include "support/mixing_drafts.hpp"
#include "support/some_history.hpp"

using copyspec::max_draft_tokens;
using copyspec::MixingProposer;
using copyspec::Source;
using copyspec::Token;
using copyspec_test::draft_chain;
using copyspec_test::draft_tree;
using copyspec_test::some_history;
using copyspec_test::with_cost;
using copyspec_test::with_history;

namespace {

// What `proposer` says of where its draft for `context`, or its tree, is from.
std::vector<Source> sources(MixingProposer& proposer, std::span<Token const> context, bool tree) {
  Tokens space(max_draft_tokens);
  std::vector<std::int32_t> parents(max_draft_tokens);
  auto const draft = tree ? draft_tree(proposer, context, {.tokens = space, .parents = parents, .max_branches = 8})
                          : draft_chain(proposer, context, space);
  CHECK(draft.length > 0);
  CHECK(draft.sources.size() == draft.length);
  return {draft.sources.begin(), draft.sources.end()};
}

}  // namespace

TEST_CASE("a draft says which text it is from") {
  Tokens const text = counting(100, 20);
  Tokens const start(text.begin(), text.begin() + 5);
  for (bool const tree : {false, true}) {
    CAPTURE(tree);
    auto const all = [&](MixingProposer& proposer, Tokens const& context, Source source) {
      std::vector<Source> const said = sources(proposer, context, tree);
      return std::ranges::count(said, source) == std::ssize(said);
    };
    MixingProposer own = with_cost(0);
    CHECK(all(own, text + start, Source::context));
    MixingProposer referring = with_cost(0);
    referring.set_references(std::vector<Tokens>{text});
    CHECK(all(referring, start, Source::reference));
    auto const history = some_history();
    history->append(text);
    MixingProposer remembering = with_history(history);
    CHECK(all(remembering, start, Source::history));
    // Of texts that say the same, the one whose match is longest, and then the sequence's own.
    remembering.set_references(std::vector<Tokens>{text});
    CHECK(all(remembering, start, Source::reference));
    CHECK(all(remembering, start + Tokens{7} + Tokens(text.begin(), text.begin() + 15), Source::reference));
  }
}
