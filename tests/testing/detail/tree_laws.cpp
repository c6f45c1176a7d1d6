// SPDX-License-Identifier: MIT
#include <copyspec/testing/detail/tree_laws.hpp>

#include <doctest/doctest.h>
#include <copyspec/testing/model_laws.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/replay_model.hpp"
#include "support/law_text.hpp"

namespace {

using copyspec::LogitsView;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::TreeSegment;
using copyspec::detail::TreeLaws;
using copyspec::testing::check_model_laws;
using copyspec::testing::LawReport;
using copyspec::testing::ToyModel;
using copyspec_test::breaks;
using copyspec_test::text;
using Toy = ToyModel<float>;

enum class Flaw {
  none,
  takes_trees_for_chains,
  sees_the_elder_sibling,
  keeps_the_first_nodes,
  keeps_nothing_and_says_otherwise,
  keeps_everything,
  forgets_the_other_tree,
  cuts_trees_off_too_late,
  swaps_the_first_rows,
};

// Keeps the nodes of trees itself, each time with the whole chain to it, but for its flaw.
class FlawedTrees {
 public:
  explicit FlawedTrees(Flaw flaw) : flaw_(flaw) {}

  [[nodiscard]] static std::size_t vocabulary_size() { return 20; }
  [[nodiscard]] static std::size_t max_tokens() { return 100; }
  [[nodiscard]] static std::size_t context_limit() { return 100; }
  [[nodiscard]] static std::size_t max_branches() { return 6; }

  LogitsView<float> forward(std::span<Segment const> batch) {
    std::vector<TreeSegment> trees;
    for (Segment const& segment : batch) trees.push_back({segment.sequence, segment.tokens, segment.rows, {}});
    return forward(std::span<TreeSegment const>(trees));
  }

  LogitsView<float> forward(std::span<TreeSegment const> batch) {
    rows_.clear();
    for (TreeSegment const& segment : batch) {
      std::size_t const chain = segment.tokens.size() - segment.parents.size();
      State& state = states_[segment.sequence];
      for (std::size_t i = 0; i < chain; ++i) {
        state.tokens.push_back(segment.tokens[i]);
        if (i + segment.rows >= segment.tokens.size()) append_row(state.tokens);
      }
      std::size_t const row = rows_.size();
      state.chains.clear();
      for (std::size_t node = 0; node < segment.parents.size(); ++node) {
        std::int32_t parent = segment.parents[node];
        if (flaw_ == Flaw::takes_trees_for_chains) parent = static_cast<std::int32_t>(node) - 1;
        auto tokens = parent < 0 ? state.tokens : state.chains[static_cast<std::size_t>(parent)];
        if (flaw_ == Flaw::sees_the_elder_sibling && copyspec::begins_branch(segment.parents, node))
          tokens.push_back(segment.tokens[chain + node - 1]);
        tokens.push_back(segment.tokens[chain + node]);
        append_row(tokens);
        state.chains.push_back(tokens);
      }
      if (flaw_ == Flaw::swaps_the_first_rows && state.chains.size() > 1)
        std::swap_ranges(rows_.end() - 20, rows_.end(), rows_.begin() + static_cast<std::ptrdiff_t>(row));
    }
    return {rows_.data(), rows_.size() / 20, 20};
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) {
    State& state = states_[sequence];
    if (flaw_ == Flaw::cuts_trees_off_too_late && !state.chains.empty() && length > 0) {
      state.tokens = state.chains.front();
      state.chains.clear();
      return length;
    }
    state.chains.clear();
    if (state.tokens.size() > length) state.tokens.resize(length);
    return state.tokens.size();
  }

