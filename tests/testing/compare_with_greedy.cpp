// SPDX-License-Identifier: MIT
#include <copyspec/testing/compare_with_greedy.hpp>

#include <doctest/doctest.h>
#include <copyspec/decode/composer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <list>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using copyspec::LogitsView;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::testing::compare_with_greedy;
using copyspec::testing::GreedyComparison;
using copyspec::testing::GreedyComparisonOptions;
using copyspec::testing::ToyModel;
using copyspec::testing::ToyModelOptions;

using Tokens = std::vector<Token>;

ToyModelOptions const toy{.vocabulary = 20, .order = 3, .context_limit = 200};
Tokens const prompt{3, 1, 4, 1, 5, 9, 2, 6, 5, 3};

// The logits after `tokens`.
std::vector<float> row_after(Tokens const& tokens) {
  ToyModel<float> model(toy);
  Segment const segment{.tokens = tokens, .rows = 1};
  auto const row = model.forward({&segment, 1}).row(0);
  return {row.begin(), row.end()};
}

Tokens plus(Tokens tokens, Tokens const& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
  return tokens;
}

Tokens answer(std::size_t length) {
  Tokens said;
  while (said.size() < length) {
    std::vector<float> const row = row_after(plus(prompt, said));
    said.push_back(static_cast<Token>(std::max_element(row.begin(), row.end()) - row.begin()));
  }
  return said;
}

GreedyComparison compare(Tokens const& said, GreedyComparisonOptions const& options = {.max_new_tokens = 12}) {
  ToyModel<float> model(toy);
  return compare_with_greedy(
      model, prompt, [&](auto) { return said; }, options);
}

}  // namespace

TEST_CASE("a right decoder is identical") {
  GreedyComparison const comparison = compare(answer(12));
  CHECK(comparison.identical());
  CHECK(comparison.agreed == 12);
  CHECK_FALSE(comparison.divergence);
}

TEST_CASE("the decoder is given the prompt, and may return any range of tokens") {
  ToyModel<float> model(toy);
  auto const decode = [](std::span<Token const> given) {
    CHECK(std::ranges::equal(given, prompt));
    Tokens const said = answer(5);
    return std::list<Token>(said.begin(), said.end());
  };
  CHECK(compare_with_greedy(model, prompt, decode, {.max_new_tokens = 5}).identical());
}

TEST_CASE("a composer on the same engine is identical") {
  for (std::size_t const max_tokens : {1U, 3U, 512U}) {
    ToyModelOptions options = toy;
    options.max_tokens = max_tokens;
    ToyModel<float> model(options);
    auto const decode = [&](std::span<Token const> given) {
      copyspec::Composer composer(model, copyspec::CopyProposer({.match_length = 1}), copyspec::GreedyVerifier());
      auto const said = composer.generate(given, {.max_new_tokens = 100});
      return Tokens(said.begin(), said.end());
    };
    GreedyComparison const comparison = compare_with_greedy(model, prompt, decode, {.max_new_tokens = 100});
    CHECK(comparison.identical());
    CHECK(comparison.agreed == 100);
  }
}

TEST_CASE("a wrong token is found at its place, with both logits") {
  Tokens const right = answer(12);
  for (std::size_t place = 0; place < right.size(); ++place) {
    for (Token shift = 1; shift < 20; ++shift) {
      Tokens wrong = right;
      wrong[place] = (wrong[place] + shift) % 20;
      GreedyComparison const comparison = compare(wrong);
      REQUIRE_FALSE(comparison.identical());
      auto const& divergence = *comparison.divergence;
      std::vector<float> const row =
          row_after(plus(prompt, Tokens(right.begin(), right.begin() + static_cast<std::ptrdiff_t>(place))));
      CHECK(comparison.agreed == place);
      CHECK(divergence.position == place);
      CHECK(divergence.expected == right[place]);
      CHECK(divergence.actual == wrong[place]);
      CHECK(divergence.expected_logit == static_cast<double>(row[static_cast<std::size_t>(right[place])]));
      CHECK(divergence.actual_logit == static_cast<double>(row[static_cast<std::size_t>(wrong[place])]));
      CHECK(divergence.margin() == divergence.expected_logit - divergence.actual_logit);
      CHECK(divergence.margin() > 0);
    }
  }
}

TEST_CASE("a decoder that ends too soon is found out") {
  for (std::size_t length = 0; length < 12; ++length) {
    GreedyComparison const comparison = compare(answer(length));
    REQUIRE_FALSE(comparison.identical());
    CHECK(comparison.agreed == length);
    CHECK(comparison.divergence->position == length);
    CHECK(comparison.divergence->expected == answer(12)[length]);
    CHECK_FALSE(comparison.divergence->actual);
    CHECK(std::isfinite(comparison.divergence->expected_logit));
    CHECK(std::isnan(comparison.divergence->actual_logit));
    CHECK(std::isnan(comparison.divergence->margin()));
  }
}

