// SPDX-License-Identifier: MIT
#include <copyspec/draft/best_draft.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <copyspec/decode/composer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "bench/replay_model.hpp"
#include "bench/replay_trace.hpp"
#include "bench/trace.hpp"
#include "support/allocation_counter.hpp"

using copyspec::BestDraft;
using copyspec::CopyProposer;
using copyspec::Draft;
using copyspec::DraftProposer;
using copyspec::max_draft_tokens;
using copyspec::MixingProposer;
using copyspec::NoProposer;
using copyspec::PassCost;
using copyspec::PassReport;
using copyspec::Source;
using copyspec::Token;
using copyspec::bench::Conversation;
using copyspec::bench::ReplayModel;
using copyspec::bench::Trace;

namespace {

using Tokens = std::vector<Token>;

Tokens counting(Token first, std::size_t count) {
  Tokens tokens(count);
  for (std::size_t i = 0; i < count; ++i) tokens[i] = first + static_cast<Token>(i);
  return tokens;
}

// Proposes what comes in the text that is being said, except at some places.
struct FromText {
  enum Kind : std::uint8_t {
    right,
    wrong,
    noise,
    constant,
    wrong_second,
    wrong_third,
    wrong_anywhere,
    wrong_soon,
    right_by_turns,  // for a while, then wrong for as long
    right_by_short_turns,
    right_at_random,
  };

  std::span<Token const> const* saying = nullptr;
  Kind kind = right;
  std::mt19937 random{1};
  std::size_t calls = 0;

  Draft propose(std::span<Token const> context, std::span<Token> space) {
    ++calls;
    std::span<Token const> const text = *saying;
    std::size_t const left = text.size() - std::min(text.size(), context.size());
    std::size_t const length = std::min({space.size(), std::size_t{48}, left});
    if (length == 0) return {};
    std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(context.size()), length, space.begin());
    auto const spoil = [&](std::size_t place) {
      if (place < length) space[place] = space[place] == 1 ? 2 : 1;
    };
    switch (kind) {
      case right:
        break;
      case wrong:
        spoil(0);
        break;
      case noise:
        for (std::size_t i = 0; i < length; ++i) space[i] = static_cast<Token>(1 + random() % 100);
        break;
      case constant:
        std::fill_n(space.begin(), length, context.back());
        break;
      case wrong_second:
        spoil(1);
        break;
      case wrong_third:
        spoil(2);
        break;
      case wrong_anywhere:
        spoil(random() % length);
        break;
      case wrong_soon:
        spoil(random() % 3);
        break;
      case right_by_turns:
        if (calls / 40 % 2 == 1) spoil(0);
        break;
      case right_by_short_turns:
        if (calls / 10 % 2 == 1) spoil(0);
        break;
      case right_at_random:
        if (random() % 2 == 0) spoil(0);
        break;
    }
    return {.length = length};
  }
  static void truncate(std::size_t) {}
};

// Proposes one token over and over and tells the chance of it.
struct Telling {
  Token token = 0;
  float chance = 0;
  std::size_t length = 4;
  std::array<float, max_draft_tokens> probabilities{};
  std::vector<std::size_t> told = {};

  Draft propose(std::span<Token const>, std::span<Token> space) {
    std::size_t const drafted = std::min(length, space.size());
    std::fill_n(space.begin(), drafted, token);
    probabilities.fill(chance);
    return {.length = drafted, .probabilities = std::span(probabilities).first(drafted)};
  }
  static void truncate(std::size_t) {}
  void on_draft_chosen(std::span<Token const>, std::size_t count) { told.push_back(count); }
};

template <class Proposer>
Tokens propose(Proposer& proposer, std::span<Token const> context, std::size_t room = max_draft_tokens) {
  Tokens space(room);
  space.resize(proposer.propose(context, space).length);
  return space;
}

// Says `text` token by token, from `first` tokens on.
template <class Proposer>
void follow(Proposer& proposer, std::span<Token const> text, std::size_t first) {
  for (std::size_t length = first; length < text.size(); ++length) (void)propose(proposer, text.first(length));
}

