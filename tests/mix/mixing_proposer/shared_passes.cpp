// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/decode/batch.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/detail/splitmix.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <vector>

using copyspec::DecodeBatch;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::MixingProposer;
using copyspec::PassCost;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;

namespace {

using Tokens = std::vector<Token>;

constexpr std::size_t vocabulary = 64;

// An engine whose passes cost one plus `row_cost` for each token after the first. Each token follows from the one
// before, but for one in twelve.
class Engine {
 public:
  explicit Engine(double row_cost) : row_cost_(row_cost) {}

  LogitsView<float> forward(std::vector<Segment> const& segments) {
    rows_.clear();
    std::size_t fed = 0;
    for (Segment const& segment : segments) {
      Tokens& context = contexts_[segment.sequence];
      fed += segment.tokens.size();
      for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
        context.push_back(segment.tokens[i]);
        if (i + segment.rows < segment.tokens.size()) continue;
        rows_.resize(rows_.size() + vocabulary);
        rows_[rows_.size() - vocabulary + static_cast<std::size_t>(next(context))] = 1;
      }
    }
    spent_ += 1 + row_cost_ * static_cast<double>(fed - 1);
    return {rows_.data(), rows_.size() / vocabulary, vocabulary};
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) {
    Tokens& context = contexts_[sequence];
    if (context.size() > length) context.resize(length);
    return context.size();
  }

  [[nodiscard]] double spent() const { return spent_; }

 private:
  static Token next(Tokens const& context) {
    std::uint64_t const noise =
        copyspec::detail::splitmix(context.size() * 31 + static_cast<std::uint64_t>(context.back()));
    if (noise % 12 == 0) return static_cast<Token>(noise / 12 % vocabulary);
    return static_cast<Token>((context.back() * 5 + 3) % static_cast<Token>(vocabulary));
  }

  double row_cost_;
  std::map<SequenceId, Tokens> contexts_;
  std::vector<float> rows_;
  double spent_ = 0;
};

constexpr double unbounded = std::numeric_limits<double>::infinity();

// What it costs to decode sequences that share all passes, with drafts of at most so many tokens. There is no account,
// as a single sequence would have one, and several do not.
double cost_of(double row_cost, std::size_t sequences, std::size_t max_draft_length) {
  Engine engine(row_cost);
  DecodeBatch<MixingProposer, GreedyVerifier> batch(
      {.vocabulary_size = vocabulary, .max_tokens = 4096, .context_limit = 100000},
      MixingProposer({.pass_cost = PassCost::marginal(row_cost), .turn_credit = unbounded, .scope_credit = unbounded}));
  for (std::size_t i = 0; i < sequences; ++i)
    batch.begin(SequenceId{static_cast<std::int32_t>(i)}, Tokens{1, 2, static_cast<Token>(i)},
                {.max_new_tokens = 1500, .max_draft_length = max_draft_length});
  for (;;) {
    while (auto const due = batch.next_truncation())
      batch.truncated(due->sequence, engine.truncate(due->sequence, due->length));
    auto const plan = batch.plan();
    if (plan.segments.empty()) return engine.spent();
    batch.commit(engine.forward({plan.segments.begin(), plan.segments.end()}));
    batch.report(1);
  }
}

}  // namespace

TEST_CASE("sequences that share passes draft less, and cost hardly more than without drafts") {
  for (double const row_cost : {0.02, 0.13, 0.33, 0.67}) {
    CAPTURE(row_cost);
    double before = 0;
    for (std::size_t const sequences : {1U, 4U, 16U}) {
      CAPTURE(sequences);
      double const ratio = cost_of(row_cost, sequences, 48) / cost_of(row_cost, sequences, 0);
      CHECK(ratio < 1.05);
      // The more sequences, the less of a pass is shared by the tokens of a draft.
      CHECK(ratio > before);
      before = ratio;
    }
  }
}