TEST_CASE("a decoder that goes on too long is found out") {
  GreedyComparison const comparison = compare(answer(14));
  REQUIRE_FALSE(comparison.identical());
  CHECK(comparison.agreed == 12);
  CHECK(comparison.divergence->position == 12);
  CHECK_FALSE(comparison.divergence->expected);
  CHECK(comparison.divergence->actual == answer(14)[12]);
}

TEST_CASE("nothing to generate is nothing") {
  CHECK(compare({}, {.max_new_tokens = 0}).identical());
  CHECK_FALSE(compare({1}, {.max_new_tokens = 0}).identical());
}

TEST_CASE("the first stop token ends both sides, and belongs to them") {
  Tokens const right = answer(12);
  for (std::size_t place = 0; place < right.size(); ++place) {
    auto const met = static_cast<std::size_t>(std::ranges::find(right, right[place]) - right.begin());
    Tokens const stops{right[place], 19, 19};
    std::size_t const end = static_cast<std::size_t>(std::ranges::find_first_of(right, stops) - right.begin()) + 1;
    CHECK(end <= met + 1);
    GreedyComparisonOptions const options{.max_new_tokens = 12, .stop_tokens = stops};
    CHECK(compare(answer(end), options).identical());

    GreedyComparison const without = compare(answer(end - 1), options);
    REQUIRE_FALSE(without.identical());
    CHECK(without.divergence->position == end - 1);

    if (end == 12) continue;
    GreedyComparison const ignored = compare(answer(12), options);
    REQUIRE_FALSE(ignored.identical());
    CHECK(ignored.divergence->position == end);
    CHECK_FALSE(ignored.divergence->expected);
  }
}

TEST_CASE("a token that is not in the vocabulary is a difference without a logit") {
  for (Token const token : {20, -1, std::numeric_limits<Token>::max(), std::numeric_limits<Token>::min()}) {
    Tokens wrong = answer(12);
    wrong[4] = token;
    GreedyComparison const comparison = compare(wrong);
    REQUIRE_FALSE(comparison.identical());
    CHECK(comparison.divergence->position == 4);
    CHECK(comparison.divergence->actual == token);
    CHECK(std::isnan(comparison.divergence->actual_logit));
  }
}

TEST_CASE("a difference is described in one line") {
  Tokens wrong = answer(12);
  wrong[4] = (wrong[4] + 1) % 20;
  std::string const line = compare(wrong).divergence->describe();
  CAPTURE(line);
  CHECK(line.find("position 4") != std::string::npos);
  CHECK(line.find("expected token " + std::to_string(answer(12)[4])) != std::string::npos);
  CHECK(line.find("got token " + std::to_string(wrong[4])) != std::string::npos);
  CHECK(line.find("margin") != std::string::npos);
  CHECK(line.find('\n') == std::string::npos);
  CHECK(compare({}).divergence->describe().find("got the end") != std::string::npos);
  CHECK(compare(answer(13)).divergence->describe().find("expected the end") != std::string::npos);
}

TEST_CASE("of equal logits the lowest id is expected") {
  struct FlatModel : ToyModel<float> {
    std::vector<float> row = std::vector<float>(32, 1.5F);
    LogitsView<float> forward(std::span<Segment const>) { return {row.data(), 1, 32}; }
  } model;
  CHECK(compare_with_greedy(model, prompt, [](auto) { return Tokens(3, 0); }, {.max_new_tokens = 3}).identical());
  auto const comparison = compare_with_greedy(model, prompt, [](auto) { return Tokens{0, 5}; }, {.max_new_tokens = 3});
  REQUIRE_FALSE(comparison.identical());
  CHECK(comparison.divergence->position == 1);
  CHECK(comparison.divergence->margin() == 0);
}

TEST_CASE("a context that is full ends both sides") {
  ToyModelOptions options = toy;
  options.context_limit = prompt.size() + 7;
  ToyModel<float> model(options);
  auto const decode = [&](std::span<Token const> given) {
    copyspec::Composer composer(model, copyspec::CopyProposer(), copyspec::GreedyVerifier());
    auto const said = composer.generate(given);
    return Tokens(said.begin(), said.end());
  };
  GreedyComparison const comparison = compare_with_greedy(model, prompt, decode, {.max_new_tokens = 100});
  CHECK(comparison.identical());
  CHECK(comparison.agreed == 7);
}

TEST_CASE("the reference leaves nothing behind in the model") {
  ToyModel<float> model(toy);
  Segment const segment{.sequence = SequenceId{3}, .tokens = prompt, .rows = 0};
  model.forward({&segment, 1});
  CHECK(compare_with_greedy(model, prompt, [](auto) { return answer(5); },
                            {.max_new_tokens = 5, .sequence = SequenceId{3}})
            .identical());
  CHECK(model.held(SequenceId{3}).empty());
  CHECK(model.held(SequenceId{0}).empty());
}

TEST_CASE("what the decoder throws comes through") {
  ToyModel<float> model(toy);
  auto const decode = [](std::span<Token const>) -> Tokens { throw std::domain_error("out of order"); };
  CHECK_THROWS_AS((void)compare_with_greedy(model, prompt, decode), std::domain_error);
}