Trace const& trace() {
  static Trace const trace = copyspec::bench::read_trace(std::filesystem::path(__FILE__).parent_path() /
                                                         "../../bench/traces/smollm2-135m.demo.jsonl");
  return trace;
}

// What the recorded answers cost with copies of `proposer`, and the text of the conversation that is being replayed.
std::span<Token const> recorded;

template <class Proposer>
double cost(double marginal_cost, Proposer const& proposer) {
  std::vector<copyspec::bench::TurnTally> tallies;
  for (Conversation const& conversation : trace().conversations) {
    recorded = conversation.tokens;
    copyspec::bench::replay(conversation, ReplayModel(conversation.tokens, trace().numbering.size()), proposer,
                            tallies);
  }
  copyspec::bench::Tally sum;
  for (auto const& turn : tallies) sum += turn.tally;
  return sum.cost(marginal_cost);
}

static_assert(DraftProposer<BestDraft<MixingProposer, FromText>>);

}  // namespace

TEST_CASE("of drafts whose probabilities are told the one that gains most is taken, wherever it stands") {
  Telling const likely{.token = 1, .chance = 0.9F};
  Telling const longer{.token = 2, .chance = 0.9F, .length = 8};
  Telling const unlikely{.token = 3, .chance = 0.1F, .length = 20};
  auto const taken = [&](double marginal_cost, auto... proposers) {
    BestDraft best(PassCost::marginal(marginal_cost), proposers...);
    return propose(best, Tokens{7});
  };
  CHECK(taken(0.02, likely, longer, unlikely) == Tokens(8, 2));
  CHECK(taken(0.02, longer, unlikely, likely) == Tokens(8, 2));
  // The longer one gains 0.9^5 + ... + 0.9^8 tokens, two in all, for four rows.
  CHECK(taken(0.49, likely, longer, unlikely) == Tokens(8, 2));
  CHECK(taken(0.52, likely, longer, unlikely) == Tokens(4, 1));
  CHECK(taken(1.0, likely, longer, unlikely).empty());
  CHECK(taken(0.2, unlikely).empty());
  CHECK(taken(0.2, NoProposer(), likely) == Tokens(4, 1));
}

TEST_CASE("each proposer hears how long the draft is that was taken") {
  BestDraft best(PassCost::marginal(0.02), Telling{.token = 1, .chance = 0.9F},
                 Telling{.token = 2, .chance = 0.9F, .length = 8});
  (void)propose(best, Tokens{7});
  CHECK(best.get<0>().told == std::vector<std::size_t>{8});
  CHECK(best.get<1>().told == std::vector<std::size_t>{8});
  // And so do those of one that is itself among others.
  best.on_draft_chosen(Tokens{7}, 3);
  CHECK(best.get<0>().told == std::vector<std::size_t>{8, 3});
}

TEST_CASE("what a draft says of its tokens stays with it") {
  BestDraft best(PassCost::marginal(0.02), CopyProposer());
  Tokens const text = counting(1, 20);
  Tokens loop;
  for (int i = 0; i < 12; ++i) loop.insert(loop.end(), text.begin(), text.end());
  follow(best, loop, 1);
  Tokens space(max_draft_tokens);
  Draft const draft = best.propose(loop, space);
  REQUIRE(draft.length > 3);
  REQUIRE_FALSE(draft.sources.empty());
  CHECK(draft.sources.front() == Source::context);
}

TEST_CASE("a proposer that is right is drafted from soon, without ever having been drafted before") {
  Tokens const text = counting(100, 60);
  std::span<Token const> const saying = text;
  BestDraft best(PassCost::marginal(0.05), FromText{.saying = &saying});
  CHECK(propose(best, std::span(text).first(10)).empty());
  std::size_t length = 11;
  while (propose(best, std::span(text).first(length)).empty()) ++length;
  CHECK(length < 16);
}

