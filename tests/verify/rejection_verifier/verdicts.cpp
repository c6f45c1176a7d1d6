// SPDX-License-Identifier: MIT
#include <copyspec/verify/rejection_verifier.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/detail/token_distribution.hpp>
#include <copyspec/verify/greedy_token.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/verifier.hpp>
#include <copyspec/verify/verifier_traits.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/random_logits.hpp"
#include "support/sampled_turn.hpp"
#include "support/three_tokens.hpp"
#include "support/tokens.hpp"

using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::RejectionVerifier;
using copyspec::SamplingOptions;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;
using copyspec::detail::TokenDistribution;
using copyspec_test::any_logits;
using copyspec_test::minus_infinity;
using copyspec_test::not_a_number;
using copyspec_test::Tokens;

namespace {

using Random = std::mt19937_64;
using DraftRows = std::vector<std::span<float const>>;

static_assert(copyspec::AcceptanceVerifier<RejectionVerifier, double>);
static_assert(copyspec::SamplingSequenceVerifier<RejectionVerifier>);

std::vector<float> joined(std::vector<std::vector<float>> const& rows) {
  std::vector<float> all;
  for (auto const& row : rows) all.insert(all.end(), row.begin(), row.end());
  return all;
}

RejectionVerifier in_turn(SamplingOptions const& options, std::size_t vocabulary) {
  return copyspec_test::in_turn<RejectionVerifier>(options, vocabulary);
}

// The verdict on a draft behind a context of one token.
template <class Scalar = float>
Verdict verdict_of(RejectionVerifier& verifier, std::vector<Scalar> const& rows, Tokens const& draft,
                   DraftRows const& drawn_from) {
  Tokens tokens{0};
  tokens.insert(tokens.end(), draft.begin(), draft.end());
  verifier.drawn_from(drawn_from);
  std::size_t const count = draft.size() + 1;
  return verifier.verify(LogitsView<Scalar>(rows.data(), count, rows.size() / count), tokens, 1);
}

}  // namespace

TEST_CASE("named tokens are accepted as often as the model would say them") {
  constexpr std::size_t draws = 400000;
  Random random(3);
  for (int trial = 0; trial < 3; ++trial) {
    SamplingOptions const options{.temperature = 0.8F, .top_k = 4, .seed = static_cast<std::uint64_t>(trial)};
    RejectionVerifier verifier = in_turn(options, 5);
    std::vector<std::vector<float>> const rows{any_logits(random, 5), any_logits(random, 5), any_logits(random, 5)};
    Tokens const draft{trial, 4 - trial};
    std::array<double, 3> seen{};
    for (std::size_t i = 0; i < draws; ++i) ++seen[verdict_of(verifier, joined(rows), draft, {}).accepted];
    TokenDistribution probabilities;
    double reached = 1;
    for (std::size_t i = 0; i < 2; ++i) {
      REQUIRE(probabilities.take(rows[i], options));
      reached *= probabilities.of(draft[i]);
      double const share = (seen[2] + (i == 0 ? seen[1] : 0)) / draws;
      CHECK(std::abs(share - reached) < 4 * std::sqrt(0.25 / draws));
    }
  }
}

TEST_CASE("at temperature zero, what is said is what a greedy verifier says, however it was drafted") {
  Random random(4);
  std::size_t accepted = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    SamplingOptions options{.temperature = 0, .seed = random()};
    if (random() % 2 == 0) options.top_k = 3;
    RejectionVerifier verifier = in_turn(options, 6);
    std::size_t const length = random() % 4;
    std::vector<float> rows;
    std::vector<std::vector<float>> drawn_from;
    Tokens tokens{0};
    for (std::size_t i = 0; i <= length; ++i) {
      std::vector<float> row = any_logits(random, 6);
      rows.insert(rows.end(), row.begin(), row.end());
      if (i == length) break;
      if (random() % 3 == 0) row = any_logits(random, 6);
      tokens.push_back(*copyspec::greedy_token(std::span<float const>(row)));
      if (random() % 3 == 0) row.clear();
      drawn_from.push_back(row);
    }
    DraftRows const spans(drawn_from.begin(), drawn_from.end());
    verifier.drawn_from(spans);
    LogitsView<float> const view(rows.data(), length + 1, 6);
    Verdict const verdict = verifier.verify(view, tokens, 1);
    Verdict const greedy = GreedyVerifier().verify(view, tokens, 1);
    REQUIRE(verdict.accepted == greedy.accepted);
    REQUIRE(verdict.next == greedy.next);
    accepted += verdict.accepted;
  }
  CHECK(accepted > 5000);
}

