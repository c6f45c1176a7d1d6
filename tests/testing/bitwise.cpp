// SPDX-License-Identifier: MIT
#include <copyspec/testing/bitwise.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "copyspec/core/error.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/model/logits.hpp"
#include "copyspec/model/model.hpp"
#include "copyspec/testing/toy_model.hpp"

using copyspec::Error;
using copyspec::LogitsView;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::testing::BitwiseOptions;
using copyspec::testing::BitwiseRows;
using copyspec::testing::check_bitwise;
using copyspec::testing::ToyModel;
using copyspec::testing::ToyModelOptions;

namespace {

// A model whose rows depend on how many there are in a pass.
class RoundingModel {
 public:
  using Change = std::function<void(std::span<float>, std::size_t)>;
  explicit RoundingModel(Change change, ToyModelOptions const& options = {})
      : toy_(options), change_(std::move(change)) {}

  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }
  [[nodiscard]] std::span<Token const> held(SequenceId sequence) const { return toy_.held(sequence); }

  LogitsView<float> forward(std::span<Segment const> segments) {
    auto const view = toy_.forward(segments);
    rows_.assign(view.data(), view.data() + view.rows() * view.vocabulary());
    for (std::size_t i = 0; i < view.rows(); ++i)
      change_(std::span(rows_).subspan(i * view.vocabulary(), view.vocabulary()), segments.front().tokens.size());
    passes.push_back(segments.front().tokens.size());
    fed.insert(fed.end(), segments.front().tokens.begin(), segments.front().tokens.end());
    return {rows_.data(), view.rows(), view.vocabulary()};
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) { return toy_.truncate(sequence, length); }

  std::vector<std::size_t> passes;
  std::vector<Token> fed;

 private:
  ToyModel<float> toy_;
  Change change_;
  std::vector<float> rows_;
};

void add_an_ulp(float& logit) {
  logit = std::nextafter(logit, 100.0F);
}

BitwiseOptions const small{.rows = {2, 3, 7, 8, 9}, .contexts = {5, 20}, .length = 18};

