// SPDX-License-Identifier: MIT
#include <copyspec/verify/sampling_turn.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/rejection_verifier.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_verifier.hpp>
#include <copyspec/verify/verifier.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

using copyspec::Error;
using copyspec::ErrorCode;
using copyspec::LogitsView;
using copyspec::RejectionVerifier;
using copyspec::SamplingOptions;
using copyspec::SamplingTurn;
using copyspec::SamplingVerifier;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;

// What both verifiers that sample do with a turn.

namespace {

using Tokens = std::vector<Token>;

constexpr std::size_t sides = 16;

template <class Verifier>
Verdict verdict_of(Verifier& verifier, std::vector<float> const& row, Tokens const& context) {
  return verifier.verify(LogitsView<float>(row.data(), 1, row.size()), context, context.size());
}

// The first token of each of `count` turns, on rows of tokens that are equally likely.
template <class Verifier>
Tokens first_tokens(std::size_t count, SamplingOptions const& options) {
  std::vector<float> const die(sides, 0.5F);
  Tokens tokens;
  Verifier const made;
  for (std::size_t i = 0; i < count; ++i) {
    Verifier verifier = made;
    verifier.begin_turn({.options = &options, .vocabulary = sides, .budget = 1, .answer = 3});
    tokens.push_back(verdict_of(verifier, die, {1, 2, 3}).next);
  }
  return tokens;
}

double chi_square(Tokens const& tokens) {
  std::array<double, sides> counts{};
  for (Token const token : tokens) ++counts[static_cast<std::size_t>(token)];
  double const mean = static_cast<double>(tokens.size()) / sides;
  double sum = 0;
  for (double const count : counts) sum += (count - mean) * (count - mean) / mean;
  return sum;
}

// With 15 degrees of freedom, a greater one comes once in ten million times.
constexpr double chi_square_bound = 61;

bool suits(ErrorCode code, auto const& call) {
  try {
    call();
  } catch (Error const& error) {
    return error.code() == code;
  }
  return false;
}

}  // namespace

TEST_CASE_TEMPLATE("turns that name no seed are drawn independently, those that name one alike", Verifier,
                   SamplingVerifier, RejectionVerifier) {
  for (std::size_t const count : {64U, 4096U}) {
    CHECK(chi_square(first_tokens<Verifier>(count, {})) < chi_square_bound);
    Tokens const named = first_tokens<Verifier>(count, {.seed = 5});
    CHECK(std::set<Token>(named.begin(), named.end()).size() == 1);
  }
}

TEST_CASE_TEMPLATE("the seed of a turn can be read, and repeats it", Verifier, SamplingVerifier, RejectionVerifier) {
  std::set<std::uint64_t> seeds;
  Verifier verifier;
  std::vector<float> const die(sides, 0.5F);
  for (std::size_t i = 0; i < 50; ++i) {
    verifier.begin_turn({.vocabulary = sides, .answer = 1});
    REQUIRE(verifier.options().seed);
    seeds.insert(*verifier.options().seed);
    SamplingOptions const again = verifier.options();
    Verifier other;
    other.begin_turn({.options = &again, .vocabulary = sides, .answer = 1});
    CHECK(other.options().seed == again.seed);
    if (i == 0) CHECK(verdict_of(verifier, die, {1}).next == verdict_of(other, die, {1}).next);
  }
  CHECK(seeds.size() == 50);
}

TEST_CASE_TEMPLATE("a fork goes on with another seed, or the one it is given", Verifier, SamplingVerifier,
                   RejectionVerifier) {
  SamplingOptions const options{.temperature = 0.5F, .seed = 3};
  Verifier verifier;
  verifier.begin_turn({.options = &options, .vocabulary = sides, .answer = 1});
  Verifier fork = verifier;
  fork.on_fork(8);
  CHECK(fork.options().seed == 8);
  CHECK(fork.options().temperature == 0.5F);
  fork = verifier;
  fork.on_fork(std::nullopt);
  REQUIRE(fork.options().seed);
  CHECK(fork.options().seed != 3);
  CHECK(verifier.options().seed == 3);
}

