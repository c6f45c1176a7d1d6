// SPDX-License-Identifier: MIT
// What a turn can lose by drafts, whatever its text, on an engine whose passes cost what a formula says.
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/decode/batch.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "support/random.hpp"
#include "support/tokens.hpp"

using copyspec::DecodeBatch;
using copyspec::GreedyVerifier;
using copyspec::MixingOptions;
using copyspec::MixingProposer;
using copyspec::MixingScope;
using copyspec::PassCost;
using copyspec_test::any_tokens;
using copyspec_test::id;
using copyspec_test::Random;
using copyspec_test::Tokens;

namespace {

constexpr std::size_t vocabulary = 200;
double const credit = MixingOptions().turn_credit;

// What a pass costs: one for one row, `jump` more for two, `row` more for each row after the first.
struct Engine {
  double row = 0.1;
  double jump = 0;
  double noise = 0;         // of a pass, as a part of what it costs
  std::size_t outlier = 0;  // one pass in so many takes thirty times as long; zero: none

  [[nodiscard]] double cost(std::size_t rows) const {
    return 1 + row * static_cast<double>(rows - 1) + (rows > 1 ? jump : 0);
  }
  [[nodiscard]] double seconds(std::size_t rows, Random& random) const {
    double const luck = 1 + noise * static_cast<double>(random.below(1000)) / 1000;
    return 0.01 * cost(rows) * luck * (outlier > 0 && random.one_in(outlier) ? 30 : 1);
  }
};

// Follows a recording, and gives token 0 after anything else.
class Recorded {
 public:
  explicit Recorded(Tokens recording) : recording_(std::move(recording)) {}

  copyspec::LogitsView<float> forward(copyspec::Segment const& segment) {
    return forward(copyspec::TreeSegment{segment.sequence, segment.tokens, segment.rows, {}});
  }
  copyspec::LogitsView<float> forward(copyspec::TreeSegment const& segment) {
    std::size_t const nodes = segment.parents.size();
    std::size_t const chain = segment.tokens.size() - nodes;
    rows_.clear();
    for (std::size_t i = 0; i < chain; ++i) {
      held_.push_back(segment.tokens[i]);
      if (i + segment.rows >= segment.tokens.size()) row_after(held_);
    }
    for (std::size_t node = 0; node < nodes; ++node) {
      Tokens text;
      for (auto i = static_cast<std::int32_t>(node); i >= 0; i = segment.parents[static_cast<std::size_t>(i)])
        text.insert(text.begin(), segment.tokens[chain + static_cast<std::size_t>(i)]);
      text.insert(text.begin(), held_.begin(), held_.end());
      row_after(text);
    }
    nodes_.assign(segment.tokens.begin() + static_cast<std::ptrdiff_t>(chain), segment.tokens.end());
    return {rows_.data(), rows_.size() / vocabulary, vocabulary};
  }
  std::size_t truncate(std::size_t length) {
    held_.resize(std::min(held_.size(), length));
    return held_.size();
  }
  std::size_t keep(std::size_t length, std::span<std::int32_t const> path) {
    held_.resize(length);
    for (std::int32_t const node : path) held_.push_back(nodes_[static_cast<std::size_t>(node)]);
    return held_.size();
  }

 private:
  void row_after(Tokens const& text) {
    rows_.resize(rows_.size() + vocabulary);
    bool const follows = text.size() < recording_.size() && std::equal(text.begin(), text.end(), recording_.begin());
    rows_[rows_.size() - vocabulary + static_cast<std::size_t>(follows ? recording_[text.size()] : 0)] = 1;
  }

  Tokens recording_;
  Tokens held_;
  Tokens nodes_;
  std::vector<float> rows_;
};

// Turns of one conversation: prompts and answers.
struct Text {
  std::vector<std::pair<Tokens, Tokens>> turns;

