// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/draft_model_calibration.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <random>

using copyspec::detail::DraftModelCalibration;

TEST_CASE("without experience a confidence is believed for the most part, and more where copying says the same") {
  DraftModelCalibration const record;
  CHECK(record.probability({.confidence = 0.8F}) == doctest::Approx(0.68));
  CHECK(record.probability({.confidence = 0.8F, .copied = 0.5F}) == doctest::Approx(0.68));
  CHECK(record.probability({.confidence = 0.8F, .copied = 0.5F, .same = true}) == doctest::Approx(0.84));
}

TEST_CASE("a chance becomes what came true, apart for each confidence and for what copying says") {
  DraftModelCalibration record;
  std::mt19937 random(1);
  auto const chance = [&](unsigned percent) { return random() % 100 < percent; };
  for (int i = 0; i < 2000; ++i) {
    record.observe({.confidence = 0.99F}, chance(90));
    record.observe({.confidence = 0.5F}, chance(30));
    record.observe({.confidence = 0.99F, .copied = 0.4F, .same = true}, chance(98));
    record.observe({.confidence = 0.99F, .copied = 0.4F, .same = false}, chance(50));
  }
  CHECK(record.probability({.confidence = 0.99F}) == doctest::Approx(0.9).epsilon(0.1));
  CHECK(record.probability({.confidence = 0.5F}) == doctest::Approx(0.3).epsilon(0.4));
  CHECK(record.probability({.confidence = 0.99F, .copied = 0.6F, .same = true}) == doctest::Approx(0.98).epsilon(0.05));
  CHECK(record.probability({.confidence = 0.99F, .copied = 0.6F, .same = false}) == doctest::Approx(0.5).epsilon(0.3));
  CHECK(record.expected(-1) == doctest::Approx(0.6).epsilon(0.3));
  CHECK(record.expected(0.4F) == doctest::Approx(0.74).epsilon(0.2));
}

TEST_CASE("what is not asked is forgotten in time, and then learnt anew from few answers") {
  DraftModelCalibration record;
  copyspec::detail::DraftModelSample const sure{.confidence = 0.9F};
  for (int i = 0; i < 200; ++i) record.observe(sure, false);
  CHECK(record.expected(-1) < 0.02F);
  CHECK(record.probability(sure) < 0.06F);
  for (int i = 0; i < 500; ++i) record.forget_a_little();
  CHECK(record.expected(-1) < 0.1F);
  for (int i = 0; i < 20000; ++i) record.forget_a_little();
  CHECK(record.expected(-1) > 0.6F);
  CHECK(record.probability(sure) > 0.7F);
  for (int i = 0; i < 20; ++i) record.observe(sure, false);
  CHECK(record.expected(-1) < 0.2F);
  CHECK(record.probability(sure) < 0.2F);
}

TEST_CASE("any probability has a place, also those at the ends") {
  DraftModelCalibration record;
  for (float const confidence : {0.0F, 1e-30F, 0.5F, 1.0F})
    for (float const copied : {-1.0F, 0.0F, 0.5F, 1.0F}) {
      record.observe({.confidence = confidence, .copied = copied, .same = copied >= 0}, true);
      CHECK(record.probability({.confidence = confidence, .copied = copied, .same = copied >= 0}) >= 0);
      CHECK(record.probability({.confidence = confidence, .copied = copied, .same = copied >= 0}) <= 1);
      CHECK(record.expected(copied) >= 0);
      CHECK(record.expected(copied) <= 1);
    }
}
