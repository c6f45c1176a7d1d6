// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/draft_length.hpp>
#include <copyspec/mix/history.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"
#include "support/mixing_drafts.hpp"
#include "support/some_history.hpp"
#include "support/texts.hpp"

using copyspec::History;
using copyspec::HistoryEntryId;
using copyspec::max_draft_tokens;
using copyspec::MixingProposer;
using copyspec::Source;
using copyspec::Token;
using copyspec_test::copying;
using copyspec_test::draft_chain;
using copyspec_test::draft_tree;
using copyspec_test::propose;
using copyspec_test::propose_tree;
using copyspec_test::some_history;
using copyspec_test::with_cost;
using copyspec_test::with_history;

namespace {

// The requests held, the oldest first.
std::vector<Tokens> requests(History const& history) {
  std::vector<Tokens> requests;
  history.for_each_request([&](std::size_t begin, std::size_t end) {
    requests.emplace_back();
    for (; begin < end; ++begin) requests.back().push_back(history.token(begin));
  });
  return requests;
}

}  // namespace

TEST_CASE("an answer that ended is drafted where its history is shared, and nowhere else") {
  auto const history = some_history();
  MixingProposer const shared = with_history(history);
  MixingProposer one = shared;
  MixingProposer copy = shared;
  MixingProposer made_apart = with_history(history);
  MixingProposer other_scope = with_history(some_history());
  MixingProposer without = with_cost(0);
  Tokens const answered = Tokens{7, 8} + counting(100, 40);
  Tokens const begun = Tokens{1, 2} + counting(100, 6);
  CHECK(propose(copy, begun).empty());
  propose(one, answered);
  one.on_turn_end(answered, 2);
  for (MixingProposer* const proposer : {&copy, &made_apart, &one}) {
    proposer->truncate(0);
    Tokens const draft = propose(*proposer, begun);
    REQUIRE(draft.size() > 2);
    CHECK(draft == counting(106, draft.size()));
    CHECK(propose_tree(*proposer, begun).accepted(counting(106, 34)) > 2);
  }
  CHECK(propose(other_scope, begun).empty());
  CHECK(propose(without, begun).empty());
  CHECK(propose_tree(other_scope, begun).size() == 0);
}

TEST_CASE("no token of a history reaches the drafts of those who hold another, though they learn alike") {
  Random random(20);
  std::array<std::shared_ptr<History>, 2> const histories{some_history(), some_history()};
  std::vector<MixingProposer> proposers;
  for (std::size_t i = 0; i < 4; ++i) proposers.push_back(with_history(histories[i % 2]));
  std::size_t drafted = 0;
  for (int turn = 0; turn < 200; ++turn) {
    std::size_t const i = below(random, proposers.size());
    Token const least = i % 2 == 0 ? 0 : 1000;
    Tokens text = copying(random, 120, 8);
    for (Token& token : text) token += least;
    proposers[i].truncate(0);
    for (std::size_t length = 1; length <= text.size(); length += 1 + below(random, 4))
      for (Token const token : propose(proposers[i], std::span(text).first(length))) {
        REQUIRE((token >= least && token < least + 1000));
        ++drafted;
      }
    proposers[i].on_turn_end(text, below(random, text.size()));
  }
  CHECK(drafted > 10000);
}

TEST_CASE("without a history the end of a turn changes nothing") {
  Random random(21);
  Tokens const text = copying(random, 400, 8);
  MixingProposer one = with_cost(0.05);
  MixingProposer other = with_cost(0.05);
  for (std::size_t length = 1; length <= text.size(); length += 1 + below(random, 4)) {
    auto const context = std::span(text).first(length);
    one.on_turn_end(context, below(random, length + 1));
    REQUIRE(propose(one, context) == propose(other, context));
  }
  CHECK_FALSE(one.remembered().has_value());
}