  [[nodiscard]] Tokens whole() const {
    Tokens all;
    for (auto const& [prompt, answer] : turns) {
      all.insert(all.end(), prompt.begin(), prompt.end());
      all.insert(all.end(), answer.begin(), answer.end());
    }
    return all;
  }
};

Tokens fresh(Random& random, std::size_t length) {
  Tokens tokens = any_tokens(random, vocabulary - 1, length);
  for (copyspec::Token& token : tokens) ++token;  // the recording has no 0
  return tokens;
}

// Parts of `source`, each of which breaks off at a random place, after which a few tokens are others.
Tokens broken_copies(Random& random, Tokens const& source, std::size_t length, std::size_t longest) {
  Tokens copies;
  while (copies.size() < length) {
    std::size_t const begin = random.below(source.size());
    std::size_t const count = std::min(random.between(1, longest), source.size() - begin);
    copies.insert(copies.end(), source.begin() + static_cast<std::ptrdiff_t>(begin),
                  source.begin() + static_cast<std::ptrdiff_t>(begin + count));
    Tokens const others = fresh(random, random.between(0, 3));
    copies.insert(copies.end(), others.begin(), others.end());
  }
  copies.resize(length);
  return copies;
}

enum class Kind { fresh, copied, fooled, copied_then_fresh };

Text any_text(Random& random, Kind kind, std::size_t turns, std::size_t length) {
  Text text;
  Tokens const source = fresh(random, 300);
  for (std::size_t i = 0; i < turns; ++i) {
    Tokens prompt = i == 0 ? source : fresh(random, 10);
    bool const copies = kind == Kind::copied || (kind == Kind::copied_then_fresh && i < turns / 2);
    Tokens answer = kind == Kind::fresh || (kind == Kind::copied_then_fresh && i >= turns / 2) ? fresh(random, length)
                    : copies ? broken_copies(random, source, length, 250)
                             : broken_copies(random, source, length, random.between(2, 40));
    text.turns.emplace_back(std::move(prompt), std::move(answer));
  }
  return text;
}

// What was lost to plain decoding.
struct Lost {
  double worst = -std::numeric_limits<double>::infinity();  // in one turn
  double all = 0;
  std::size_t passes = 0;
};

Lost decode(Text const& text, Engine const& engine, MixingProposer proposer, std::size_t branches, Random& random,
            bool known) {
  Tokens const whole = text.whole();
  Recorded model(whole);
  DecodeBatch batch({.vocabulary_size = vocabulary,
                     .max_tokens = whole.size(),
                     .context_limit = whole.size() + 1,
                     .max_branches = branches},
                    std::move(proposer), GreedyVerifier());
  Lost lost;
  for (auto const& [prompt, answer] : text.turns) {
    batch.begin(id(0), prompt, {.max_new_tokens = answer.size()});
    double spent = 0;
    while (batch.running()) {
      while (auto const due = batch.next_truncation())
        batch.truncated(due->sequence,
                        due->path.empty() ? model.truncate(due->length) : model.keep(due->length, due->path));
      auto const plan = batch.plan();
      batch.commit(plan.tree_segments.empty() ? model.forward(plan.segments[0]) : model.forward(plan.tree_segments[0]));
      std::size_t const rows = plan.segments[0].rows;
      spent += engine.cost(rows);
      ++lost.passes;
      batch.report(engine.seconds(rows, random));
      if (!known) continue;
      REQUIRE(batch.proposer(id(0)).account().left() >= 0);
      REQUIRE(batch.proposer(id(0)).scope_account().left() >= -1e-9);
    }
    REQUIRE(std::ranges::equal(batch.sequence(id(0)).generated(), answer));
    lost.worst = std::max(lost.worst, spent - static_cast<double>(answer.size()));
    lost.all += spent - static_cast<double>(answer.size());
  }
  return lost;
}

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr Kind kinds[] = {Kind::fresh, Kind::copied, Kind::fooled, Kind::copied_then_fresh};

// What texts of so many turns lose on engines whose costs are learnt, with noise and passes that are delayed.
template <class Check>
void with_learnt_costs(std::uint64_t seeds, std::size_t turns, std::size_t length, Check const& check) {
  for (double const row : {0.06, 0.25, 0.5, 1.0, 1.5})
    for (double const jump : {0.0, 0.6})
      for (Kind const kind : kinds)
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
          CAPTURE(row);
          CAPTURE(jump);
          CAPTURE(static_cast<int>(kind));
          CAPTURE(seed);
          Random random(seed);
          Engine const engine{.row = row, .jump = jump, .noise = 0.2, .outlier = 50};
          check(decode(any_text(random, kind, turns, length), engine, MixingProposer(), 0, random, false));
        }
}

}  // namespace