TEST_CASE("a prompt says nothing of a proposer, nor what was said after tokens were taken back") {
  Tokens const text = counting(100, 200);
  std::span<Token const> const saying = text;
  auto const believes = [&](BestDraft<FromText>& best) { return !propose(best, std::span(text).first(160)).empty(); };
  BestDraft best(PassCost::marginal(0.05), FromText{.saying = &saying});
  // Thirty prompts, each as an empty draft before it would have had it.
  for (std::size_t length = 5; length < 150; length += 5) {
    best.on_turn_begin(std::span(text).first(length), length - 5);
    (void)propose(best, std::span(text).first(length));
  }
  CHECK_FALSE(believes(best));
  BestDraft other(PassCost::marginal(0.05), FromText{.saying = &saying});
  for (std::size_t length = 20; length < 60; ++length) {
    (void)propose(other, std::span(text).first(length));
    other.truncate(length - 1);
    (void)propose(other, std::span(text).first(length), 0);
    other.truncate(length - 2);
  }
  CHECK_FALSE(believes(other));
}

TEST_CASE("the last tokens of a turn teach, and what the next turn begins with does not") {
  Tokens const text = counting(100, 100);
  std::span<Token const> const saying = text;
  BestDraft best(PassCost::marginal(0.05), FromText{.saying = &saying});
  // One token a turn.
  for (std::size_t length = 20; length < 40; ++length) {
    (void)propose(best, std::span(text).first(length));
    best.on_turn_end(std::span(text).first(length + 1), length);
  }
  CHECK_FALSE(propose(best, std::span(text).first(60)).empty());
  BestDraft other(PassCost::marginal(0.05), FromText{.saying = &saying});
  for (std::size_t length = 20; length < 40; ++length) {
    (void)propose(other, std::span(text).first(length));
    other.on_turn_end(std::span(text).first(length), length);
  }
  CHECK(propose(other, std::span(text).first(60)).empty());
}

TEST_CASE("copies share what was learnt and nothing else") {
  Tokens const text = counting(100, 100);
  std::span<Token const> const saying = text;
  BestDraft const best(PassCost::marginal(0.05), FromText{.saying = &saying});
  BestDraft copy = best;
  follow(copy, text, 10);
  BestDraft other = best;
  CHECK_FALSE(propose(other, std::span(text).first(5)).empty());
  BestDraft apart(PassCost::marginal(0.05), FromText{.saying = &saying});
  CHECK(propose(apart, std::span(text).first(5)).empty());
}

TEST_CASE("what passes cost is learnt, by it and by its proposers") {
  BestDraft best(PassCost{}, MixingProposer(), NoProposer());
  for (int i = 0; i < 100; ++i)
    for (std::size_t const rows : {1U, 2U, 5U, 20U})
      best.on_pass({.rows = rows, .sequences = 1, .seconds = 0.01 * static_cast<double>(rows)});
  CHECK(best.pass_cost()(5) == doctest::Approx(5).epsilon(0.05));
  CHECK(best.get<0>().pass_cost()(5) == doctest::Approx(5).epsilon(0.05));
}

TEST_CASE("with one that knows what comes it is nearly as good as that one alone") {
  for (double const marginal_cost : {0.02, 0.13, 0.5}) {
    CAPTURE(marginal_cost);
    PassCost const pass_cost = PassCost::marginal(marginal_cost);
    MixingProposer const mixing({.pass_cost = pass_cost});
    double const alone = cost(marginal_cost, FromText{.saying = &recorded});
    double const together = cost(marginal_cost, BestDraft(pass_cost, mixing, FromText{.saying = &recorded}));
    CHECK(together < 1.1 * alone);
    CHECK(cost(marginal_cost, BestDraft(pass_cost, FromText{.saying = &recorded}, MixingProposer(mixing))) <
          1.1 * alone);
  }
}

