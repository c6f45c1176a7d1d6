// SPDX-License-Identifier: MIT
#include <copyspec/verify/detail/penalties.hpp>
#include <copyspec/verify/detail/sampling_filters.hpp>

#include <doctest/doctest.h>
#include <llama.h>

#include <algorithm>
#include <cmath>
#include <copyspec/verify/detail/block_maxima.hpp>
#include <copyspec/verify/detail/token_counts.hpp>
#include <cstddef>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "support/demo_model.hpp"

// Filters and penalties, held against llama.cpp's samplers.

namespace {

using copyspec::SamplingOptions;
using copyspec::Token;
using copyspec::detail::BlockMaxima;
using copyspec::detail::Candidate;
using copyspec::detail::DryPenalty;
using copyspec::detail::FilterRule;
using copyspec::detail::SamplingFilters;
using copyspec::detail::TokenCounts;

using Random = std::mt19937_64;
using Tokens = std::vector<Token>;
using Chain = std::unique_ptr<llama_sampler, void (*)(llama_sampler*)>;

Chain make_chain() {
  return {llama_sampler_chain_init(llama_sampler_chain_default_params()), llama_sampler_free};
}

std::vector<float> any_row(Random& random, std::size_t length) {
  std::normal_distribution<float> normal(0, 4);
  std::vector<float> row(length);
  for (float& logit : row) logit = normal(random);
  return row;
}

// What a chain makes of a row: the tokens that are left, with their logits.
std::map<Token, float> apply_chain(llama_sampler& chain, std::vector<float> const& row) {
  std::vector<llama_token_data> candidates;
  for (std::size_t i = 0; i < row.size(); ++i) candidates.push_back({static_cast<llama_token>(i), row[i], 0});
  llama_token_data_array all{.data = candidates.data(), .size = candidates.size(), .selected = -1, .sorted = false};
  llama_sampler_apply(&chain, &all);
  std::map<Token, float> left;
  for (std::size_t i = 0; i < all.size; ++i) left[all.data[i].id] = all.data[i].logit;
  return left;
}

template <class T>
T any_of(Random& random, std::vector<T> const& values) {
  return values[random() % values.size()];
}

}  // namespace

TEST_CASE("filters leave what llama.cpp's leave, in its order, with the temperature behind or before them") {
  Random random(1);
  SamplingFilters filters;
  BlockMaxima maxima;
  std::size_t same = 0;
  constexpr std::size_t trials = 2000;
  for (std::size_t trial = 0; trial < trials; ++trial) {
    std::vector<float> const row = any_row(random, 1 + random() % 600);
    SamplingOptions options{.temperature = any_of<float>(random, {0.6F, 1, 1.4F}),
                            .temperature_first = random() % 2 == 0,
                            .top_k = any_of<std::ptrdiff_t>(random, {0, 1, 5, 40}),
                            .typical_p = any_of<float>(random, {1, 1, 0.9F, 0.5F}),
                            .top_p = any_of<float>(random, {1, 0.95F, 0.7F}),
                            .min_p = any_of<float>(random, {0, 0.02F, 0.1F})};
    if (!FilterRule::of(options).any()) options.top_k = 3;
    Chain const chain = make_chain();
    auto const add = [&](llama_sampler* sampler) { llama_sampler_chain_add(chain.get(), sampler); };
    if (options.temperature_first) add(llama_sampler_init_temp(options.temperature));
    if (options.top_k > 0) add(llama_sampler_init_top_k(static_cast<int>(options.top_k)));
    add(llama_sampler_init_typical(options.typical_p, 1));
    add(llama_sampler_init_top_p(options.top_p, 1));
    add(llama_sampler_init_min_p(options.min_p, 1));
    std::map<Token, float> const expected = apply_chain(*chain, row);

    REQUIRE(maxima.take(row));
    std::vector<Token> kept;
    for (Candidate const& candidate : filters.apply(maxima, FilterRule::of(options))) kept.push_back(candidate.token());
    std::ranges::sort(kept);
    same += std::ranges::equal(kept, expected, {}, {}, [](auto const& entry) { return entry.first; }) ? 1U : 0U;
  }
  // Sums of floats decide otherwise now and then where a token lies on the limit.
  MESSAGE(same, " of ", trials, " the same");
  CHECK(same > trials * 99 / 100);
}

TEST_CASE("repetition, frequency and presence penalties are llama.cpp's") {
  Random random(2);
  for (int trial = 0; trial < 300; ++trial) {
    constexpr std::size_t vocabulary = 50;
    std::vector<float> row = any_row(random, vocabulary);
    Tokens said(random() % 40);
    for (Token& token : said) token = static_cast<Token>(random() % vocabulary);
    copyspec::PenaltyOptions const options{.repetition = any_of<float>(random, {1, 1.3F}),
                                           .frequency = any_of<float>(random, {0, 0.4F}),
                                           .presence = any_of<float>(random, {0, -0.3F}),
                                           .window = any_of<std::size_t>(random, {1, 7, 64})};
    Chain const chain = make_chain();
    llama_sampler_chain_add(chain.get(),
                            llama_sampler_init_penalties(static_cast<int>(vocabulary), static_cast<int>(options.window),
                                                         options.repetition, options.frequency, options.presence));
    for (Token const token : said) llama_sampler_accept(chain.get(), token);
    std::map<Token, float> const expected = apply_chain(*chain, row);

    TokenCounts counts;
    counts.reset(vocabulary, options.window);
    counts.follow(said);
    copyspec::detail::apply_penalties(row, counts, options);
    for (auto const& [token, logit] : expected)
      CHECK(row[static_cast<std::size_t>(token)] == doctest::Approx(logit).epsilon(1e-5));
  }
}

TEST_CASE("DRY penalties are llama.cpp's") {
  Random random(3);
  llama_vocab const* const vocabulary = llama_model_get_vocab(&copyspec_test::demo_model());
  DryPenalty dry;
  std::size_t penalised = 0;
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<float> row = any_row(random, 20);
    std::vector<float> const before = row;
    // Few different tokens, so that much repeats itself.
    Tokens said(random() % 120);
    std::size_t const different = 2 + random() % 5;
    for (Token& token : said) token = static_cast<Token>(random() % different);
    copyspec::DryOptions const options{.multiplier = 0.8F,
                                       .base = any_of<float>(random, {1, 1.75F}),
                                       .allowed_length = any_of<std::size_t>(random, {1, 2, 4}),
                                       .window = any_of<std::size_t>(random, {8, 30, 64})};
    Chain const chain = make_chain();
    llama_sampler_chain_add(chain.get(), llama_sampler_init_dry(vocabulary, options.multiplier, options.base,
                                                                static_cast<int>(options.allowed_length),
                                                                static_cast<int>(options.window), nullptr, 0));
    for (Token const token : said) llama_sampler_accept(chain.get(), token);
    std::map<Token, float> const expected = apply_chain(*chain, row);

    dry.apply(row, said, options);
    for (auto const& [token, logit] : expected) {
      CHECK(row[static_cast<std::size_t>(token)] == doctest::Approx(logit).epsilon(1e-5));
      penalised += logit < before[static_cast<std::size_t>(token)] ? 1U : 0U;
    }
  }
  CHECK(penalised > 100);
}
