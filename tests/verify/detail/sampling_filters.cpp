// SPDX-License-Identifier: MIT
#include <copyspec/verify/detail/sampling_filters.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/filter_reference.hpp"
#include "support/rows.hpp"

using copyspec::SamplingOptions;
using copyspec::Token;
using copyspec::detail::bits_of_float;
using copyspec::detail::BlockMaxima;
using copyspec::detail::Candidate;
using copyspec::detail::distance_below;
using copyspec::detail::FilterRule;
using copyspec::detail::reproducible_weight;
using copyspec::detail::SamplingFilters;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();

class Filter {
 public:
  // What is left of the row: the tokens in their order, without what is infinitely far below the greatest.
  Tokens operator()(std::span<float const> row, SamplingOptions const& options) {
    REQUIRE(maxima_.take(row));
    candidates_ = filters_.apply(maxima_, FilterRule::of(options));
    Tokens tokens;
    for (Candidate const& candidate : candidates_)
      if (!std::isinf(candidate.distance)) tokens.push_back(candidate.token());
    std::ranges::sort(tokens);
    return tokens;
  }

  [[nodiscard]] std::span<Candidate const> candidates() const { return candidates_; }

 private:
  BlockMaxima maxima_;
  SamplingFilters filters_;
  std::span<Candidate const> candidates_;
};

// Of a row without infinities.
std::vector<long double> softmax(std::vector<float> const& row) {
  float const greatest = *std::ranges::max_element(row);
  std::vector<long double> probabilities;
  long double sum = 0;
  for (float const logit : row) sum += probabilities.emplace_back(std::exp(static_cast<long double>(logit) - greatest));
  for (long double& chance : probabilities) chance /= sum;
  return probabilities;
}

bool has(Tokens const& tokens, std::size_t token) {
  return std::ranges::binary_search(tokens, static_cast<Token>(token));
}

}  // namespace

TEST_CASE("rules filter if their options do") {
  CHECK_FALSE(FilterRule::of({}).any());
  CHECK(FilterRule::of({}).scale == 1.0F);
  CHECK(FilterRule::of({.top_k = 1}).any());
  CHECK(FilterRule::of({.typical_p = 0.9F}).any());
  CHECK(FilterRule::of({.top_p = 0x1.fffffep-1F}).any());
  CHECK(FilterRule::of({.min_p = 0.1F}).any());
  CHECK(FilterRule::of({.min_p = 0.1F}).farthest == doctest::Approx(std::log(10.0)));
  CHECK(FilterRule::of({.temperature = 0.5F}).scale == 1.0F);
  CHECK(FilterRule::of({.temperature = 0.5F, .temperature_first = true}).scale == 2.0F);
  CHECK(FilterRule::of({.temperature = 0, .temperature_first = true}).scale == 1.0F);
}

TEST_CASE("a candidate keeps its logit and token, and ranks by both") {
  for (float const logit : {-infinite, -3.5F, 0.0F, 2.0F, infinite}) {
    for (Token const token : {0, 1, 151935, std::numeric_limits<Token>::max()}) {
      Candidate const candidate{.rank = copyspec::detail::order_key_of(logit, token)};
      CHECK(candidate.token() == token);
      CHECK(bits_of_float(candidate.logit()) == bits_of_float(logit));
    }
  }
  CHECK(copyspec::detail::order_key_of(1, 9) > copyspec::detail::order_key_of(0.5F, 3));
  CHECK(copyspec::detail::order_key_of(1, 3) > copyspec::detail::order_key_of(1, 4));
  CHECK(copyspec::detail::order_key_of(-0.0F, 3) > copyspec::detail::order_key_of(0.0F, 4));
  CHECK(copyspec::detail::order_key_of(0.0F, 3) > copyspec::detail::order_key_of(-0.0F, 4));
}

TEST_CASE("filters leave what sorting the row leaves") {
  Random random(1);
  Filter filter;
  for (int round = 0; round < 6000; ++round) {
    CAPTURE(round);
    std::size_t const length = 1 + below(random, round % 4 == 0 ? 2000 : 40);
    std::vector<float> const row = random_row(random, length);
    for (int again = 0; again < 2; ++again) {
      SamplingOptions const options = random_filters(random, length);
      CAPTURE(length);
      CAPTURE(options.temperature);
      CAPTURE(options.temperature_first);
      CAPTURE(options.top_k);
      CAPTURE(options.typical_p);
      CAPTURE(options.top_p);
      CAPTURE(options.min_p);
      REQUIRE(filter(row, options) == FilterReference::left(row, options));
    }
  }
}

