// SPDX-License-Identifier: MIT
#include <copyspec/copyspec.hpp>

#include <copyspec/testing/compare_with_greedy.hpp>
#include <copyspec/testing/model_laws.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <cstddef>
#include <span>
#include <vector>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this file is to be compiled without exceptions and without run-time type information"
#endif

namespace {

// Everything that throws, or recovers, is instantiated here.
bool says_what_plain_decoding_says() {
  copyspec::testing::ToyModel<float> model({.vocabulary = 12, .order = 2, .max_tokens = 5});
  std::vector<copyspec::Token> const prompt{1, 2, 3, 4, 5, 6, 7, 8};
  auto const decode = [&](std::span<copyspec::Token const> given) {
    copyspec::Composer composer(model, copyspec::CopyProposer(), copyspec::GreedyVerifier());
    std::size_t shown = 0;
    auto const answer = composer.generate(
        given, {.max_new_tokens = 50}, [&](copyspec::OutputDelta const& emission) { shown += emission.tokens.size(); });
    std::vector<copyspec::Token> said(answer.begin(), answer.end());
    composer.truncate(copyspec::SequenceId{0}, 4);
    composer.begin(copyspec::SequenceId{0}, prompt, {.max_new_tokens = 2});
    composer.run();
    composer.remove(copyspec::SequenceId{0});
    if (shown != said.size()) said.clear();
    return said;
  };
  return copyspec::testing::compare_with_greedy(model, prompt, decode, {.max_new_tokens = 50}).identical() &&
         copyspec::testing::check_model_laws(model).ok();
}

}  // namespace

int main() {
  return says_what_plain_decoding_says() ? 0 : 1;
}