TEST_CASE("at known costs, no turn loses more than its credit, whatever its text") {
  double lost = 0;
  for (double const row : {0.005, 0.06, 0.25, 0.5, 0.9})
    for (double const jump : {0.0, 0.6})
      for (Kind const kind : kinds)
        for (std::size_t const branches : {0U, 8U}) {
          CAPTURE(row);
          CAPTURE(jump);
          CAPTURE(static_cast<int>(kind));
          CAPTURE(branches);
          Random random(7);
          Engine const engine{.row = row, .jump = jump};
          std::vector<double> costs;
          for (std::size_t rows = 1; rows < 70; ++rows) costs.push_back(engine.cost(rows));
          Text const text = any_text(random, kind, 4, 500);
          MixingProposer const proposer({.pass_cost = PassCost::table(costs)});
          double const worst = decode(text, engine, proposer, branches, random, true).worst;
          CHECK(worst <= credit + 1e-9);
          lost = std::max(lost, worst);
        }
  // Some come close.
  CHECK(lost > 0.9 * credit);
}

TEST_CASE("at learnt costs, a turn loses hardly more, with noise and passes that are delayed") {
  with_learnt_costs(3, 4, 400, [](Lost const& lost) { CHECK(lost.worst < 6); });
}

TEST_CASE("a text that is made to fool, and begins with copies, loses no more than the credit in any turn") {
  for (double const row : {0.02, 0.25, 0.6}) {
    CAPTURE(row);
    Random random(11);
    Engine const engine{.row = row};
    Text text = any_text(random, Kind::copied, 2, 2000);
    // Copies that break off after one token more than they did before.
    Tokens const source = text.turns[0].first;
    Tokens answer;
    for (std::size_t length = 1; answer.size() < 4000; length = length % 60 + 1) {
      std::size_t const begin = random.below(source.size() - length);
      answer.insert(answer.end(), source.begin() + static_cast<std::ptrdiff_t>(begin),
                    source.begin() + static_cast<std::ptrdiff_t>(begin + length));
      answer.push_back(static_cast<copyspec::Token>(random.between(1, vocabulary - 1)));
    }
    text.turns.emplace_back(fresh(random, 5), answer);
    text.turns.emplace_back(fresh(random, 5), fresh(random, 1000));
    MixingProposer const proposer({.pass_cost = PassCost::marginal(row)});
    CHECK(decode(text, engine, proposer, 0, random, true).worst <= credit + 1e-9);
  }
}

TEST_CASE("without a bound, turns lose more than the credit") {
  Random random(7);
  Engine const engine{.row = 0.25};
  MixingProposer const proposer(
      {.pass_cost = PassCost::marginal(0.25), .turn_credit = infinity, .scope_credit = infinity});
  CHECK(decode(any_text(random, Kind::copied_then_fresh, 6, 700), engine, proposer, 0, random, true).worst >
        1.2 * credit);
}

TEST_CASE("all turns of a scope lose no more than its credit and a thousandth of their passes") {
  for (double const row : {0.06, 0.25, 0.5}) {
    CAPTURE(row);
    Engine const engine{.row = row, .jump = 0.6};
    std::vector<double> costs;
    for (std::size_t rows = 1; rows < 70; ++rows) costs.push_back(engine.cost(rows));
    auto const lost = [&](Kind kind, double scope_credit) {
      Random random(5);
      MixingProposer const proposer({.pass_cost = PassCost::table(costs), .scope_credit = scope_credit});
      return decode(any_text(random, kind, 40, 150), engine, proposer, 0, random, true);
    };
    for (Kind const kind : kinds) {
      CAPTURE(static_cast<int>(kind));
      for (double const scope_credit : {0.0, 3.0, MixingScope::default_credit}) {
        Lost const all = lost(kind, scope_credit);
        CHECK(all.all <= scope_credit + 0.001 * static_cast<double>(all.passes) + 1e-9);
      }
    }
  }
}

