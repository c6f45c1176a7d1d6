// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/decode/batch.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence_status.hpp>
#include <copyspec/detail/splitmix.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <vector>

using copyspec::DecodeBatch;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::MixingProposer;
using copyspec::OutputDelta;
using copyspec::PassCost;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::Token;
using copyspec::detail::splitmix;

namespace {

using Tokens = std::vector<Token>;

constexpr std::size_t vocabulary = 64;

// An engine whose passes cost one plus `row_cost` for each token after the first, and `second` more if there is any.
// With `step`, they cost one, and `row_cost` more after each so many tokens.
// Each token follows from the one before, but for one in `one_in`.
class Engine {
 public:
  Engine(double row_cost, double second, std::size_t step, std::uint64_t one_in)
      : row_cost_(row_cost), second_(second), step_(step), one_in_(one_in) {}

  LogitsView<float> forward(std::span<Segment const> segments) {
    rows_.clear();
    fed_ = 0;
    for (Segment const& segment : segments) {
      Tokens& context = contexts_[segment.sequence];
      fed_ += segment.tokens.size();
      for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
        context.push_back(segment.tokens[i]);
        if (i + segment.rows < segment.tokens.size()) continue;
        rows_.resize(rows_.size() + vocabulary);
        rows_[rows_.size() - vocabulary + static_cast<std::size_t>(next(context))] = 1;
      }
    }
    return {rows_.data(), rows_.size() / vocabulary, vocabulary};
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) {
    Tokens& context = contexts_[sequence];
    if (context.size() > length) context.resize(length);
    return context.size();
  }

  [[nodiscard]] double cost(std::size_t rows) const {
    return 1 + row_cost_ * static_cast<double>((rows - 1) / step_) + (rows > 1 ? second_ : 0);
  }
  // What the newest pass cost.
  [[nodiscard]] double spent() const { return cost(fed_); }

 private:
  [[nodiscard]] Token next(Tokens const& context) const {
    std::uint64_t const noise = splitmix(context.size() * 31 + static_cast<std::uint64_t>(context.back()));
    if (noise % one_in_ == 0) return static_cast<Token>(noise / 12 % vocabulary);
    return static_cast<Token>((context.back() * 5 + 3) % static_cast<Token>(vocabulary));
  }

  double row_cost_;
  double second_;
  std::size_t step_;
  std::uint64_t one_in_;
  std::map<SequenceId, Tokens> contexts_;
  std::vector<float> rows_;
  std::size_t fed_ = 0;
};

constexpr double unbounded = std::numeric_limits<double>::infinity();

struct Load {
  double row_cost = 0;
  double second = 0;          // what the second row costs besides
  std::size_t step = 1;       // rows that cost `row_cost` together
  std::uint64_t one_in = 12;  // tokens cannot be foreseen
  std::size_t sequences = 1;  // at once
  std::size_t turns = 1;      // one after another, for each of these
  std::size_t tokens = 1500;  // of a turn
  std::size_t max_draft_length = 48;
  double turn_credit = unbounded;
  double scope_credit = unbounded;
  std::uint64_t noise = 0;  // by which costs are learnt; they are known if it is zero
};

struct Spent {
  double all = 0;
  std::size_t passes = 0;
  // Most that was lost at any time, in plain passes of as many sequences.
  double lost = 0;
};

// What it costs to decode the turns of sequences that share passes.
Spent decode(Load const& load) {
  Engine engine(load.row_cost, load.second, load.step, load.one_in);
  std::vector<double> costs;
  for (std::size_t rows = 1; rows < 600; ++rows) costs.push_back(engine.cost(rows));
  DecodeBatch<MixingProposer, GreedyVerifier> batch(
      {.vocabulary_size = vocabulary, .max_tokens = 4096, .context_limit = 100000},
      MixingProposer({.pass_cost = load.noise == 0 ? PassCost::table(costs) : PassCost(),
                      .turn_credit = load.turn_credit,
                      .scope_credit = load.scope_credit}));
  std::size_t begun = 0;
  auto const begin = [&] {
    batch.begin(SequenceId{static_cast<std::int32_t>(begun)}, Tokens{1, 2, static_cast<Token>(begun % vocabulary)},
                {.max_new_tokens = load.tokens, .max_draft_length = load.max_draft_length});
    ++begun;
  };
  while (begun < load.sequences) begin();
  std::uint64_t random = load.noise;
  double balance = 0;
  Spent spent;
  for (;;) {
    while (auto const due = batch.next_truncation())
      batch.truncated(due->sequence, engine.truncate(due->sequence, due->length));
    auto const plan = batch.plan();
    if (plan.segments.empty()) return spent;
    std::size_t const sequences = plan.segments.size();
    bool const prompt = std::ranges::any_of(plan.segments, [](auto const& of) { return of.rows < of.tokens.size(); });
    batch.commit(engine.forward(plan.segments));
    ++spent.passes;
    spent.all += engine.spent();
    double seconds = engine.spent();
    if (load.noise > 0) {  // up to a tenth more, and one in fifty delayed
      seconds *= 1 + 0.1 * static_cast<double>(splitmix(++random) % 1000) / 1000;
      if (splitmix(random) % 50 == 0) seconds *= 10;
    }
    batch.report(seconds);
    std::size_t generated = 0;
    std::vector<SequenceId> ended;
    batch.emit([&](OutputDelta const& delta) {
      generated += delta.tokens.size();
      if (delta.status != SequenceStatus::running) ended.push_back(delta.sequence);
    });
    for (SequenceId const id : ended) {
      batch.remove(id);
      if (begun < load.sequences * load.turns) begin();
    }
    if (prompt) continue;
    balance +=
        static_cast<double>(generated) / static_cast<double>(sequences) - engine.spent() / engine.cost(sequences);
    spent.lost = std::max(spent.lost, -balance);
  }
}

}  // namespace

