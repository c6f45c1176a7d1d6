// Draws tokens at a temperature, with and without copying: the same ones. Prints log-probabilities, and keeps an answer
// to what a caller allows.
#include <fmt/ranges.h>

#include <algorithm>
#include <copyspec/copyspec.hpp>
#include <copyspec/format.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <cstddef>
#include <span>
#include <vector>

int main() {
  copyspec::testing::ToyModel model({.vocabulary = 32, .order = 2});  // put your engine here
  std::vector<copyspec::Token> const prompt = {7, 1, 8, 2};
  auto const cheap_rows = copyspec::PassCost::marginal(0.05);  // learnt if not given

  copyspec::SamplingOptions sampling{.temperature = 0.5F, .top_k = 20, .top_p = 0.95F, .seed = 42, .logprobs = 2};
  copyspec::Composer plain(model, copyspec::NoProposer(), copyspec::SamplingVerifier(sampling));
  copyspec::Composer copying(model, copyspec::MixingProposer({.pass_cost = cheap_rows}),
                             copyspec::SamplingVerifier(sampling));
  auto const expected = plain.generate(prompt, {.max_new_tokens = 400});
  std::size_t shown = 0;
  auto const answer = copying.generate(prompt, {.max_new_tokens = 400}, [&](copyspec::OutputDelta const& emission) {
    for (std::size_t i = 0; i < emission.tokens.size() && shown < 3; ++i, ++shown) {
      auto const logprobs = emission.logprobs[i];  // of the token itself, then of the two likeliest
      fmt::print("token {} with log-probability {:.3f}; likeliest: {} and {}\n", logprobs[0].token, logprobs[0].logprob,
                 logprobs[1].token, logprobs[2].token);
    }
  });
  fmt::print("plain:   {}\n", plain.sequence(copyspec::SequenceId{0}).counters());
  fmt::print("copying: {}\n", copying.sequence(copyspec::SequenceId{0}).counters());
  fmt::print("identical: {}\n", std::ranges::equal(expected, answer));

  // For one turn only: even tokens after odd ones.
  sampling.hooks = [](std::size_t /*answer*/) {
    copyspec::RowHooks hooks;
    hooks.allows = [](std::span<copyspec::Token const> before, copyspec::Token token) {
      return before.back() % 2 == 0 || token % 2 == 0;
    };
    return hooks;
  };
  auto const kept = copying.generate({}, {.max_new_tokens = 12, .sampling = sampling});
  fmt::print("kept to the rule: {}\n", kept);
}