TEST_CASE("at learnt costs, all turns lose hardly more than the credit and a thousandth of their passes") {
  with_learnt_costs(2, 6, 700, [](Lost const& lost) { CHECK(lost.all < 10); });
  with_learnt_costs(3, 30, 150, [](Lost const& lost) { CHECK(lost.all < 12); });
}

TEST_CASE("a scope without credit left drafts again after some thousand passes") {
  Random random(2);
  Engine const engine{.row = 0.25};
  Text text = any_text(random, Kind::fooled, 8, 400);
  for (auto const& turn : any_text(random, Kind::copied, 20, 400).turns) text.turns.push_back(turn);
  MixingProposer const proposer({.pass_cost = PassCost::marginal(0.25), .scope_credit = 0.25});
  CHECK(decode(text, engine, proposer, 0, random, true).all < -1000);
}

TEST_CASE("a credit that is no number of passes is refused") {
  CHECK_THROWS_WITH_AS(MixingProposer({.scope_credit = -1}), doctest::Contains("credit"), copyspec::Error);
  CHECK_THROWS_WITH_AS(MixingProposer({.turn_credit = -1}), doctest::Contains("credit"), copyspec::Error);
  CHECK_THROWS_AS(MixingProposer({.turn_credit = std::nan("")}), copyspec::Error);
}

TEST_CASE("with no credit nothing is drafted") {
  Random random(3);
  Engine const engine{.row = 0.02};
  MixingProposer const proposer({.pass_cost = PassCost::marginal(0.02), .turn_credit = 0});
  CHECK(decode(any_text(random, Kind::copied, 2, 300), engine, proposer, 0, random, true).all == doctest::Approx(0));
}

namespace {

// A proposer that has read a text that repeats, within a turn, and drafts after it.
struct Drafting {
  Tokens text;
  Tokens space = Tokens(48);
  MixingProposer proposer{{.pass_cost = PassCost::marginal(0.25)}};
  std::size_t drafted = 0;

  Drafting() {
    for (int i = 0; i < 400; ++i) text.push_back(static_cast<copyspec::Token>(i % 20));
    proposer.on_turn_begin(std::span(text).first(300), 0);
    drafted = proposer.propose(std::span(text).first(300), space).length;
    REQUIRE(drafted > 3);
  }
  // The tokens up to `length` are known, and the next draft is made.
  [[nodiscard]] double balance_at(std::size_t length) {
    static_cast<void>(proposer.propose(std::span(text).first(length), space));
    return proposer.account().balance();
  }
};

}  // namespace

TEST_CASE("a draft is booked as it was fed") {
  Drafting whole;
  CHECK(whole.balance_at(301) == doctest::Approx(-0.25 * static_cast<double>(whole.drafted)));
  Drafting shortened;
  shortened.proposer.on_draft_chosen(std::span(shortened.text).first(300), 2);
  CHECK(shortened.balance_at(301) == doctest::Approx(-0.5));
  Drafting unfed;
  unfed.proposer.on_draft_chosen(std::span(unfed.text).first(300), 0);
  CHECK(unfed.balance_at(301) == 0);
  Drafting accepted;
  CHECK(accepted.balance_at(304) == doctest::Approx(3 - 0.25 * static_cast<double>(accepted.drafted)));
}

TEST_CASE("a draft is booked before passes without a draft hide how many of its tokens were accepted") {
  Drafting drafting;
  drafting.proposer.on_draft_chosen(std::span(drafting.text).first(302), 0);
  CHECK(drafting.proposer.account().balance() == doctest::Approx(1 - 0.25 * static_cast<double>(drafting.drafted)));
  drafting.proposer.on_draft_chosen(std::span(drafting.text).first(310), 0);
  CHECK(drafting.balance_at(311) == doctest::Approx(1 - 0.25 * static_cast<double>(drafting.drafted)));
}

TEST_CASE("what was taken back is not booked, and a turn begins anew") {
  Drafting taken;
  taken.proposer.truncate(290);
  CHECK(taken.balance_at(301) == 0);
  Drafting next;
  CHECK(next.balance_at(301) < 0);
  next.proposer.on_turn_begin(std::span(next.text).first(310), 301);
  CHECK(next.proposer.account().balance() == 0);
}
