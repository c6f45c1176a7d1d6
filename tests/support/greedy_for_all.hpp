// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/model/logits.hpp>
#include <copyspec/verify/batch_verifier.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/verifier.hpp>

#include <cstddef>
#include <span>

namespace copyspec_test {

// Verifies for all sequences of a pass as a `GreedyVerifier` does for one.
struct GreedyForAll {
  static void verify(copyspec::LogitsView<float> rows, std::span<copyspec::VerifyInput const> inputs,
                     std::span<copyspec::Verdict> verdicts) {
    std::size_t first = 0;
    for (std::size_t i = 0; i < inputs.size(); first += inputs[i].rows(), ++i)
      verdicts[i] =
          copyspec::GreedyVerifier().verify(rows.subview(first, inputs[i].rows()), inputs[i].tokens, inputs[i].length);
  }
};

}  // namespace copyspec_test
