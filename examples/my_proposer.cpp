// SPDX-License-Identifier: MIT
//
// A proposer of your own: two functions. This one knows a form that answers are likely to follow. Beside the default
// one it is drafted from where it is worth more, and costs hardly anything where it is not.

#include <fmt/core.h>

#include <algorithm>
#include <copyspec/copyspec.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <cstddef>
#include <cstdlib>
#include <span>
#include <utility>
#include <vector>

namespace {

class FormProposer {
 public:
  explicit FormProposer(std::vector<copyspec::Token> form) : form_(std::move(form)) {}

  // What the form says behind the two tokens said last, where it has them.
  copyspec::Draft propose(std::span<copyspec::Token const> context, std::span<copyspec::Token> space) const {
    if (context.size() < 2) return {};
    auto const found = std::search(form_.begin(), form_.end(), context.end() - 2, context.end());
    if (found == form_.end()) return {};
    auto const length = std::min<std::size_t>(space.size(), static_cast<std::size_t>(form_.end() - found) - 2);
    std::copy_n(found + 2, length, space.begin());
    return {.length = length};
  }

  void truncate(std::size_t) {}  // it remembers nothing of the context

 private:
  std::vector<copyspec::Token> form_;
};
static_assert(copyspec::DraftProposer<FormProposer>);

}  // namespace

int main() {
  copyspec::testing::ToyModel model({.vocabulary = 512, .order = 2});
  std::vector<copyspec::Token> const prompt = {7, 1, 8, 2};

  auto const passes = [&](auto const& proposer) {
    copyspec::Composer composer(model, proposer, copyspec::GreedyVerifier());
    composer.generate(prompt, {.max_new_tokens = 300});
    return composer.sequence(copyspec::SequenceId{0}).counters().decode_passes;
  };

  copyspec::Composer plain(model, copyspec::NoProposer(), copyspec::GreedyVerifier());
  auto const said = plain.generate(prompt, {.max_new_tokens = 300});
  FormProposer const form({said.begin(), said.end()});

  copyspec::PassCost const cost = copyspec::PassCost::marginal(0.05);  // learnt if it is PassCost()
  copyspec::BestDraft const best(cost, copyspec::MixingProposer({.pass_cost = cost}), form);

  std::size_t const alone = passes(copyspec::MixingProposer({.pass_cost = cost}));
  std::size_t const together = passes(best);
  fmt::print("300 tokens in {} passes, and in {} with the form\n", alone, together);
  return together < alone ? EXIT_SUCCESS : EXIT_FAILURE;
}
