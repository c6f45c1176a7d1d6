// SPDX-License-Identifier: MIT
//
// Which of several answers does a model find likeliest? The question is read once. Each answer is the prompt of a turn
// of its own, and its tokens are scored.

#include <fmt/ranges.h>

#include <copyspec/copyspec.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <cstddef>
#include <vector>

using copyspec::SequenceId;

int main() {
  copyspec::testing::ToyModel model({.vocabulary = 32, .order = 2, .context_limit = 128});
  copyspec::Composer composer(model, copyspec::MixingProposer(), copyspec::GreedyVerifier());
  std::vector<copyspec::Token> const question = {7, 1, 8, 2};
  std::vector<std::vector<copyspec::Token>> const answers = {{4, 22, 9}, {28, 5}, {1, 1, 2, 3}};

  SequenceId const read{0};
  composer.begin(read, question, {.max_new_tokens = 1});
  composer.run();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    SequenceId const id{static_cast<int>(i) + 1};
    composer.fork(read, id);
    composer.truncate(id, question.size());
    composer.begin(id, answers[i], {.max_new_tokens = 1, .prompt_logprobs = 0});
  }
  composer.run();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    auto const scores = composer.prompt_logprobs(SequenceId{static_cast<int>(i) + 1});
    double sum = 0;
    for (std::size_t t = 0; t < scores.size(); ++t) sum += scores[t][0].logprob;
    fmt::print("{}: {:.2f}\n", answers[i], sum);
  }
}
