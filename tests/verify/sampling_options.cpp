// SPDX-License-Identifier: MIT
#include <copyspec/verify/sampling_options.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

using copyspec::Error;
using copyspec::PenaltyOptions;
using copyspec::require_valid;
using copyspec::SamplingOptions;
using copyspec::Token;

namespace {

constexpr std::size_t vocabulary = 100;
constexpr float infinite = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

// The error that the options raise once `change` is done to them; empty if there is none.
template <class Change>
std::string error_after(Change const& change) {
  SamplingOptions options;
  change(options);
  try {
    require_valid(options, vocabulary);
  } catch (Error const& error) {
    return error.what();
  }
  return {};
}

// `field` refuses each of `bad` by `name`, and takes each of `good`.
template <class Field>
void check_field(std::string const& name, Field const& field, std::vector<float> const& bad,
                 std::vector<float> const& good) {
  CAPTURE(name);
  for (float const value : bad) {
    CAPTURE(value);
    std::string const error = error_after([&](SamplingOptions& options) { field(options) = value; });
    CHECK(error.starts_with("sampling: " + name + " is "));
  }
  for (float const value : good) {
    CAPTURE(value);
    CHECK(error_after([&](SamplingOptions& options) { field(options) = value; }).empty());
  }
}

bool names(std::string const& error, std::string const& part) {
  return error.starts_with("sampling: ") && error.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the defaults, and every filter at once, can be sampled by") {
  CHECK_NOTHROW(require_valid({}, vocabulary));
  CHECK_NOTHROW(require_valid({}, 1));
  SamplingOptions all;
  all.temperature = 0.7F;
  all.temperature_first = true;
  all.top_k = 1000000;
  all.typical_p = 0.9F;
  all.top_p = 0.9F;
  all.min_p = 0.1F;
  all.seed = ~std::uint64_t{0};
  all.penalties = {.repetition = 1.1F, .frequency = -1, .presence = 2, .window = 0};
  all.dry = {.multiplier = 1, .base = 1, .allowed_length = 0, .window = 0, .breakers = {-5, 7}};
  all.logit_bias = {{0, -infinite}, {99, 3}};
  all.logprobs = vocabulary;
  CHECK_NOTHROW(require_valid(all, vocabulary));
}

TEST_CASE("a number out of its range is refused by its name") {
  check_field("temperature", [](SamplingOptions& options) -> float& { return options.temperature; },
              {-1, -0.001F, 0.0009F, 1001, infinite, -infinite, not_a_number}, {0, -0.0F, 0.001F, 1, 1000});
  std::vector<float> const no_share = {-0.01F, 1.01F, infinite, -infinite, not_a_number};
  check_field("typical_p", [](SamplingOptions& options) -> float& { return options.typical_p; }, no_share,
              {0, 0.5F, 1});
  check_field("top_p", [](SamplingOptions& options) -> float& { return options.top_p; }, no_share, {0, 0.5F, 1});
  check_field("min_p", [](SamplingOptions& options) -> float& { return options.min_p; }, no_share, {0, 0.5F, 1});
  check_field("repetition penalty", [](SamplingOptions& options) -> float& { return options.penalties.repetition; },
              {0, -1, infinite, not_a_number}, {0.5F, 1, 2});
  std::vector<float> const not_finite = {infinite, -infinite, not_a_number};
  check_field("frequency penalty", [](SamplingOptions& options) -> float& { return options.penalties.frequency; },
              not_finite, {-2, 0, 2});
  check_field("presence penalty", [](SamplingOptions& options) -> float& { return options.penalties.presence; },
              not_finite, {-2, 0, 2});
  check_field("dry multiplier", [](SamplingOptions& options) -> float& { return options.dry.multiplier; }, not_finite,
              {-1, 0, 2});
  check_field("dry base", [](SamplingOptions& options) -> float& { return options.dry.base; },
              {0, 0.99F, -2, infinite, not_a_number}, {1, 1.75F, 10});
}

TEST_CASE("a bias is refused for a token outside the vocabulary, or that would be the only one") {
  auto const with = [](Token token, float bias) {
    return error_after([&](SamplingOptions& options) { options.logit_bias = {{3, 1}, {token, bias}}; });
  };
  CHECK(names(with(-1, 1), "logit bias for token -1"));
  CHECK(names(with(100, 1), "logit bias for token 100, outside the vocabulary of 100"));
  CHECK(names(with(5, infinite), "logit bias is inf"));
  CHECK(names(with(5, not_a_number), "logit bias is "));
  CHECK(with(99, -infinite).empty());
  CHECK(with(0, -1e30F).empty());
}

TEST_CASE(
    "a number of likeliest tokens is refused if it is less than -1, or of log-probabilities above the vocabulary") {
  auto const top_k = [](std::ptrdiff_t count) {
    return error_after([&](SamplingOptions& options) { options.top_k = count; });
  };
  CHECK(names(top_k(-2), "top_k is -2"));
  CHECK(names(top_k(std::numeric_limits<std::ptrdiff_t>::min()), "top_k is -"));
  CHECK(top_k(-1).empty());
  CHECK(names(error_after([](SamplingOptions& options) { options.logprobs = 101; }), "101 likeliest"));
  CHECK(error_after([](SamplingOptions& options) { options.logprobs = 0; }).empty());
}

TEST_CASE("penalties are any if they change something") {
  CHECK_FALSE(PenaltyOptions{}.any());
  CHECK(PenaltyOptions{.repetition = 1.1F}.any());
  CHECK(PenaltyOptions{.frequency = -0.1F}.any());
  CHECK(PenaltyOptions{.presence = 0.1F}.any());
  CHECK_FALSE(PenaltyOptions{.repetition = 2, .window = 0}.any());
}