TEST_CASE("a draft is accepted up to an invalid row, and one of the model's ends the turn there") {
  std::vector<float> const row{1, 0, 2, 0.5F};
  std::vector<float> const nothing(4, minus_infinity);
  std::vector<float> broken = row;
  broken[3] = not_a_number;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    RejectionVerifier verifier = in_turn({.seed = seed}, 5);
    for (auto const& invalid : {nothing, broken}) {
      // The draft has the model's probabilities, so it is accepted as far as it counts.
      Verdict verdict = verdict_of(verifier, joined({invalid}), {}, {});
      CHECK(verdict.status == VerdictStatus::invalid_row);
      CHECK(verdict.accepted == 0);
      verdict = verdict_of(verifier, joined({row, invalid, row}), {2, 0}, {row, row});
      CHECK(verdict.status == VerdictStatus::invalid_row);
      CHECK(verdict.accepted == 1);
      verdict = verdict_of(verifier, joined({row, row, invalid}), {2, 0}, {row, row});
      CHECK(verdict.status == VerdictStatus::invalid_row);
      CHECK(verdict.accepted == 2);
      for (std::vector<float> const& of_draft : {invalid, std::vector<float>(5), std::vector<float>(1)}) {
        verdict = verdict_of(verifier, joined({row, row, row}), {2, 1}, {row, of_draft});
        CHECK(verdict.status == VerdictStatus::ok);
        CHECK(verdict.accepted == 1);
      }
    }
    // A row after what cannot be said is not looked at.
    Verdict const verdict = verdict_of(verifier, joined({{1, minus_infinity}, {not_a_number, 0}}), {1}, {});
    CHECK(verdict.status == VerdictStatus::ok);
    CHECK(verdict.accepted == 0);
    CHECK(verdict.next == 0);
    // Nor what was drawn for the pass before.
    CHECK(verdict_of(verifier, joined({row, row}), {2}, {row}).accepted == 1);
    Tokens const tokens{0, 1};
    std::vector<float> const certain{0, 90, 0, 0, 0, 90, 0, 0};
    CHECK(verifier.verify(LogitsView<float>(certain.data(), 2, 4), tokens, 1).accepted == 1);
  }
}

TEST_CASE("rows of another type are judged as the floats they convert to") {
  Random random(6);
  RejectionVerifier one = in_turn({.seed = 0}, 9);
  RejectionVerifier other = in_turn({.seed = 0}, 9);
  for (int i = 0; i < 200; ++i) {
    std::vector<float> const rows = joined({any_logits(random, 9), any_logits(random, 9), any_logits(random, 9)});
    std::vector<double> const wide(rows.begin(), rows.end());
    std::vector<float> const drawn_from = any_logits(random, 9);
    Verdict const verdict = verdict_of(one, rows, {1, 2}, {drawn_from});
    Verdict const of_wide = verdict_of(other, wide, {1, 2}, {drawn_from});
    CHECK(verdict.accepted == of_wide.accepted);
    CHECK(verdict.next == of_wide.next);
  }
}

TEST_CASE("what is not supported is refused by its name, and what was begun goes on") {
  SamplingOptions const usual{.temperature = 0.5F, .seed = 3};
  std::map<std::string, SamplingOptions> refused;
  refused["logit_bias"].logit_bias = {{1, 2.0F}};
  refused["penalties"].penalties.presence = 1;
  refused["dry"].dry.multiplier = 1;
  refused["logprobs"].logprobs = 0;
  refused["hooks"].hooks = [](std::size_t) { return copyspec::RowHooks(); };
  RejectionVerifier verifier(usual);
  verifier.begin_turn({.vocabulary = 8});
  for (auto const& [name, options] : refused) {
    std::string const message = "sampling: " + name + ": not supported by a RejectionVerifier: use a SamplingVerifier";
    CHECK_THROWS_WITH_AS(RejectionVerifier{options}, message.c_str(), copyspec::Error);
    CHECK_THROWS_WITH_AS(verifier.begin_turn({.options = &options, .vocabulary = 8}), message.c_str(), copyspec::Error);
    CHECK(verifier.options().temperature == 0.5F);
  }
  CHECK_THROWS_AS(RejectionVerifier({.temperature = -1}), copyspec::Error);
  SamplingOptions const hot{.temperature = 2};
  verifier.begin_turn({.options = &hot, .vocabulary = 8});
  CHECK(verifier.options().temperature == 2);
  verifier.begin_turn({.vocabulary = 8});
  CHECK(verifier.options().temperature == 0.5F);
  CHECK(verifier.options().seed == 3);
}

TEST_CASE("at steady state nothing is allocated") {
  constexpr std::size_t count = 3000;
  Random random(7);
  std::vector<std::vector<float>> rows, drafts;
  for (int i = 0; i < 12; ++i) {
    rows.push_back(joined({any_logits(random, count), any_logits(random, count), any_logits(random, count)}));
    drafts.push_back(any_logits(random, count));
  }
  for (SamplingOptions const& options : {SamplingOptions{}, SamplingOptions{.top_k = 40, .top_p = 0.9F}}) {
    RejectionVerifier verifier(options);
    verifier.begin_turn({.vocabulary = count});
    std::size_t before = 0;
    for (std::size_t i = 0; i < 60; ++i) {
      if (i == 24) before = allocations();
      std::array<std::span<float const>, 2> const drawn_from{drafts[i % 12], {}};
      std::array<Token, 3> const tokens{0, static_cast<Token>(i), 5};
      verifier.drawn_from(drawn_from);
      static_cast<void>(verifier.verify(LogitsView<float>(rows[i % 12].data(), 3, count), tokens, 1));
    }
    CHECK(allocations() == before);
  }
}
