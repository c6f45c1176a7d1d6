#include <fmt/ranges.h>

#include <algorithm>
#include <copyspec/copyspec.hpp>
#include <copyspec/format.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <vector>

int main() {
  copyspec::testing::ToyModel model({.vocabulary = 32, .order = 2});  // put your engine here
  std::vector<copyspec::Token> const prompt = {7, 1, 8, 2};

  copyspec::Composer plain(model, copyspec::NoProposer(), copyspec::GreedyVerifier());
  auto const expected = plain.generate(prompt, {.max_new_tokens = 64});

  copyspec::MixingProposer const proposer({.pass_cost = copyspec::PassCost::marginal(0.05)});  // learnt if not given
  copyspec::Composer copying(model, proposer, copyspec::GreedyVerifier());
  auto const answer = copying.generate(prompt, {.max_new_tokens = 64});

  fmt::print("plain:   {}\n", plain.sequence(copyspec::SequenceId{0}).counters());
  fmt::print("copying: {}\n", copying.sequence(copyspec::SequenceId{0}).counters());
  fmt::print("identical: {}, begins with {}\n", std::ranges::equal(expected, answer), answer.first(6));
}
