// SPDX-License-Identifier: MIT
#include <copyspec/draft/first_draft.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <copyspec/decode/composer.hpp>
#include <copyspec/draft_model/model_proposer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/model/model.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <cstddef>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::CopyProposer;
using copyspec::Draft;
using copyspec::DraftProposer;
using copyspec::FirstDraft;
using copyspec::MixingProposer;
using copyspec::NoProposer;
using copyspec::PassCost;
using copyspec::Source;
using copyspec::Token;

namespace {

using Tokens = std::vector<Token>;

// Always proposes the same, and counts what it is asked and told.
struct Constant {
  Tokens tokens;
  int asked = 0;
  std::vector<std::size_t> told = {};

  Draft propose(std::span<Token const>, std::span<Token> space) {
    ++asked;
    std::size_t const length = std::min(tokens.size(), space.size());
    std::copy_n(tokens.begin(), length, space.begin());
    static constexpr Source from = Source::history;
    return {.length = length, .sources = {&from, 1}};
  }
  static void truncate(std::size_t) {}
  void on_draft_chosen(std::span<Token const>, std::size_t length) { told.push_back(length); }
};

static_assert(DraftProposer<FirstDraft<Constant, NoProposer, MixingProposer>>);

}  // namespace

TEST_CASE("the first draft that is not empty is taken, and who comes behind is not asked") {
  FirstDraft first(Constant{{}}, NoProposer(), Constant{{4, 5, 6}}, Constant{{7}});
  Tokens space(2);
  Draft const draft = first.propose(Tokens{1}, space);
  CHECK(draft.length == 2);
  CHECK(space == Tokens{4, 5});
  CHECK(draft.sources.front() == Source::history);
  CHECK(first.get<0>().asked == 1);
  CHECK(first.get<2>().asked == 1);
  CHECK(first.get<3>().asked == 0);
  // All of them are told of the draft, whether they were asked or not.
  CHECK(first.get<0>().told == std::vector<std::size_t>{2});
  CHECK(first.get<2>().told == std::vector<std::size_t>{2});
  CHECK(first.get<3>().told == std::vector<std::size_t>{2});
}

TEST_CASE("where nobody drafts there is no draft") {
  FirstDraft first(Constant{{}}, Constant{{}});
  Tokens space(4, -7);
  CHECK(first.propose(Tokens{1}, space).length == 0);
  FirstDraft full(Constant{{1, 2}}, Constant{{3}});
  CHECK(full.propose(Tokens{1}, {}).length == 0);
}

TEST_CASE("in a composer it says what the model says, in no more passes than the first of it alone needs") {
  copyspec::testing::ToyModel<float> model({.vocabulary = 16, .order = 2});
  Tokens const prompt{3, 1, 4, 1, 5};
  copyspec::Composer plain(model, NoProposer(), copyspec::GreedyVerifier());
  auto const said = plain.generate(prompt, {.max_new_tokens = 300});
  Tokens const expected(said.begin(), said.end());
  auto const passes = [&](auto const& proposer) {
    copyspec::Composer composer(model, proposer, copyspec::GreedyVerifier());
    auto const answer = composer.generate(prompt, {.max_new_tokens = 300});
    CHECK(std::ranges::equal(answer, expected));
    return composer.sequence(copyspec::SequenceId{0}).counters().decode_passes;
  };
  copyspec::CopyOptions const sure{.match_length = 6};
  MixingProposer const mixing({.pass_cost = PassCost::marginal(0.02)});
  std::size_t const together = passes(FirstDraft(CopyProposer(sure), mixing));
  CHECK(together < passes(CopyProposer(sure)));
  CHECK(together < 100);
}

TEST_CASE("it allocates nothing up to what was reserved") {
  FirstDraft first(CopyProposer({.match_length = 5}), MixingProposer({.pass_cost = PassCost::marginal(0.02)}));
  Tokens text;
  for (int i = 0; i < 2000; ++i) text.push_back(static_cast<Token>(i * i % 97 % 11));
  first.reserve(text.size());
  Tokens space(64);
  std::size_t drafted = 0;
  std::size_t const before = allocations();
  for (std::size_t length = 1; length <= text.size(); ++length) {
    drafted += first.propose(std::span(text).first(length), space).length;
    if (length % 300 == 0) first.truncate(length - 10);
  }
  CHECK(allocations() == before);
  CHECK(drafted > 1000);
}

namespace {

// A draft model that counts its passes.
struct Counted {
  copyspec::testing::ToyModel<float> toy;
  std::size_t passes = 0;

  explicit Counted(copyspec::testing::ToyModelOptions const& options) : toy(options) {}

  [[nodiscard]] std::size_t vocabulary_size() const { return toy.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy.context_limit(); }
  copyspec::LogitsView<float> forward(std::span<copyspec::Segment const> batch) {
    ++passes;
    return toy.forward(batch);
  }
  std::size_t truncate(copyspec::SequenceId id, std::size_t length) { return toy.truncate(id, length); }
};

// Passes of the draft model for eight sequences, whose answers must be those of plain decoding.
template <class MakeProposer>
std::size_t draft_passes(MakeProposer const& make_proposer) {
  copyspec::testing::ToyModelOptions const options{.vocabulary = 64, .order = 3};
  copyspec::testing::ToyModel<float> model(options);
  Counted draft_model(options);
  copyspec::Composer composer(model, make_proposer(draft_model), copyspec::GreedyVerifier());
  copyspec::Composer plain(model, NoProposer(), copyspec::GreedyVerifier());
  for (int i = 0; i < 8; ++i) {
    Tokens const prompt{i, 2 * i, 5};
    composer.begin(copyspec::SequenceId{i}, prompt, {.max_new_tokens = 60});
    plain.begin(copyspec::SequenceId{100 + i}, prompt, {.max_new_tokens = 60});
  }
  composer.run();
  plain.run();
  for (int i = 0; i < 8; ++i)
    CHECK(std::ranges::equal(composer.sequence(copyspec::SequenceId{i}).generated(),
                             plain.sequence(copyspec::SequenceId{100 + i}).generated()));
  return draft_model.passes;
}

}  // namespace

TEST_CASE("a draft model after prompt lookup drafts for all sequences in the same passes, as it does alone") {
  auto const guessing = [](Counted& draft_model) {
    return copyspec::ModelProposer(draft_model, NoProposer(), {.fixed_length = 4});
  };
  std::size_t const alone = draft_passes(guessing);
  CHECK(alone < 100);
  // Lookup that finds nothing.
  CHECK(draft_passes([&](Counted& draft_model) {
          return FirstDraft(CopyProposer({.match_length = 50}), guessing(draft_model));
        }) == alone);
  // Lookup that finds some: no more passes.
  CHECK(draft_passes([&](Counted& draft_model) {
          return FirstDraft(CopyProposer(copyspec::published_rule), guessing(draft_model));
        }) <= alone);
}