TEST_CASE("sequences that share passes draft less, and cost hardly more than without drafts") {
  for (double const row_cost : {0.02, 0.13, 0.33, 0.67}) {
    CAPTURE(row_cost);
    double before = 0;
    for (std::size_t const sequences : {1U, 4U, 16U}) {
      CAPTURE(sequences);
      double const plain = decode({.row_cost = row_cost, .sequences = sequences, .max_draft_length = 0}).all;
      double const ratio = decode({.row_cost = row_cost, .sequences = sequences}).all / plain;
      CHECK(ratio < 1.05);
      // The more sequences, the less of a pass is shared by the tokens of a draft.
      CHECK(ratio > before);
      before = ratio;
    }
  }
}

TEST_CASE("where rows are free up to some number, sequences share these, and draft no others") {
  // A sequence that knows what the others drafted last would take them all, as would each of the others.
  for (std::size_t const step : {32U, 64U})
    for (std::uint64_t const one_in : {3U, 12U, 60U}) {
      CAPTURE(step);
      CAPTURE(one_in);
      Load load{.row_cost = 0.6,
                .step = step,
                .one_in = one_in,
                .sequences = 16,
                .tokens = 1000,
                .turn_credit = 4,
                .scope_credit = 16};
      Load plain = load;
      plain.max_draft_length = 0;
      double const without = decode(plain).all;
      CHECK(decode(load).all < 0.7 * without);
      load.noise = 1;
      CHECK(decode(load).all < 0.72 * without);
    }
}

TEST_CASE("all turns that share passes lose together no more than the credit and a thousandth of their passes") {
  for (double const row_cost : {0.02, 0.13, 0.67})
    for (double const second : {0.0, 0.6})
      for (std::uint64_t const one_in : {1U, 3U, 12U})
        for (std::size_t const sequences : {2U, 16U}) {
          CAPTURE(row_cost);
          CAPTURE(second);
          CAPTURE(one_in);
          CAPTURE(sequences);
          Load load{.row_cost = row_cost,
                    .second = second,
                    .one_in = one_in,
                    .sequences = sequences,
                    .turns = 2,
                    .tokens = 500,
                    .turn_credit = 4,
                    .scope_credit = 6};
          Spent const known = decode(load);
          CHECK(known.lost <= 6 + 0.001 * static_cast<double>(known.passes));
          for (std::uint64_t const noise : {1U, 1001U}) {
            load.noise = noise;
            Spent const learnt = decode(load);
            CHECK(learnt.lost <= 6 + 0.001 * static_cast<double>(learnt.passes));
          }
        }
}

TEST_CASE("of what several sequences offer, no more is drafted than their scope can pay for together") {
  MixingProposer original({.pass_cost = PassCost::marginal(0.1), .turn_credit = unbounded, .scope_credit = 0.6});
  original.on_pass({.rows = 2, .sequences = 2, .seconds = 1});
  MixingProposer copy = original;
  Tokens context;
  for (Token token = 0; token < 400; ++token) context.push_back(token % 20);
  Tokens space(48);
  std::size_t const offered = original.offer(context, space).probabilities.size();
  REQUIRE(offered > 0);
  CHECK(copy.offer(context, space).probabilities.size() == offered);
  // Each of the two adds its part of what a pass earns, once.
  double const earned = original.scope_account().balance();
  CHECK(earned == doctest::Approx(0.001));
  CHECK(original.draft_offered(context, offered).length == offered);
  CHECK(copy.draft_offered(context, offered).length < offered);
  CHECK(original.scope_account().balance() == earned);
}

TEST_CASE("without a bound, turns that share passes lose more") {
  for (std::uint64_t const noise : {0U, 1U})
    CHECK(decode({.row_cost = 0.13, .second = 0.6, .one_in = 1, .sequences = 16, .turns = 2, .noise = noise}).lost >
          12);
}
