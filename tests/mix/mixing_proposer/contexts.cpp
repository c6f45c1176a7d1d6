// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/draft_length.hpp>
#include <copyspec/cost/pass_cost.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <span>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"
#include "support/mixing_decoder.hpp"
#include "support/mixing_drafts.hpp"
#include "support/texts.hpp"

using copyspec::max_draft_tokens;
using copyspec::MixingProposer;
using copyspec::PassCost;
using copyspec::Token;
using copyspec_test::any_tokens;
using copyspec_test::copying;
using copyspec_test::decode;
using copyspec_test::draft_chain;
using copyspec_test::propose;
using copyspec_test::repeated;
using copyspec_test::with_cost;

TEST_CASE("the tokens bring a fresh proposer to the same drafts, whatever was said and taken back in between") {
  // Two proposers that share nothing. One wanders from prompt to prompt, so that
  // nothing is learnt; what they learn afterwards, from the same text, must be the same to the last bit, or the drafts
  // part. What is learnt while wandering would stay: that is meant, and the next test is of it.
  Random random(7);
  constexpr std::size_t longest = 16;
  std::size_t compared = 0;
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    std::size_t const vocabulary = 2 + below(random, 20);
    double const cost = round % 3 == 0 ? 0 : round % 3 == 1 ? 0.02 : 0.2;
    MixingProposer wandering = with_cost(cost, longest);
    MixingProposer fresh = with_cost(cost, longest);
    // As much for both, since how much is remembered depends on it, and enough for all that comes.
    // With more than 8192, the newest tokens can be taken back alone.
    std::size_t const reserved = round % 2 == 0 ? 4000 : 10000;
    wandering.reserve(reserved);
    fresh.reserve(reserved);
    Tokens text;
    for (std::size_t i = below(random, 12); i > 0; --i) {
      text = text + copying(random, longest + 2 + below(random, 60), vocabulary);
      wandering.on_turn_begin(text, 0);
      propose(wandering, text);
      if (below(random, 2) == 0) {
        text.resize(below(random, text.size()));
        wandering.truncate(text.size());
      }
    }
    std::size_t length = std::max<std::size_t>(text.size(), 1);
    std::size_t last = 0;
    text = text + text + copying(random, 300, vocabulary);
    for (std::size_t const end = std::min(length + 200, text.size()); length < end; length += 1 + below(random, 4)) {
      if (last > 1 && below(random, 30) == 0) {
        // Both are cut back, and one says something else before.
        length = 1 + below(random, last - 1);
        wandering.truncate(length);
        Tokens const other = Tokens(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length)) +
                             any_tokens(random, longest + 2, vocabulary);
        wandering.on_turn_begin(other, length);
        propose(wandering, other);
        wandering.truncate(length);
        fresh.truncate(length);
      }
      last = length;
      std::size_t const space = 1 + below(random, 2 * longest);
      Tokens const draft = propose(fresh, std::span(text).first(length), space);
      REQUIRE(propose(wandering, std::span(text).first(length), space) == draft);
      compared += draft.size();
    }
  }
  CHECK(compared > 5000);
}

