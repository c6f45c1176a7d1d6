// SPDX-License-Identifier: MIT
//
// Two engines over the same weights: one feeds a token at a time, the other all tokens of a pass at once. What they say
// is the same. What their passes cost, and what copying gains, is not.

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <copyspec/copyspec.hpp>
#include <copyspec/format.hpp>
#include <copyspec/testing/model_laws.hpp>
#include <copyspec/testing/pass_curve.hpp>
#include <copyspec/testing/pass_curve_report.hpp>
#include <cstddef>
#include <cstdlib>
#include <vector>

#include "transformer.hpp"

namespace {

using Tokens = std::vector<copyspec::Token>;

template <copyspec::Model M>
bool keeps_laws(M& engine) {
  auto const report = copyspec::testing::check_model_laws(engine, {.length = 12, .tolerance = 1e-3});
  for (auto const& violation : report.violations) fmt::print("{}\n", violation);
  fmt::print("laws: {}, largest difference {:.1g}\n", report.ok() ? "kept" : "broken", report.largest_difference);
  return report.ok();
}

// Returns the seconds that the answer took.
template <copyspec::Model M, class Proposer>
double decode(M& engine, Proposer const& proposer, char const* name, Tokens const& prompt, Tokens& answer) {
  copyspec::Composer composer(engine, proposer, copyspec::GreedyVerifier());
  auto const generated = composer.generate(prompt, {.max_new_tokens = 200});
  answer.assign(generated.begin(), generated.end());
  fmt::print("{}: {}\n", name, composer.sequence(copyspec::SequenceId{0}).counters());
  return std::chrono::duration<double>(composer.times().total()).count();
}

template <copyspec::Model M>
bool show(M& engine, char const* name, Tokens const& prompt, Tokens& answer) {
  fmt::print("{}\n", name);
  bool const kept = keeps_laws(engine);
  auto const levels =
      copyspec::testing::measure_pass_curve(engine, {.rows = {1, 2, 4, 8, 16}, .context = 64, .repetitions = 3});
  fmt::print("{}", copyspec::testing::describe_pass_curve(levels));
  copyspec::MixingProposer const proposer({.pass_cost = copyspec::PassCost::remembered(levels, name)});
  Tokens copied;
  double const plainly = decode(engine, copyspec::NoProposer(), "plain", prompt, answer);
  double const copying = decode(engine, proposer, "copying", prompt, copied);
  bool const identical = answer == copied;
  fmt::print("identical: {}, copying is {:.2f} times as fast\n\n", identical, plainly / copying);
  return kept && identical;
}

}  // namespace

int main() {
  transformer::Weights const weights;
  Tokens const prompt = {7, 1, 8, 2, 7, 1, 8, 2};
  Tokens single;
  Tokens together;
  transformer::RowByRow row_by_row(weights);
  transformer::RowsTogether rows_together(weights);
  bool const first = show(row_by_row, "row by row", prompt, single);
  bool const second = show(rows_together, "rows together", prompt, together);
  fmt::print("the engines say the same: {}\n", single == together);
  return first && second && single == together ? EXIT_SUCCESS : EXIT_FAILURE;
}