TEST_CASE_TEMPLATE("options that are invalid for the vocabulary are refused, and the turn before goes on", Verifier,
                   SamplingVerifier, RejectionVerifier) {
  SamplingOptions const usual{.temperature = 0.5F, .seed = 3};
  Verifier verifier(usual);
  verifier.begin_turn({.vocabulary = sides});
  SamplingOptions const hot{.temperature = -1};
  CHECK(suits(ErrorCode::bad_options, [&] { verifier.begin_turn({.options = &hot, .vocabulary = sides}); }));
  CHECK(verifier.options().temperature == 0.5F);
  CHECK(verifier.options().seed == 3);
}

TEST_CASE("a verifier's own options are held against the vocabulary too") {
  SamplingVerifier verifier({.logprobs = 100});
  CHECK(suits(ErrorCode::bad_options, [&] { verifier.begin_turn({.vocabulary = 50}); }));
  verifier.begin_turn({.vocabulary = 100});
  SamplingVerifier biased({.logit_bias = {{50, 1.0F}}});
  CHECK(suits(ErrorCode::bad_options, [&] { biased.begin_turn({.vocabulary = 50}); }));
}

TEST_CASE_TEMPLATE("stop tokens are not drawn before the least number of new tokens", Verifier, SamplingVerifier,
                   RejectionVerifier) {
  // The stop tokens are the likeliest.
  std::vector<float> const row{9, 0, 0.5F, 8, 0};
  Tokens const stops{0, 3};
  for (float const temperature : {0.0F, 1.0F})
    for (std::ptrdiff_t const top_k : {0, 1}) {
      SamplingOptions const options{.temperature = temperature, .top_k = top_k, .seed = 1};
      Verifier verifier;
      verifier.begin_turn(
          {.options = &options, .vocabulary = 5, .answer = 2, .stop_tokens = stops, .min_new_tokens = 4});
      std::set<Token> drawn;
      for (Tokens context{1, 1}; context.size() < 6; context.push_back(1)) {
        Verdict const verdict = verdict_of(verifier, row, context);
        REQUIRE(verdict.status == VerdictStatus::ok);
        CHECK((verdict.next != 0 && verdict.next != 3));
      }
      CHECK((verdict_of(verifier, row, {1, 1, 1, 1, 1, 1}).next == 0 ||
             verdict_of(verifier, row, {1, 1, 1, 1, 1, 1}).next == 3));
      // A draft of a stop token is not accepted, however it was drafted.
      std::vector<float> const rows{9, 0, 0, 0, 0, 9, 0, 0, 0, 0};
      verifier.begin_turn(
          {.options = &options, .vocabulary = 5, .answer = 2, .stop_tokens = stops, .min_new_tokens = 1});
      Tokens const drafted{1, 1, 0};
      CHECK(verifier.verify(LogitsView<float>(rows.data(), 2, 5), drafted, 2).accepted == 0);
      Tokens const later{1, 1, 1, 0};
      CHECK(verifier.verify(LogitsView<float>(rows.data(), 2, 5), later, 3).accepted == 1);
    }
}

TEST_CASE_TEMPLATE("a row of which only suppressed stop tokens are left is told from an invalid one", Verifier,
                   SamplingVerifier, RejectionVerifier) {
  constexpr float excluded = -std::numeric_limits<float>::infinity();
  Tokens const stops{1};
  SamplingOptions const options{.seed = 1};
  Verifier verifier;
  verifier.begin_turn({.options = &options, .vocabulary = 3, .answer = 1, .stop_tokens = stops, .min_new_tokens = 2});
  CHECK(verdict_of(verifier, {excluded, 3, excluded}, {0}).status == VerdictStatus::all_excluded);
  CHECK(verdict_of(verifier, {excluded, excluded, excluded}, {0}).status == VerdictStatus::invalid_row);
  CHECK(verdict_of(verifier, {0, std::numeric_limits<float>::quiet_NaN(), 0}, {0, 0}).status ==
        VerdictStatus::invalid_row);
  CHECK(verdict_of(verifier, {excluded, 3, excluded}, {0, 0, 0}).status == VerdictStatus::ok);
  // Rows as doubles are copied either way.
  std::vector<double> const wide{excluded, 3, excluded};
  Tokens const context{0};
  CHECK(verifier.verify(LogitsView<double>(wide.data(), 1, 3), context, 1).status == VerdictStatus::all_excluded);
}
