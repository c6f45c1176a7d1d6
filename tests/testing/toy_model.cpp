// SPDX-License-Identifier: MIT
#include <copyspec/testing/toy_model.hpp>

#include <doctest/doctest.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

namespace {

using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::testing::ToyModel;
using copyspec::testing::ToyModelOptions;

using Tokens = std::vector<Token>;
using Row = std::vector<double>;

constexpr SequenceId a{0};
constexpr SequenceId b{1};

static_assert(copyspec::Model<ToyModel<float>>);
static_assert(copyspec::Model<ToyModel<double>>);
static_assert(copyspec::Model<ToyModel<Eigen::half>>);
static_assert(copyspec::Model<ToyModel<Eigen::bfloat16>>);

template <class Model>
std::vector<Row> feed(Model& model, std::vector<Segment> const& batch) {
  auto const view = model.forward(batch);
  std::vector<Row> rows(view.rows());
  for (std::size_t i = 0; i < view.rows(); ++i)
    for (auto const logit : view.row(i)) rows[i].push_back(static_cast<double>(logit));
  return rows;
}

template <class Model>
Row row_after(Model& model, Tokens const& tokens) {
  model.truncate(a, 0);
  return feed(model, {{.sequence = a, .tokens = tokens, .rows = 1}}).at(0);
}

Row row_after(ToyModelOptions const& options, Tokens const& tokens) {
  ToyModel<float> model(options);
  return row_after(model, tokens);
}

}  // namespace

TEST_CASE("a model is as large as it was made") {
  ToyModel<float> const model({.vocabulary = 7, .max_tokens = 11, .context_limit = 13});
  CHECK(model.vocabulary_size() == 7);
  CHECK(model.max_tokens() == 11);
  CHECK(model.context_limit() == 13);
  CHECK(ToyModel<float>().vocabulary_size() == 32);
}

TEST_CASE("the logits are the same on every machine") {
  Row const row = row_after({.vocabulary = 4, .order = 3, .seed = 1}, {1, 2, 3});
  CHECK(row == Row{-0x1.7db5fp+0, -0x1.8704cp-1, 0x1.faafe4p+2, -0x1.1d9948p+2});
}

TEST_CASE("a row depends on the newest tokens and on no others") {
  for (std::size_t order = 1; order <= 5; ++order) {
    CAPTURE(order);
    ToyModelOptions const options{.order = order};
    Tokens const tokens{1, 2, 3, 4, 5, 6, 7, 8};
    for (std::size_t changed = 0; changed < tokens.size(); ++changed) {
      Tokens other = tokens;
      ++other[changed];
      CHECK((row_after(options, other) == row_after(options, tokens)) == (changed + order < tokens.size()));
    }
  }
}

TEST_CASE("seeds make different models") {
  std::set<Row> rows;
  for (std::uint64_t seed = 0; seed < 100; ++seed) rows.insert(row_after({.seed = seed}, {1, 2, 3}));
  CHECK(rows.size() == 100);
}

TEST_CASE("logits lie between -8 and 8, evenly") {
  ToyModel<double> model({.vocabulary = 64});
  double lowest = 8;
  double highest = -8;
  double sum = 0;
  for (Token token = 0; token < 64; ++token) {
    for (double const logit : row_after(model, {token})) {
      lowest = std::min(lowest, logit);
      highest = std::max(highest, logit);
      sum += logit;
    }
  }
  CHECK(lowest >= -8);
  CHECK(lowest < -7.9);
  CHECK(highest < 8);
  CHECK(highest > 7.9);
  CHECK(sum / 4096 == doctest::Approx(0).epsilon(0.3).scale(1));
}

TEST_CASE("every token is the greatest somewhere") {
  ToyModel<float> model({.vocabulary = 10});
  std::map<std::size_t, int> wins;
  for (Token first = 0; first < 10; ++first) {
    for (Token second = 0; second < 10; ++second) {
      Row const row = row_after(model, {first, second});
      ++wins[static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin())];
    }
  }
  CHECK(wins.size() == 10);
}

