// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/draft_model_gain.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

using copyspec::PassCost;
using copyspec::SequenceCost;
using copyspec::detail::DraftModelGain;

namespace {

constexpr double marginal = 0.2;
constexpr double chance = 0.95;  // that a draft model is right of which nothing is known

}  // namespace

TEST_CASE("with nothing to copy, it is the best number of guesses that counts") {
  SequenceCost const draft(PassCost::marginal(0.36));
  for (double const unit : {0.0, 0.1, 0.3, 0.5, 0.6, 0.8, 1.5}) {
    DraftModelGain const gain(PassCost::marginal(marginal), draft, unit);
    for (std::size_t limit = 1; limit <= 64; ++limit)
      for (std::size_t const unfed : {1U, 2U, 90U}) {
        for (float const survival : {1.0F, 0.6F}) {
          // The first guess is charged for two tokens at most, and all others for one.
          double best = -std::numeric_limits<double>::infinity();
          double sum = 0;
          for (std::size_t guesses = 1; guesses <= limit; ++guesses) {
            double const fed = guesses == 1 ? 1 + 0.36 * static_cast<double>(std::min<std::size_t>(unfed, 2) - 1) : 1;
            sum += static_cast<double>(survival) * std::pow(chance, guesses) - marginal - unit * fed;
            best = std::max(best, sum);
          }
          CHECK(gain({.chain = {}, .place = 0, .survival = survival, .limit = limit, .unfed = unfed}) ==
                doctest::Approx(best).epsilon(1e-5));
        }
      }
  }
}

TEST_CASE("a first guess that does not pay by itself is made for those behind it") {
  SequenceCost const draft(PassCost::marginal(0.36));
  DraftModelGain const gain(PassCost::marginal(marginal), draft, 0.6);
  CHECK(gain({.limit = 1, .unfed = 2}) < 0);
  CHECK(gain({.limit = 2, .unfed = 2}) > 0);
}

TEST_CASE("beside a copied token a guess gains what it is likelier, and needs no row") {
  SequenceCost const draft(PassCost::marginal(0));
  DraftModelGain const gain(PassCost::marginal(marginal), draft, 0.0);
  double last = 2;
  for (float const copied : {0.0F, 0.3F, 0.6F, 0.9F}) {
    std::array const chain{copied};
    CHECK_FALSE(gain.copying_is_surer(copied));
    double const now = gain({.chain = chain, .limit = 1});
    CHECK(now == doctest::Approx(chance - static_cast<double>(copied)).epsilon(1e-5));
    CHECK(now < last);
    last = now;
  }
  CHECK(gain.copying_is_surer(0.96F));
  CHECK(gain({.chain = std::array{1.0F}, .limit = 1}) < 0);
}

TEST_CASE("what is copied behind a guess is gained with it") {
  SequenceCost const draft(PassCost::marginal(0));
  DraftModelGain gain(PassCost::marginal(marginal), draft, 0.3);
  std::array const doubtful{0.5F};
  std::array const certain{0.5F, 1.0F, 1.0F, 1.0F};
  CHECK(gain({.chain = doubtful, .limit = 1}) == doctest::Approx(0.45 - 0.3).epsilon(1e-5));
  CHECK(gain({.chain = certain, .limit = 4}) == doctest::Approx(0.45 * 4 - 0.3).epsilon(1e-5));
  double const before = gain({.limit = 1});
  for (int i = 0; i < 1000; ++i) gain.observe_copied_after(std::array{1.0F, 1.0F});
  CHECK(gain({.limit = 1}) == doctest::Approx(before + chance * 2).epsilon(1e-4));
}

TEST_CASE("a token is worth what it takes in steps that began alike") {
  SequenceCost const draft(PassCost::marginal(0));
  DraftModelGain gain(PassCost::marginal(marginal), draft, 0.3);
  DraftModelGain::Place const fresh{.limit = 1};
  DraftModelGain::Place const copied{.limit = 1, .copying_is_surer = true};
  CHECK(gain(fresh) == doctest::Approx(chance - marginal - 0.3).epsilon(1e-5));
  CHECK(gain(fresh) == gain(copied));
  for (int i = 0; i < 1000; ++i) gain.observe_step(true, 20, 2.0);
  CHECK(gain(fresh) == doctest::Approx(chance - marginal - 0.3).epsilon(1e-5));
  CHECK(gain(copied) == doctest::Approx(0.1 * chance - marginal - 0.3).epsilon(1e-5));
}

TEST_CASE("what a pass of the draft model costs is known, or learnt from both models' passes") {
  SequenceCost draft(PassCost{});
  DraftModelGain const known(PassCost{}, draft, 0.15);
  CHECK(known.draft_unit() == 0.15);
  DraftModelGain gain(PassCost{}, draft, {});
  double const guessed = gain.draft_unit();
  CHECK(guessed > 0);
  gain.on_pass({.rows = 1, .sequences = 1, .seconds = 0.02});
  CHECK(gain.draft_unit() == guessed);
  draft.observe({.rows = 1, .sequences = 1, .seconds = 0.005});
  CHECK(gain.draft_unit() == doctest::Approx(0.25));
  CHECK(gain.draft_cost(1) == doctest::Approx(0.25));
  CHECK(gain.draft_cost(3) > gain.draft_cost(2));
}

TEST_CASE("a pass that was held up makes tokens no dearer than one after the other") {
  SequenceCost draft(PassCost{});
  DraftModelGain const gain(PassCost{}, draft, 0.1);
  draft.observe({.rows = 1, .sequences = 1, .seconds = 0.001});
  CHECK(gain.draft_cost(5) < 0.5);
  draft.observe({.rows = 5, .sequences = 1, .seconds = 1});
  CHECK(gain.draft_cost(1) == doctest::Approx(0.1));
  CHECK(gain.draft_cost(5) == doctest::Approx(0.5));
  CHECK(gain.draft_cost(40) == doctest::Approx(4.0));
}

TEST_CASE("guesses that come true less often gain less, until none pays") {
  SequenceCost const draft(PassCost::marginal(0));
  DraftModelGain gain(PassCost::marginal(marginal), draft, 0.3);
  double last = gain({.limit = 8});
  CHECK(last > 0);
  for (int i = 0; i < 20; ++i) {
    gain.record().observe({.confidence = 0.9F}, false);
    CHECK(gain({.limit = 8}) < last);
    last = gain({.limit = 8});
  }
  CHECK(last < 0);
}
