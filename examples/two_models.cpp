// SPDX-License-Identifier: MIT
//
// A smaller model guesses where there is nothing as good to copy.

#include <fmt/ranges.h>

#include <algorithm>
#include <copyspec/copyspec.hpp>
#include <copyspec/format.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <vector>

int main() {
  copyspec::testing::ToyModel model({.vocabulary = 512, .order = 3});
  copyspec::testing::ToyModel draft_model({.vocabulary = 512, .order = 3});  // put a smaller one here
  std::vector<copyspec::Token> const prompt = {7, 1, 8, 2};

  copyspec::Composer plain(model, copyspec::NoProposer(), copyspec::GreedyVerifier());
  auto const expected = plain.generate(prompt, {.max_new_tokens = 200});

  copyspec::PassCost const cost = copyspec::PassCost::marginal(0.05);  // both costs are learnt if not given
  copyspec::ModelProposer const proposer(draft_model, copyspec::MixingProposer({.pass_cost = cost}),
                                         {.pass_cost = cost, .draft_cost = 0.1});
  copyspec::Composer composer(model, proposer, copyspec::GreedyVerifier());
  auto const answer = composer.generate(prompt, {.max_new_tokens = 200});

  copyspec::SequenceCounters const& counters = composer.sequence(copyspec::SequenceId{0}).counters();
  fmt::print("{}\n", counters);
  for (copyspec::Source const source : {copyspec::Source::context, copyspec::Source::draft_model})
    fmt::print("from {}: {} accepted of {}\n", source, counters.by_source[source].accepted,
               counters.by_source[source].drafted);
  fmt::print("identical: {}\n", std::ranges::equal(expected, answer));
}