TEST_CASE("what lies as far away as a filter reaches is kept, and nothing beyond") {
  Random random(8);
  BlockMaxima maxima;
  SamplingFilters filters;
  for (int round = 0; round < 20000; ++round) {
    std::size_t const length = 2 + below(random, 30);
    // Close to one another beside their size, so that distances are rounded.
    std::vector<float> row = normal_row(random, length, 1);
    float const offset = static_cast<float>(below(random, 200)) - 100;
    for (float& logit : row) logit += offset;
    REQUIRE(maxima.take(row));
    float const scale = std::exp(static_cast<float>(below(random, 100)) / 50 - 1);
    float const farthest = distance_below(maxima.greatest(), row[below(random, length)], scale);
    Tokens kept;
    for (Candidate const& candidate : filters.apply(maxima, {.scale = scale, .farthest = farthest}))
      kept.push_back(candidate.token());
    std::ranges::sort(kept);
    Tokens expected;
    for (std::size_t i = 0; i < length; ++i)
      if (distance_below(maxima.greatest(), row[i], scale) <= farthest) expected.push_back(static_cast<Token>(i));
    REQUIRE(kept == expected);
  }
}

TEST_CASE("what is left knows its logit, its distance and its weight") {
  Random random(2);
  Filter filter;
  for (int round = 0; round < 300; ++round) {
    std::vector<float> const row = random_row(random, 1 + below(random, 500));
    SamplingOptions const options = random_filters(random, row.size());
    float const greatest = *std::ranges::max_element(row);
    float const scale = FilterRule::of(options).scale;
    filter(row, options);
    REQUIRE_FALSE(filter.candidates().empty());
    for (Candidate const& candidate : filter.candidates()) {
      REQUIRE(candidate.logit() == row[static_cast<std::size_t>(candidate.token())]);
      REQUIRE(candidate.distance == distance_below(greatest, candidate.logit(), scale));
      REQUIRE(candidate.weight == reproducible_weight(candidate.distance));
    }
  }
}

TEST_CASE("top-p leaves the fewest of the likeliest that have so much of the softmax") {
  Random random(3);
  Filter filter;
  for (int round = 0; round < 300; ++round) {
    std::vector<float> const row = normal_row(random, 1 + below(random, 1000), 3);
    std::vector<long double> const probabilities = softmax(row);
    float const share = static_cast<float>(below(random, 1000)) / 1000;
    Tokens const left = filter(row, {.top_p = share});
    long double mass = 0;
    long double least = 1;
    for (Token const token : left) {
      mass += probabilities[static_cast<std::size_t>(token)];
      least = std::min(least, probabilities[static_cast<std::size_t>(token)]);
    }
    REQUIRE(mass > share - 1e-5L);
    if (left.size() > 1) REQUIRE(mass - least < share + 1e-5L);
    for (std::size_t i = 0; i < row.size(); ++i) REQUIRE(has(left, i) == (probabilities[i] >= least));
  }
}

TEST_CASE("min-p leaves what has so great a share of the likeliest one's chance") {
  Random random(4);
  Filter filter;
  for (int round = 0; round < 300; ++round) {
    std::vector<float> const row = normal_row(random, 1 + below(random, 1000), 3);
    std::vector<long double> const probabilities = softmax(row);
    long double const greatest = *std::ranges::max_element(probabilities);
    float const share = static_cast<float>(1 + below(random, 1000)) / 1000;
    Tokens const left = filter(row, {.min_p = share});
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (probabilities[i] > greatest * share * (1 + 1e-5L)) REQUIRE(has(left, i));
      if (probabilities[i] < greatest * share * (1 - 1e-5L)) REQUIRE_FALSE(has(left, i));
    }
  }
}

TEST_CASE("typical-p leaves those whose surprise is nearest to the entropy, with so much of the softmax") {
  Random random(5);
  Filter filter;
  bool likeliest_dropped = false;
  for (int round = 0; round < 300; ++round) {
    std::vector<float> const row = normal_row(random, 1 + below(random, 1000), 2);
    std::vector<long double> const probabilities = softmax(row);
    float const share = static_cast<float>(below(random, 1000)) / 1000;
    Tokens const left = filter(row, {.typical_p = share});
    long double entropy = 0;
    for (long double const chance : probabilities) entropy -= chance * std::log(chance);
    auto const deviation = [&](std::size_t i) { return std::abs(-std::log(probabilities[i]) - entropy); };
    constexpr long double tolerance = 1e-5L;
    long double farthest = 0;
    for (Token const token : left) farthest = std::max(farthest, deviation(static_cast<std::size_t>(token)));
    long double mass = 0;
    long double nearer = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (has(left, i)) mass += probabilities[i];
      if (deviation(i) > farthest - tolerance) continue;
      REQUIRE(has(left, i));
      nearer += probabilities[i];
    }
    REQUIRE(mass > share - tolerance);
    REQUIRE((nearer < share + tolerance));
    auto const likeliest = static_cast<std::size_t>(std::ranges::max_element(probabilities) - probabilities.begin());
    likeliest_dropped = likeliest_dropped || !has(left, likeliest);
  }
  CHECK(likeliest_dropped);
}

