// SPDX-License-Identifier: MIT
//
// Two sequences share each pass. Tokens are shown as they become certain, and a turn ends where plain decoding ends it.

#include <fmt/ranges.h>

#include <copyspec/copyspec.hpp>
#include <copyspec/format.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <span>
#include <vector>

namespace {

void show(copyspec::SequenceId sequence, std::span<copyspec::Token const> tokens) {
  fmt::print("sequence {}: {}\n", sequence, tokens);
}

}  // namespace

int main() {
  copyspec::testing::ToyModel model({.vocabulary = 32, .order = 2, .context_limit = 128});
  std::vector<copyspec::Token> const prompt = {7, 1, 8, 2};
  std::vector<copyspec::Token> const other_prompt = {3, 1};
  copyspec::Token const end_of_turn = 26;

  copyspec::Composer composer(model, copyspec::MixingProposer(), copyspec::GreedyVerifier());
  composer.begin(copyspec::SequenceId{0}, prompt, {.max_new_tokens = 200, .stop = {.tokens = {end_of_turn}}});
  composer.begin(copyspec::SequenceId{1}, other_prompt);
  composer.run([&](copyspec::OutputDelta const& emission) { show(emission.sequence, emission.tokens); });
}
