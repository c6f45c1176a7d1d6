// SPDX-License-Identifier: MIT
//
// Is a decoder lossless? compare_with_greedy runs it, then decodes the same prompt plainly, one token a pass, and says
// where the two first differ. Here it clears a decoder that is right and catches one that is wrong, on a model that
// needs no weights. With your own engine as the model, it does the same for yours.

#include <copyspec/copyspec.hpp>
#include <copyspec/testing/compare_with_greedy.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <fmt/core.h>

#include <cstddef>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

namespace {

using Model = copyspec::testing::ToyModel<float>;

// The mistake: it takes one draft token more than the model agrees with, as a loop does that counts from one.
struct TrustingVerifier {
  static copyspec::Verdict verify(copyspec::LogitsView<float> rows, std::span<copyspec::Token const> tokens,
                                  std::size_t length) {
    copyspec::Verdict verdict = copyspec::GreedyVerifier().verify(rows, tokens, length);
    if (length + verdict.accepted == tokens.size()) return verdict;
    ++verdict.accepted;
    verdict.next = *copyspec::greedy_token(rows.row(verdict.accepted));
    return verdict;
  }
};

// Decodes by copying, with `verifier` to judge the copies, and reports whether the answer is the model's own.
template <class Verifier>
bool examine(std::string_view name, Model& model, std::span<copyspec::Token const> prompt, Verifier verifier) {
  auto const decode = [&](std::span<copyspec::Token const> given) {
    copyspec::Composer composer(model, copyspec::CopyProposer(), verifier);
    auto const answer = composer.generate(given, {.max_new_tokens = 100});
    return std::vector(answer.begin(), answer.end());
  };
  auto const comparison = copyspec::testing::compare_with_greedy(model, prompt, decode, {.max_new_tokens = 100});
  if (comparison.identical())
    fmt::print("{}: identical, {} tokens\n", name, comparison.agreed);
  else
    fmt::print("{}: {}\n", name, comparison.divergence->describe());
  return comparison.identical();
}

}  // namespace

int main() {
  // Four tokens decide the next, and three that match start a copy: some copies are right and some are not.
  Model model({.vocabulary = 8, .order = 4});
  std::vector<copyspec::Token> const prompt{1, 2, 3};

  bool const right = examine("GreedyVerifier", model, prompt, copyspec::GreedyVerifier());
  bool const wrong = examine("TrustingVerifier", model, prompt, TrustingVerifier());
  return right && !wrong ? EXIT_SUCCESS : EXIT_FAILURE;
}