TEST_CASE("of equal logits the lower tokens stay, but equally typical ones stay together") {
  Filter filter;
  std::vector<float> const row(1000, 1.5F);
  CHECK(filter(row, {.top_k = 5}) == counting(0, 5));
  CHECK(filter(row, {.top_p = 0.25F}) == counting(0, 250));
  CHECK(filter(row, {.typical_p = 0.25F}) == counting(0, 1000));
  CHECK(filter(row, {.min_p = 1}) == counting(0, 1000));
  std::vector<float> const mixed = {0, 2, 1, 2, 1, 2};
  CHECK(filter(mixed, {.top_k = 4}) == Tokens{1, 2, 3, 5});
  CHECK(filter(mixed, {.top_k = 2}) == Tokens{1, 3});
  CHECK(filter({{-0.0F, 0.0F, -0.0F}}, {.top_k = 2}) == Tokens{0, 1});
}

TEST_CASE("shares of nothing leave the likeliest, or the most typical") {
  Filter filter;
  std::vector<float> const row = {1, 4, 3, 4};
  CHECK(filter(row, {.top_p = 0}) == Tokens{1});
  CHECK(filter(row, {.typical_p = 0, .top_p = 0}).size() == 1);
  CHECK(filter(row, {.min_p = 1}) == Tokens{1, 3});
  CHECK(filter(row, {.top_k = 3, .typical_p = 0, .top_p = 0, .min_p = 1}) == Tokens{1});
}

TEST_CASE("a mass is one of what the filter before it left") {
  // Of probabilities 0.4, 0.3, 0.2 and 0.1.
  std::vector<float> row;
  for (double const chance : {0.4, 0.3, 0.2, 0.1}) row.push_back(static_cast<float>(std::log(chance)));
  Filter filter;
  CHECK(filter(row, {.top_p = 0.65F}) == counting(0, 2));
  CHECK(filter(row, {.top_k = 3, .top_p = 0.8F}) == counting(0, 3));
  CHECK(filter(row, {.top_k = 3, .top_p = 0.77F}) == counting(0, 2));
  // The entropy is 1.28, the surprises 0.92, 1.2, 1.61 and 2.3.
  CHECK(filter(row, {.typical_p = 0.25F}) == Tokens{1});
  CHECK(filter(row, {.typical_p = 0.45F}) == Tokens{1, 2});
  CHECK(filter(row, {.typical_p = 0.45F, .top_p = 0.59F}) == Tokens{1});
  CHECK(filter(row, {.typical_p = 0.45F, .top_p = 0.61F}) == Tokens{1, 2});
  CHECK(filter(row, {.typical_p = 0.45F, .min_p = 0.66F}) == Tokens{1, 2});
  CHECK(filter(row, {.typical_p = 0.45F, .min_p = 0.67F}) == Tokens{1});
}

TEST_CASE("with the temperature first, the filters see what it makes of the logits") {
  std::vector<float> const row = {3, 2, 1, 0};
  Filter filter;
  SamplingOptions options = {.temperature = 0.1F, .top_p = 0.9F};
  CHECK(filter(row, options) == counting(0, 3));
  options.temperature_first = true;
  CHECK(filter(row, options) == counting(0, 1));
  options.temperature = 100;
  CHECK(filter(row, options) == counting(0, 4));
}

TEST_CASE("the greatest come in falling order, of equal ones the lower token first") {
  Random random(6);
  BlockMaxima maxima;
  SamplingFilters filters;
  for (int round = 0; round < 1000; ++round) {
    std::vector<float> const row = random_row(random, 1 + below(random, 1000));
    REQUIRE(maxima.take(row));
    std::size_t const count = 1 + below(random, round % 2 == 0 ? row.size() : std::min<std::size_t>(row.size(), 20));
    Tokens expected = counting(0, row.size());
    std::ranges::stable_sort(expected, [&](Token a, Token b) {
      return row[static_cast<std::size_t>(a)] > row[static_cast<std::size_t>(b)];
    });
    expected.resize(count);
    Tokens greatest;
    for (Candidate const& candidate : filters.greatest(maxima, count)) greatest.push_back(candidate.token());
    REQUIRE(greatest == expected);
  }
}

TEST_CASE("what was filtered before allocates nothing") {
  Random random(7);
  std::vector<std::vector<float>> rows;
  std::vector<FilterRule> rules;
  for (int i = 0; i < 50; ++i) {
    rows.push_back(random_row(random, 1 + below(random, 2000)));
    rules.push_back(FilterRule::of(random_filters(random, rows.back().size())));
  }
  BlockMaxima maxima;
  SamplingFilters filters;
  std::size_t left = 0;
  auto const filter_all = [&] {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!maxima.take(rows[i])) continue;
      left += filters.apply(maxima, rules[i]).size();
      left += filters.greatest(maxima, 1).size();
    }
  };
  filter_all();
  std::size_t const before = allocations();
  filter_all();
  CHECK(allocations() == before);
  CHECK(left >= 4 * rows.size());
}