std::string refusal(BitwiseOptions const& options, ToyModelOptions const& model_options = {}) {
  RoundingModel model([](std::span<float>, std::size_t) {}, model_options);
  try {
    (void)check_bitwise(model, options);
  } catch (Error const& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("rows that depend on the tokens alone differ in no bit, and the sequence is forgotten") {
  ToyModel<float> model;
  std::vector<Token> const text(3, 1);
  Segment const other{SequenceId{1}, text, 0};
  (void)model.forward({&other, 1});
  Segment const before{SequenceId{0}, text, 0};
  (void)model.forward({&before, 1});
  auto const results = check_bitwise(model, small);
  REQUIRE(results.size() == 10);
  for (std::size_t i = 0; i < results.size(); ++i) {
    BitwiseRows const& result = results[i];
    CHECK(result.context == small.contexts[i / 5]);
    CHECK(result.rows == small.rows[i % 5]);
    for (auto const& count : {result.one, result.two}) {
      CHECK(count.compared == 18 - 18 % result.rows);
      CHECK(count.differing == 0);
      CHECK(count.largest == 0);
      CHECK(count.flips == 0);
    }
  }
  CHECK(model.held(SequenceId{0}).empty());
  CHECK(model.held(SequenceId{1}).size() == 3);
}

TEST_CASE("an ulp in the last logit is found, against the reference that lacks it") {
  RoundingModel alone([](std::span<float> row, std::size_t n) {
    if (n == 1) add_an_ulp(row.back());
  });
  for (BitwiseRows const& result : check_bitwise(alone, small)) {
    CHECK(result.one.differing == result.one.compared);
    CHECK(result.one.largest > 0);
    CHECK(result.one.largest < 1e-5);
    CHECK(result.one.flips == 0);
    CHECK(result.two.differing == 0);
  }
  CHECK(alone.held(SequenceId{0}).empty());

  RoundingModel many([](std::span<float> row, std::size_t n) {
    if (n >= 8) add_an_ulp(row.front());
  });
  for (BitwiseRows const& result : check_bitwise(many, small))
    for (auto const& count : {result.one, result.two})
      CHECK(count.differing == (result.rows >= 8 ? count.compared : 0));
}

TEST_CASE("the largest difference and the rows with another best token are counted") {
  RoundingModel model([](std::span<float> row, std::size_t n) {
    if (n != 3) return;
    auto const best = static_cast<std::size_t>(std::ranges::max_element(row) - row.begin());
    row[best] -= 0.25F;
    // Every second token, so that not all rows flip.
    if (best % 2 == 0) row[(best + 1) % row.size()] = row[best] + 0.125F;
  });
  auto const results = check_bitwise(model, {.rows = {2, 3, 4}, .contexts = {8}, .length = 48});
  REQUIRE(results.size() == 3);
  for (auto const& count : {results[1].one, results[1].two}) {
    CHECK(count.differing == 48);
    CHECK(count.flips > 8);
    CHECK(count.flips < 48);
    CHECK(count.largest >= 0.25);
  }
  CHECK(results[0].one.differing == 0);
  CHECK(results[2].two.differing == 0);
}

TEST_CASE("zeros of another sign and what is no number are compared by their bits") {
  RoundingModel model([](std::span<float> row, std::size_t n) {
    row[0] = n == 1 ? 0.0F : -0.0F;
    row[1] = std::numeric_limits<float>::quiet_NaN();
  });
  for (BitwiseRows const& result : check_bitwise(model, small)) {
    CHECK(result.one.differing == result.one.compared);
    CHECK(result.one.largest == 0);
    CHECK(result.two.differing == 0);
  }
}

TEST_CASE("a given text is fed, with nothing but passes of the row counts after its beginning") {
  RoundingModel model([](std::span<float>, std::size_t) {}, {.max_tokens = 4});
  std::vector<std::size_t> rounds;
  std::vector<Token> text;
  for (Token i = 0; i < 12; ++i) text.push_back(i);
  (void)check_bitwise(model, {.rows = {2, 3},
                              .contexts = {6},
                              .length = 5,
                              .tokens = text,
                              .on_round = [&](std::size_t round, std::size_t all) {
                                CHECK(all == 4);
                                rounds.push_back(round);
                              }});
  CHECK(rounds == std::vector<std::size_t>{0, 1, 2, 3});
  CHECK(model.passes == std::vector<std::size_t>{4, 2, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3});
  CHECK(model.fed ==
        std::vector<Token>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 6, 7, 8, 9, 6, 7, 8});
}

TEST_CASE("random texts are those of the seed") {
  auto const fed = [](std::uint64_t seed) {
    RoundingModel model([](std::span<float>, std::size_t) {});
    (void)check_bitwise(model, {.rows = {2}, .contexts = {9}, .length = 9, .seed = seed});
    return model.fed;
  };
  CHECK(fed(3) == fed(3));
  CHECK(fed(3) != fed(4));
}

TEST_CASE("what cannot be compared is refused") {
  CHECK(refusal({.rows = {}}) == "no rows to compare: no row counts, or no contexts");
  CHECK_FALSE(refusal({.contexts = {}}).empty());
  CHECK(refusal({.rows = {1, 2}}) == "passes of 1 rows come after 1: ascend from 2");
  CHECK(refusal({.rows = {2, 4, 4}}) == "passes of 4 rows come after 4: ascend from 2");
  CHECK(refusal({.rows = {2, 9}}, {.max_tokens = 8}) == "a pass of 9 rows has more than 8 tokens");
  CHECK(refusal({.rows = {2, 9}, .length = 8}) == "8 rows do not fill a pass of 9");
  CHECK(refusal({.contexts = {10, 5}}, {.context_limit = 74}) == "75 tokens do not fit into a context of 74");
  CHECK(refusal({.contexts = {10, 5}}, {.context_limit = 75}).empty());
  CHECK(refusal({.tokens = std::vector<Token>(464)}) == "a text of 464 tokens is shorter than the 465 that are fed");
  CHECK(refusal({.tokens = std::vector<Token>(465)}).empty());
  CHECK(refusal({}, {.checkpoint_interval = 16}) ==
        "the model truncates to 32 tokens instead of 33: rows of other passes would be compared");
}