TEST_CASE("of an answer are remembered its tokens and the eight before it, and of an empty one nothing") {
  auto const history = some_history();
  MixingProposer proposer = with_history(history);
  CHECK_FALSE(proposer.remembered().has_value());
  Tokens const text = counting(0, 30);
  std::vector<Tokens> expected;
  for (std::size_t answer = 0; answer < text.size(); ++answer) {
    proposer.on_turn_end(text, answer);
    expected.push_back(counting(static_cast<Token>(answer < 8 ? 0 : answer - 8), 30 - (answer < 8 ? 0 : answer - 8)));
    CHECK(proposer.remembered() == HistoryEntryId{answer});
  }
  proposer.on_turn_end(text, text.size());
  proposer.on_turn_end({}, 0);
  CHECK(proposer.remembered() == HistoryEntryId{text.size() - 1});
  CHECK(requests(*history) == expected);
}

TEST_CASE("the first token of an answer is recognised by what came before it") {
  auto const history = some_history();
  MixingProposer one = with_history(history);
  MixingProposer other = with_history(history);
  one.on_turn_end(counting(0, 20) + counting(100, 20), 20);
  Tokens const draft = propose(other, Tokens{500} + counting(14, 6));
  REQUIRE(draft.size() > 2);
  CHECK(draft == counting(100, draft.size()));
  CHECK(propose(other, Tokens{500} + counting(14, 6) + Tokens{600} + counting(2, 6)).empty());
}

TEST_CASE("nothing is drafted of an answer that was removed, also where it was being followed") {
  for (bool const clear : {false, true}) {
    auto const history = some_history();
    MixingProposer one = with_history(history);
    MixingProposer follower = with_history(history);
    MixingProposer newcomer = with_history(history);
    Tokens const answer = counting(100, 40);
    one.on_turn_end(answer, 0);
    HistoryEntryId const first = one.remembered().value();
    one.on_turn_end(counting(300, 40), 0);
    CHECK(one.remembered() != first);
    CHECK(propose(follower, std::span(answer).first(10)).size() > 2);
    if (clear)
      history->clear();
    else
      CHECK(history->remove(first));
    CHECK(propose(follower, std::span(answer).first(10)).empty());
    CHECK(propose(follower, std::span(answer).first(11)).empty());
    CHECK(propose(newcomer, std::span(answer).first(10)).empty());
    newcomer.truncate(0);
    CHECK(propose(newcomer, counting(300, 10)).empty() == clear);
  }
}

TEST_CASE("of a prompt only the last tokens look for a place in a history, wherever it begins") {
  auto const history = some_history();
  MixingProposer one = with_history(history);
  one.on_turn_end(counting(100, 60), 0);
  for (std::size_t const before : {0U, 1U, 50U, 64U, 500U}) {
    MixingProposer other = with_history(history);
    Tokens const draft = propose(other, counting(1000, before) + counting(100, 20));
    REQUIRE(draft.size() > 2);
    CHECK(draft == counting(120, draft.size()));
    // Two were replaced, and only who was there before goes on behind it.
    other.truncate(0);
    CHECK(propose(other, counting(1000, before) + counting(100, 20) + Tokens{9, 8}, 1) == Tokens{122});
  }
}

TEST_CASE("with a history nothing is allocated up to what was reserved") {
  Random random(22);
  auto const history = some_history();
  Tokens const earlier = copying(random, 2000, 30);
  Tokens const text = copying(random, 2000, 30);
  for (std::size_t const window : {0U, 300U}) {
    MixingProposer proposer = with_history(history, window);
    proposer.reserve(text.size());
    Tokens space(max_draft_tokens);
    std::vector<std::int32_t> parents(max_draft_tokens);
    std::size_t drafted = 0;
    std::size_t const before = allocations();
    proposer.on_turn_end(earlier, 100);
    for (std::size_t length = 1; length <= text.size(); length += 1 + below(random, 4)) {
      auto const context = std::span(text).first(length);
      drafted += draft_chain(proposer, context, space).length;
      drafted += draft_tree(proposer, context, {space, parents, 8}).length;
      if (below(random, 100) == 0) proposer.on_turn_end(context, length / 2);
    }
    CHECK(allocations() == before);
    CHECK(drafted > 1000);
  }
}

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
