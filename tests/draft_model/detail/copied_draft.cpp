// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/copied_draft.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <vector>

using copyspec::AcceptanceTracker;
using copyspec::Token;
using copyspec::detail::CopiedDraft;

TEST_CASE("probabilities are those of the tracker, which learns from what is generated") {
  AcceptanceTracker tracker;
  AcceptanceTracker expected;
  CopiedDraft copied;
  std::vector<Token> const draft{4, 5, 6, 7};
  std::vector<Token> const generated{4, 5, 9};
  for (int i = 0; i < 20; ++i) {
    std::vector<float> probabilities(draft.size());
    expected.probabilities(draft, {}, probabilities);
    CHECK(std::ranges::equal(copied.estimate(draft, tracker), probabilities));
    copied.observe(generated, tracker);
    expected.observe(draft, {}, generated);
  }
  CHECK(copied.estimate(draft, tracker)[0] > 0.8F);
  // Without a draft, nothing is learnt.
  copied.clear();
  for (int i = 0; i < 20; ++i) copied.observe(std::vector<Token>{1, 2, 3}, tracker);
  CHECK(copied.estimate(draft, tracker)[0] > 0.8F);
}