  std::size_t keep(SequenceId sequence, std::size_t length, std::span<std::int32_t const> path) {
    State& state = states_[sequence];
    if (flaw_ == Flaw::keeps_nothing_and_says_otherwise) path = {};
    std::size_t const claimed = length + path.size() + (flaw_ == Flaw::keeps_everything ? 1 : 0);
    if (!path.empty()) {
      std::size_t const node =
          flaw_ == Flaw::keeps_the_first_nodes ? path.size() - 1 : static_cast<std::size_t>(path.back());
      state.tokens = state.chains[node];
    }
    state.chains.clear();
    if (flaw_ == Flaw::forgets_the_other_tree)
      for (auto& [other, other_state] : states_)
        if (other != sequence) other_state.chains.assign(other_state.chains.size(), other_state.tokens);
    return flaw_ == Flaw::keeps_nothing_and_says_otherwise ? length + 1 : claimed;
  }

 private:
  struct State {
    std::vector<Token> tokens;
    std::vector<std::vector<Token>> chains;
  };

  void append_row(std::vector<Token> const& tokens) {
    Segment const segment{.sequence = SequenceId{0}, .tokens = tokens, .rows = 1};
    Toy toy({.vocabulary = 20});
    auto const row = toy.forward({&segment, 1}).row(0);
    rows_.insert(rows_.end(), row.begin(), row.end());
  }

  Flaw flaw_;
  std::map<SequenceId, State> states_;
  std::vector<float> rows_;
};

}  // namespace

TEST_CASE_TEMPLATE("a toy model keeps the laws of trees", Scalar, float, double) {
  for (std::size_t const max_tokens : {1U, 2U, 3U, 4U, 9U, 30U, 512U}) {
    for (std::size_t const branches : {0U, 1U, 2U, 3U, 50U}) {
      for (std::size_t const interval : {1U, 3U, 5U, 100U}) {
        ToyModel<Scalar> model({.order = 1 + interval % 5,
                                .max_tokens = max_tokens,
                                .context_limit = 24,
                                .checkpoint_interval = interval,
                                .max_branches = branches});
        LawReport const report = check_model_laws(model, {.seed = interval});
        CAPTURE(max_tokens);
        CAPTURE(branches);
        CAPTURE(interval);
        CHECK(text(report) == "");
        CHECK(report.largest_difference == 0);
      }
    }
  }
}

TEST_CASE("a model is examined whatever the length, the vocabulary and the ids") {
  for (std::size_t length = 4; length <= 40; ++length) {
    Toy model({.vocabulary = 1 + length % 3, .context_limit = length, .max_branches = 4});
    CHECK(text(check_model_laws(model, {.length = length, .first = SequenceId{5}, .second = SequenceId{3}})) == "");
    CHECK(text(check_model_laws(model, {.length = length, .second = std::nullopt})) == "");
    CHECK(model.held(SequenceId{5}).empty());
    CHECK(model.held(SequenceId{3}).empty());
  }
}

TEST_CASE("a replay of a recording keeps the laws of trees, as far as it goes") {
  // Long enough for the tokens that are drawn, few enough that some agree with it.
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    std::vector<Token> const recording(40, 1);
    copyspec::bench::ReplayModel model(recording, 2, 3);
    CHECK(text(check_model_laws(model, {.length = 16, .seed = seed})) == "");
  }
}

TEST_CASE("a broken law of trees is named") {
  auto const examined = [](Flaw flaw) {
    FlawedTrees model(flaw);
    return TreeLaws<FlawedTrees>(model).check();
  };
  CHECK(text(examined(Flaw::none)) == "");
  CHECK(breaks(examined(Flaw::takes_trees_for_chains), "tree"));
  CHECK(breaks(examined(Flaw::sees_the_elder_sibling), "tree"));
  CHECK(breaks(examined(Flaw::swaps_the_first_rows), "tree"));
  for (Flaw const flaw : {Flaw::keeps_the_first_nodes, Flaw::keeps_nothing_and_says_otherwise, Flaw::keeps_everything,
                          Flaw::forgets_the_other_tree, Flaw::cuts_trees_off_too_late}) {
    LawReport const report = examined(flaw);
    CAPTURE(static_cast<int>(flaw));
    CHECK(breaks(report, "path"));
    CHECK_FALSE(breaks(report, "tree"));
  }
}

TEST_CASE("both kinds of laws are examined by one call") {
  FlawedTrees model(Flaw::takes_trees_for_chains);
  CHECK(breaks(check_model_laws(model), "tree"));
}
