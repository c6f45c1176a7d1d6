// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/draft_feedback.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "copyspec/core/token.hpp"
#include "copyspec/cost/acceptance_tracker.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/cost/sequence_cost.hpp"

using copyspec::AcceptanceTracker;
using copyspec::PassCost;
using copyspec::SequenceCost;
using copyspec::Token;
using copyspec::detail::DraftFeedback;
using copyspec::detail::DraftModelCalibration;
using copyspec::detail::DraftModelGain;
using copyspec::detail::DraftModelSample;
using Tokens = std::vector<Token>;

namespace {

constexpr DraftModelSample sample{.confidence = 0.9F};
Tokens const prompt{7, 8, 9};

// What a feedback teaches.
struct Taught {
  SequenceCost draft{PassCost::marginal(0)};
  DraftModelGain gain{PassCost::marginal(0.5), draft, 0.1};
  AcceptanceTracker tracker;

  void observe(DraftFeedback& feedback, Tokens const& context, DraftFeedback::Outline const& outline) {
    feedback.observe(context, outline, gain, tracker);
  }

  // How much likelier a token of the draft model has become.
  [[nodiscard]] float risen() {
    return gain.record().probability(sample) - DraftModelCalibration().probability(sample);
  }

  // The acceptance probabilities of a copied draft.
  [[nodiscard]] std::array<float, 2> copied() const {
    std::array<float, 2> probabilities{};
    tracker.probabilities(std::array<Token, 2>{1, 2}, {}, probabilities);
    return probabilities;
  }

  // What a saved token is worth, in steps that began like this: the gain of a token that is certain to be right.
  [[nodiscard]] double worth(bool copying_is_surer) const {
    return (gain({.limit = 1, .copying_is_surer = copying_is_surer}) + 0.5 + 0.1) / 0.95;
  }
};

// The feedback to a draft after `prompt`, for which the draft model answered `token` at `place`.
DraftFeedback answered(std::size_t place, Token token) {
  DraftFeedback feedback;
  feedback.begin();
  feedback.add(place, sample, token);
  feedback.end(prompt.size());
  return feedback;
}

Tokens followed_by(Tokens const& generated) {
  Tokens context = prompt;
  context.insert(context.end(), generated.begin(), generated.end());
  return context;
}

}  // namespace

TEST_CASE("an answer is compared with what was generated at its place, if the draft was right up to there") {
  auto const risen = [](DraftFeedback feedback, Tokens const& generated, std::size_t length) {
    Taught taught;
    taught.observe(feedback, followed_by(generated), {.length = length});
    return taught.risen();
  };
  CHECK(risen(answered(0, 1), {1}, 2) > 0);
  CHECK(risen(answered(0, 5), {1}, 2) < 0);
  CHECK(risen(answered(1, 2), {1, 2}, 2) > 0);
  CHECK(risen(answered(1, 5), {1, 2}, 2) < 0);
  // The last token generated is the target model's own: the draft was right for all before.
  CHECK(risen(answered(2, 3), {1, 2, 3}, 2) > 0);
  CHECK(risen(answered(1, 1), {1}, 2) == 0);
  CHECK(risen(answered(2, 3), {1, 2}, 2) == 0);
  // Tokens after a draft of one token, which was right, and the next one say nothing of it.
  CHECK(risen(answered(2, 3), {1, 2, 3}, 1) == 0);
}

TEST_CASE("copies without probabilities are learnt from") {
  auto const copied = [](Tokens const& generated) {
    DraftFeedback feedback;
    Taught taught;
    for (int i = 0; i < 20; ++i) {
      feedback.begin();
      (void)feedback.copied().estimate(std::array<Token, 2>{1, 2}, taught.tracker);
      feedback.end(prompt.size());
      taught.observe(feedback, followed_by(generated), {.length = 2, .fed = 2});
    }
    return taught.copied();
  };
  std::array const fresh = Taught().copied();
  CHECK(copied({1, 2, 3})[0] > fresh[0]);
  CHECK(copied({5})[0] < fresh[0]);
}