TEST_CASE("with everything learnt in between, a proposer cut back drafts what a fresh copy drafts") {
  // Copies that share what is learnt. After a cut the next call learns nothing, nor does the first of a fresh copy, so
  // both ask the same weights; any difference would be of tokens.
  Random random(8);
  std::size_t compared = 0;
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    std::size_t const vocabulary = 2 + below(random, 20);
    MixingProposer const original({.pass_cost = PassCost::marginal(round % 2 == 0 ? 0 : 0.03),
                                   .window = std::array{0U, 50U, 200U}[static_cast<std::size_t>(round) % 3]});
    MixingProposer wandering = original;
    std::size_t const reserved = round % 4 < 2 ? 2000 : 10000;
    wandering.reserve(reserved);
    Tokens text;
    for (int turn = 0; turn < 6; ++turn) {
      text = text + copying(random, 20 + below(random, 200), vocabulary);
      std::size_t const begin = text.size() / 2;
      wandering.truncate(begin);
      decode(wandering, text, begin, text.size());
      propose(wandering, text);
      text.resize(1 + below(random, text.size()));
      if (below(random, 3) == 0) text.resize(1);
      wandering.truncate(text.size());
      text = text + copying(random, below(random, 40), vocabulary) +
             Tokens(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(text.size(), 9)));
      MixingProposer fresh = original;
      fresh.reserve(reserved);
      Tokens const draft = propose(fresh, text);
      REQUIRE(propose(wandering, text) == draft);
      compared += draft.size();
      // What stays is learnt, which decoding on shows to be of use.
      text = text + copying(random, 20, vocabulary);
      decode(wandering, text, text.size() - 20, text.size());
      wandering.truncate(text.size() / 2);
      text.resize(text.size() / 2);
    }
  }
  CHECK(compared > 2000);
}

TEST_CASE("a window as long as the text changes nothing") {
  Random random(11);
  Tokens const text = copying(random, 2000, 40);
  MixingProposer all = with_cost(0.02, max_draft_tokens);
  MixingProposer wide({.pass_cost = PassCost::marginal(0.02),
                       .window = text.size(),
                       .turn_credit = std::numeric_limits<double>::infinity(),
                       .scope_credit = std::numeric_limits<double>::infinity()});
  for (std::size_t length = 0; length <= text.size(); length += 1 + below(random, 4)) {
    REQUIRE(propose(wide, std::span(text).first(length)) == propose(all, std::span(text).first(length)));
    if (length % 100 != 0) continue;
    wide.truncate(length / 2);
    all.truncate(length / 2);
  }
}

TEST_CASE("with a window only the newest tokens are read, and read again after a cut") {
  Random random(12);
  constexpr std::size_t window = 300;
  // Contexts and comparisons reach a little further back than what is read.
  constexpr std::size_t reach = 32;
  std::size_t compared = 0;
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    MixingProposer const original({.pass_cost = PassCost::marginal(0.02), .window = window});
    Tokens const text = copying(random, 3000, 30);
    std::size_t const length = 1000 + below(random, 1000);
    MixingProposer wandering = original;
    decode(wandering, text, 1, text.size());
    wandering.truncate(length);
    Tokens other(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length));
    std::fill_n(other.begin(), length - window - reach, Token{99});
    MixingProposer fresh = original;
    Tokens const draft = propose(fresh, other);
    REQUIRE(propose(wandering, std::span(text).first(length)) == draft);
    compared += draft.size();
  }
  CHECK(compared > 100);
}

TEST_CASE("with a window what was said before it is not copied any more, and what is in it is") {
  for (std::size_t const between : {20U, 100U, 160U, 5000U}) {
    CAPTURE(between);
    MixingProposer proposer({.pass_cost = PassCost::marginal(0), .draft_length = 4, .window = 200});
    Tokens const draft = propose(proposer, counting(100, 30) + counting(1000, between) + counting(100, 6));
    CHECK(draft == (between < 200 ? counting(106, 4) : Tokens{}));
  }
}

TEST_CASE("nothing is allocated up to what was reserved") {
  Random random(9);
  Tokens const text = copying(random, 3000, 40);
  Tokens space(max_draft_tokens);
  MixingProposer proposer;
  MixingProposer const copy = proposer;
  proposer.reserve(text.size());
  std::size_t const memory = proposer.memory_bytes();
  std::size_t const before = allocations();
  std::size_t drafted = 0;
  for (std::size_t length = 1; length <= text.size(); length += 1 + length % 3) {
    drafted += draft_chain(proposer, std::span(text).first(length), space).length;
    proposer.on_pass({.rows = 1 + length % 9, .sequences = 1, .seconds = 0.001});
    if (length % 200 == 0) proposer.truncate(length - 100);
  }
  proposer.truncate(0);
  proposer.reserve(text.size());
  drafted += draft_chain(proposer, text, space).length;
  CHECK(allocations() == before);
  CHECK(proposer.memory_bytes() == memory);
  CHECK(drafted > 1000);
  CHECK(copy.memory_bytes() == 0);
}

