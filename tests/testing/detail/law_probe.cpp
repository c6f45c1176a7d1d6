// SPDX-License-Identifier: MIT
#include <copyspec/testing/detail/law_probe.hpp>

#include <doctest/doctest.h>
#include <copyspec/testing/toy_model.hpp>

#include <limits>
#include <span>
#include <vector>

using copyspec::SequenceId;
using copyspec::Token;
using copyspec::detail::LawProbe;
using copyspec::testing::ToyModel;

TEST_CASE("rows are equal up to the tolerance, in number, length and value, and a NaN is equal to nothing") {
  ToyModel<float> model;
  float const nan = std::numeric_limits<float>::quiet_NaN();
  using Rows = LawProbe<ToyModel<float>>::Rows;
  auto const broken = [&](Rows const& expected, Rows const& actual) {
    LawProbe<ToyModel<float>> probe(model, {.tolerance = 0.5});
    probe.expect("law", "they", expected, actual);
    return !probe.report().ok();
  };
  CHECK_FALSE(broken({}, {}));
  CHECK_FALSE(broken({{1, 2}, {3, 4}}, {{1, 2.25F}, {3.5F, 4}}));
  CHECK(broken({{1, 2}}, {{1, 2}, {1, 2}}));
  CHECK(broken({{1, 2}}, {{1}}));
  CHECK(broken({{1, 2}}, {{1, 3}}));
  CHECK(broken({{1, 2}}, {{1, nan}}));
  CHECK(broken({{1, nan}}, {{1, 2}}));
}

TEST_CASE("rows do not depend on how many tokens are fed a pass, and what is fresh is left empty") {
  ToyModel<float> model({.max_tokens = 3});
  LawProbe<ToyModel<float>> probe(model, {});
  std::vector<Token> const tokens{1, 2, 3, 4, 5, 6, 7};
  auto const rows = probe.fresh(SequenceId{0}, tokens);
  CHECK(rows.size() == 7);
  CHECK(model.held(SequenceId{0}).empty());
  CHECK(probe.feed(SequenceId{0}, tokens, 2) == rows);
  CHECK(model.held(SequenceId{0}).size() == 7);
  CHECK(LawProbe<ToyModel<float>>::first(rows, 2).back() == rows[1]);
  CHECK(LawProbe<ToyModel<float>>::last(rows, 2).front() == rows[5]);
}