TEST_CASE("all scalars give the same logits, up to their precision") {
  ToyModelOptions const options{.vocabulary = 16};
  ToyModel<float> single(options);
  ToyModel<double> precise(options);
  ToyModel<Eigen::half> half(options);
  ToyModel<Eigen::bfloat16> brain(options);
  for (Token token = 0; token < 16; ++token) {
    Row const row = row_after(single, {token});
    CHECK(row_after(precise, {token}) == row);
    Row const half_row = row_after(half, {token});
    Row const brain_row = row_after(brain, {token});
    for (std::size_t i = 0; i < row.size(); ++i) {
      REQUIRE(half_row[i] == doctest::Approx(row[i]).epsilon(0.001).scale(8));
      REQUIRE(brain_row[i] == doctest::Approx(row[i]).epsilon(0.01).scale(8));
    }
  }
}

TEST_CASE("rows come in batch order, for the last tokens of each segment") {
  ToyModel<float> model;
  Tokens const first{1, 2, 3, 4};
  Tokens const second{9, 8, 7};
  auto const rows = feed(model, {{.sequence = b, .tokens = second, .rows = 2},
                                 {.sequence = SequenceId{7}, .tokens = first, .rows = 0},
                                 {.sequence = a, .tokens = first, .rows = 3}});
  REQUIRE(rows.size() == 5);
  CHECK(rows[0] == row_after({}, {9, 8}));
  CHECK(rows[1] == row_after({}, {9, 8, 7}));
  CHECK(rows[2] == row_after({}, {1, 2}));
  CHECK(rows[3] == row_after({}, {1, 2, 3}));
  CHECK(rows[4] == row_after({}, {1, 2, 3, 4}));
}

TEST_CASE("it remembers what it was fed") {
  ToyModel<float> model;
  CHECK(model.held(a).empty());
  Tokens const first{1, 2};
  Tokens const second{3};
  feed(model, {{.sequence = a, .tokens = first, .rows = 0}, {.sequence = b, .tokens = second, .rows = 1}});
  feed(model, {{.sequence = a, .tokens = second, .rows = 0}});
  CHECK(std::ranges::equal(model.held(a), std::array{1, 2, 3}));
  CHECK(std::ranges::equal(model.held(b), std::array{3}));
}

TEST_CASE("truncate forgets the end") {
  ToyModel<float> model;
  Tokens const tokens{1, 2, 3, 4, 5};
  CHECK(model.truncate(a, 3) == 0);
  feed(model, {{.sequence = a, .tokens = tokens, .rows = 0}, {.sequence = b, .tokens = tokens, .rows = 0}});
  CHECK(model.truncate(a, 9) == 5);
  CHECK(model.truncate(a, 5) == 5);
  CHECK(model.truncate(a, 3) == 3);
  CHECK(std::ranges::equal(model.held(a), std::array{1, 2, 3}));
  CHECK(feed(model, {{.sequence = a, .tokens = tokens, .rows = 1}}).at(0) == row_after({}, {1, 2, 3, 1, 2, 3, 4, 5}));
  CHECK(model.truncate(a, 0) == 0);
  CHECK(model.held(a).empty());
  CHECK(model.held(b).size() == 5);
}

TEST_CASE("with checkpoints truncate forgets more than it was asked to, but never loses what need not change") {
  ToyModel<float> model({.checkpoint_interval = 4});
  Tokens const tokens{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  feed(model, {{.sequence = a, .tokens = tokens, .rows = 0}});
  CHECK(model.truncate(a, 10) == 10);
  CHECK(model.truncate(a, 9) == 8);
  CHECK(model.truncate(a, 8) == 8);
  CHECK(model.truncate(a, 7) == 4);
  CHECK(model.truncate(a, 3) == 0);
  CHECK(model.held(a).empty());
}