TEST_CASE("memory is at most 64 bytes a token of context, and 50 a token reserved") {
  CHECK(MixingProposer().memory_bytes() == 0);
  // What the newest tokens changed; and two tables end with a part of a cache line.
  constexpr std::size_t rest = 10 * 1024 + 128;
  for (std::size_t const reserved : {1U, 10U, 100U, 5000U, 87000U}) {
    CAPTURE(reserved);
    MixingProposer proposer;
    proposer.reserve(reserved);
    CHECK(proposer.memory_bytes() <= 50 * reserved + rest);
    std::size_t const memory = proposer.memory_bytes();
    propose(proposer, Tokens(reserved, 7));
    proposer.truncate(0);
    propose(proposer, counting(0, reserved));
    CHECK(proposer.memory_bytes() == memory);
  }
  MixingProposer large;
  large.reserve(1000000);
  CHECK(large.memory_bytes() <= 29 * 1000000);

  MixingProposer grown;
  Tokens const tokens = counting(0, 20000);
  std::size_t grows = 0;
  for (std::size_t length = 1; length <= tokens.size(); ++length) {
    std::size_t const before = grown.memory_bytes();
    propose(grown, std::span(tokens).first(length), 0);
    REQUIRE(grown.memory_bytes() <= 64 * length + rest);
    grows += grown.memory_bytes() != before ? 1U : 0U;
  }
  // Seldom, since the context is read again each time.
  CHECK(grows < 60);
  CHECK(MixingProposer().shared_memory_bytes() < 256 * 1024);
}

TEST_CASE("with a window memory stays as it is when ten times as much is said") {
  Random random(13);
  for (std::size_t const window : {1U, 3U, 48U, 1800U}) {
    CAPTURE(window);
    Tokens const text = copying(random, 11 * window + 100, 40);
    Tokens space(max_draft_tokens);
    MixingProposer proposer({.window = window,
                             .turn_credit = std::numeric_limits<double>::infinity(),
                             .scope_credit = std::numeric_limits<double>::infinity()});
    std::size_t drafted = 0;
    for (std::size_t length = 0; length <= window; ++length)
      drafted += draft_chain(proposer, std::span(text).first(length), space).length;
    std::size_t const memory = proposer.memory_bytes();
    CHECK(memory <= 54 * window + 3 * 1024 + 144);
    std::size_t const before = allocations();
    for (std::size_t length = window; length <= text.size(); length += 1 + length % 3) {
      drafted += draft_chain(proposer, std::span(text).first(length), space).length;
      if (length % 200 == 0) proposer.truncate(length - 100);
    }
    proposer.reserve(text.size());
    CHECK(allocations() == before);
    CHECK(proposer.memory_bytes() == memory);
    CHECK((drafted > 1000 || window < 1800));
  }
}

TEST_CASE("a context that grows beyond what was reserved keeps what it knew") {
  Tokens const text = counting(100, 30) + counting(1000, 3000) + counting(100, 8);
  MixingProposer proposer = with_cost(0, 5);
  proposer.reserve(40);
  for (std::size_t length = 1; length < text.size(); ++length) propose(proposer, std::span(text).first(length), 0);
  CHECK(propose(proposer, text) == counting(108, 5));
}

TEST_CASE("what followed a context is known after growing, too") {
  // Said once and never in a run of three, so that only statistics know it.
  Tokens const text = Tokens{1, 2, 3} + repeated(counting(10, 7), 3000);
  MixingProposer proposer = with_cost(0);
  proposer.reserve(40);
  for (std::size_t end = 3; end < text.size(); end += end / 4 + 1) propose(proposer, std::span(text).first(end), 0);
  propose(proposer, text, 0);
  CHECK(propose(proposer, text + Tokens{5000, 1, 2}, 1) == Tokens{3});
}
