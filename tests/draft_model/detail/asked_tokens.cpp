// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/asked_tokens.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

using copyspec::Token;
using copyspec::detail::AskedTokens;
using copyspec::detail::DraftModelCalibration;
using copyspec::detail::DraftModelSample;

TEST_CASE("answers are compared with what was generated, as far as the tokens before them came") {
  DraftModelSample const sample{.confidence = 0.9F};
  std::vector<Token> const generated{1, 2, 3};
  auto const learnt = [&](std::size_t place, Token token, std::size_t right) {
    AskedTokens asked;
    asked.add(place, sample, token);
    DraftModelCalibration calibration;
    asked.observe(generated, right, calibration);
    return calibration.probability(sample) - DraftModelCalibration().probability(sample);
  };
  CHECK(learnt(1, 2, 2) > 0);
  CHECK(learnt(1, 9, 2) < 0);
  // The draft was wrong before its place: nothing is known of it.
  CHECK(learnt(2, 3, 1) == 0);
  AskedTokens asked;
  asked.add(0, sample, 1);
  asked.clear();
  DraftModelCalibration calibration;
  asked.observe(generated, 2, calibration);
  CHECK(calibration.probability(sample) == DraftModelCalibration().probability(sample));
}
