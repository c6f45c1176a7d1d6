// SPDX-License-Identifier: MIT
#include <copyspec/cuda/sampling_parameters.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <type_traits>

using copyspec::SamplingOptions;
using copyspec::cuda::SamplingParameters;
using copyspec::detail::FilterRule;

static_assert(std::is_trivially_copyable_v<SamplingParameters>);

TEST_CASE("parameters say what the options say") {
  SamplingOptions options{.temperature = 0.5F, .temperature_first = true, .top_k = 3, .top_p = 0.5F, .seed = 9};
  SamplingParameters parameters = SamplingParameters::of(options, 77);
  CHECK(parameters.seed == 9);
  CHECK(parameters.position == 77);
  CHECK(parameters.inverse_temperature == 2.0F);
  CHECK(parameters.filters.scale == 2.0F);
  CHECK(parameters.filters.top_k == 3);
  CHECK(parameters.logprobs == 0);
  CHECK(parameters.valid());
  options.logprobs = 0;
  CHECK(SamplingParameters::of(options, 0).logprobs == 1);
  options.temperature = 0;
  CHECK(SamplingParameters::of(options, 0).inverse_temperature == 0.0F);
}

TEST_CASE("filters that take nothing out are off") {
  SamplingParameters parameters = SamplingParameters::of({.top_k = 3, .seed = 0}, 0);
  CHECK(parameters.filters_for(4).top_k == 3);
  CHECK_FALSE(parameters.filters_for(3).any());
  CHECK_FALSE(SamplingParameters::of({.seed = 0}, 0).filters_for(10).any());
  CHECK_FALSE(
      SamplingParameters::of({.temperature = 0, .top_k = 1, .top_p = 0.5F, .min_p = 0.5F}, 0).filters_for(10).any());
}

TEST_CASE("what cannot be meant is not valid") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  auto const valid = [](auto const& spoil) {
    SamplingParameters parameters;
    spoil(parameters);
    return parameters.valid();
  };
  CHECK(valid([](SamplingParameters&) {}));
  for (float const wrong : {-1.0F, infinity, nan}) {
    CHECK_FALSE(valid([&](SamplingParameters& parameters) { parameters.inverse_temperature = wrong; }));
    CHECK_FALSE(valid([&](SamplingParameters& parameters) { parameters.filters.scale = wrong; }));
  }
  CHECK_FALSE(valid([](SamplingParameters& parameters) { parameters.filters.scale = 0; }));
  CHECK_FALSE(valid([](SamplingParameters& parameters) { parameters.filters.farthest = -1; }));
  CHECK_FALSE(valid([](SamplingParameters& parameters) { parameters.filters.farthest = nan; }));
  CHECK_FALSE(valid([](SamplingParameters& parameters) { parameters.filters.top_share = FilterRule::whole + 1; }));
  CHECK_FALSE(valid([](SamplingParameters& parameters) { parameters.filters.typical_share = FilterRule::whole / 2; }));
}