TEST_CASE("a step costs the rows that were fed and the draft model's passes, for the tokens it generated") {
  auto const worth = [](std::size_t fed, double paid, bool first, bool second) {
    DraftFeedback feedback;
    Taught taught;
    feedback.begin();
    feedback.pay(paid / 2);
    feedback.pay(paid / 2);
    feedback.end(prompt.size());
    taught.observe(feedback, followed_by({1, 2, 3, 4, 5}), {.length = 8, .fed = fed, .copying_is_surer = first});
    return taught.worth(second);
  };
  CHECK(worth(0, 0, false, false) == doctest::Approx(1.0 / 5).epsilon(1e-5));
  CHECK(worth(3, 0, false, false) == doctest::Approx(2.5 / 5).epsilon(1e-5));
  CHECK(worth(3, 1, false, false) == doctest::Approx(3.5 / 5).epsilon(1e-5));
  CHECK(worth(3, 1, true, true) == doctest::Approx(3.5 / 5).epsilon(1e-5));
  // Steps that began otherwise are not learnt from.
  CHECK(worth(3, 1, true, false) == doctest::Approx(1).epsilon(1e-5));
  CHECK(worth(3, 1, false, true) == doctest::Approx(1).epsilon(1e-5));
}

TEST_CASE("a draft is learnt from once, and not if it was discarded or nothing was generated") {
  auto const risen = [](auto const& between, Tokens const& generated = {1}) {
    Taught taught;
    DraftFeedback feedback = answered(0, 1);
    between(feedback, taught);
    taught.observe(feedback, followed_by(generated), {.length = 1});
    return taught.risen();
  };
  float const once = risen([](auto&, auto&) {});
  CHECK(once > 0);
  CHECK(risen([](auto& feedback, auto& taught) { taught.observe(feedback, followed_by({1}), {.length = 1}); }) == once);
  CHECK(risen([](auto& feedback, auto&) { feedback.discard(); }) == 0);
  CHECK(risen([](auto& feedback, auto&) { feedback.begin(); }) == 0);
  CHECK(risen([](auto& feedback, auto&) { feedback.truncate(prompt.size() - 1); }) == 0);
  CHECK(risen([](auto& feedback, auto&) { feedback.truncate(prompt.size()); }) == once);
  CHECK(risen([](auto& feedback, auto& taught) { taught.observe(feedback, prompt, {.length = 1}); }) == 0);
  CHECK(risen([](auto&, auto&) {}, {}) == 0);
}

TEST_CASE("a draft is expected from its end until it was learnt from") {
  DraftFeedback feedback;
  Taught taught;
  CHECK_FALSE(feedback.expects(3));
  feedback.begin();
  CHECK_FALSE(feedback.expects(3));
  feedback.end(3);
  CHECK(feedback.expects(3));
  CHECK_FALSE(feedback.expects(4));
  feedback.begin();
  CHECK_FALSE(feedback.expects(3));
  feedback.end(3);
  taught.observe(feedback, followed_by({1}), {});
  CHECK_FALSE(feedback.expects(3));
}

TEST_CASE("a new draft has none of the answers, copies and costs of the last one") {
  Taught taught;
  DraftFeedback feedback = answered(0, 1);
  (void)feedback.copied().estimate(std::array<Token, 2>{5, 5}, taught.tracker);
  feedback.pay(2);
  feedback.begin();
  feedback.end(prompt.size());
  std::array const fresh = taught.copied();
  taught.observe(feedback, followed_by({1, 2, 3, 4, 5}), {.length = 1});
  CHECK(taught.risen() == 0);
  CHECK(taught.copied() == fresh);
  CHECK(taught.worth(false) == doctest::Approx(1.0 / 5).epsilon(1e-5));
}