TEST_CASE("with one that guesses badly it costs at most 1 % more than without, and what is right at times is used") {
  for (double const marginal_cost : {0.02, 0.13}) {
    CAPTURE(marginal_cost);
    PassCost const pass_cost = PassCost::marginal(marginal_cost);
    auto const mixing = [&] { return MixingProposer({.pass_cost = pass_cost}); };
    double const alone = cost(marginal_cost, mixing());
    CHECK(cost(marginal_cost, BestDraft(pass_cost, mixing())) < 1.005 * alone);
    using enum FromText::Kind;
    for (auto const kind : {wrong, noise, constant, wrong_second, wrong_third, wrong_anywhere, wrong_soon,
                            right_by_turns, right_by_short_turns, right_at_random}) {
      CAPTURE(static_cast<int>(kind));
      FromText const hostile{.saying = &recorded, .kind = kind};
      double const together = cost(marginal_cost, BestDraft(pass_cost, mixing(), hostile));
      CHECK(together < 1.01 * alone);
      if (kind == wrong_third || kind == wrong_anywhere || kind == right_by_turns) CHECK(together < 0.8 * alone);
    }
  }
}

TEST_CASE("a proposer that learns goes on learning while the drafts of another are taken") {
  // The other knows everything, so what is said comes in long drafts of its own.
  PassCost const pass_cost = PassCost::marginal(0.02);
  MixingProposer const mixing({.pass_cost = pass_cost});
  std::vector<float> const before = mixing.learnt();
  (void)cost(0.02, BestDraft(pass_cost, mixing, FromText{.saying = &recorded}));
  std::vector<float> const after = mixing.learnt();
  std::size_t changed = 0;
  for (std::size_t i = 0; i < before.size(); ++i) changed += before[i] != after[i] ? 1U : 0U;
  CHECK(changed > 2000);
}

TEST_CASE("it allocates nothing up to what was reserved") {
  Tokens text;
  for (int i = 0; i < 2000; ++i) text.push_back(static_cast<Token>(i * i % 97 % 11));
  std::span<Token const> const saying = text;
  BestDraft best(PassCost::marginal(0.02), MixingProposer({.pass_cost = PassCost::marginal(0.02)}), CopyProposer(),
                 FromText{.saying = &saying, .kind = FromText::wrong_anywhere});
  best.reserve(text.size());
  Tokens space(max_draft_tokens);
  std::size_t drafted = 0;
  std::size_t const before = allocations();
  for (std::size_t length = 1; length <= text.size(); ++length) {
    drafted += best.propose(saying.first(length), space).length;
    if (length % 300 == 0) best.truncate(length - 10);
  }
  CHECK(allocations() == before);
  CHECK(drafted > 1000);
}

TEST_CASE("a draft fits into its room, and is from one of its proposers") {
  std::mt19937 random(3);
  Tokens text;
  for (int i = 0; i < 500; ++i) text.push_back(static_cast<Token>(1 + random() % 3));
  std::span<Token const> const saying = text;
  BestDraft best(PassCost::marginal(0.01), CopyProposer(), FromText{.saying = &saying});
  for (std::size_t length = 1; length < text.size(); ++length) {
    std::size_t const room = random() % 100;
    Tokens space(room + 4, -7);
    Draft const draft = best.propose(saying.first(length), std::span(space).first(room));
    REQUIRE(draft.length <= std::min(room, max_draft_tokens));
    for (std::size_t i = 0; i < 4; ++i) REQUIRE(space[room + i] == -7);
    for (std::size_t i = 0; i < draft.length; ++i) REQUIRE(space[i] > 0);
  }
}

TEST_CASE("tokens that were drawn are named ones, as the draft was chosen by them") {
  struct Drawing {
    std::vector<float> row = std::vector<float>(9);
    std::vector<std::span<float const>> rows = {row};

    Draft propose(std::span<Token const>, std::span<Token> space) {
      static constexpr float chance = 1;
      space[0] = 3;
      return {.length = 1, .probabilities = {&chance, 1}, .drawn_from = rows};
    }
    static void truncate(std::size_t) {}
  };
  BestDraft best(PassCost::marginal(0.01), Drawing());
  Tokens const context{1, 2};
  Tokens space(4);
  Draft const draft = best.propose(context, space);
  CHECK(draft.length == 1);
  CHECK(draft.drawn_from.empty());
}
