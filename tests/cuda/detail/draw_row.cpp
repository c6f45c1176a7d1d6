// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/draw_row.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <copyspec/verify/token_sampler.hpp>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "cuda/support/batch.hpp"
#include "cuda/support/host_team.hpp"

using copyspec::SamplingOptions;
using copyspec::Token;
using copyspec::TokenSampler;
using copyspec::cuda::LogitFormat;
using copyspec::detail::BestWord;
using copyspec::detail::draw_row;
using copyspec::detail::FilterRule;
using copyspec::detail::RowCandidates;
using copyspec::detail::RunningBest;
using copyspec::detail::TiledRow;

// Rows as long as a model's, with a team as on a device; whole batches are drawn in sampling_rule.cpp.
TEST_CASE("rows of a real size are drawn from as by the host, in lists and beyond") {
  constexpr std::uint32_t vocabulary = 20001;
  constexpr std::uint32_t threads = 256;
  std::mt19937 random(1);
  std::size_t different = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<float> logits(vocabulary);
    // Flat rows have thousands of candidates, steep ones few.
    float const spread = std::array{0.01F, 1.0F, 4.0F}[static_cast<std::size_t>(round) % 3];
    for (float& logit : logits) logit = std::normal_distribution<float>(0, spread)(random);
    for (int i = 0; i < 100; ++i) logits[random() % vocabulary] = logits[random() % vocabulary];
    TiledRow const row{.data = reinterpret_cast<unsigned char const*>(logits.data()),
                       .vocabulary = vocabulary,
                       .geometry = {.tile = 8192, .tiles = 3, .skipping = false}};
    HostTeam team(threads, copyspec::detail::candidate_bytes(1024, threads));
    std::vector<std::uint32_t> maxima;
    BestWord greatest = 0;
    for (std::uint32_t tile = 0; tile < 3; ++tile)
      for (std::uint32_t thread = 0; thread < threads; ++thread) {
        RunningBest best;
        copyspec::detail::scan_tile<LogitFormat::float32>(
            row, tile, thread, [&](float logit, std::uint32_t token) { best.offer(logit, token); }, team);
        maxima.push_back(static_cast<std::uint32_t>(best.word() >> 32U));
        greatest = std::max(greatest, best.word());
      }
    for (SamplingOptions options : {SamplingOptions{.top_k = 50, .top_p = 0.9F}, SamplingOptions{.top_p = 0.9F},
                                    SamplingOptions{.top_k = 1000}, SamplingOptions{.min_p = 0.1F},
                                    SamplingOptions{.temperature = 0.5F, .temperature_first = true, .top_p = 0.6F}}) {
      std::uint64_t const seed = random();
      options.seed = seed;
      FilterRule const rule = FilterRule::of(options);
      RowCandidates<LogitFormat::float32, HostTeam> candidates(row, maxima.data(), greatest, rule.scale, 1024, team);
      BestWord const drawn =
          draw_row<LogitFormat::float32>(row, {rule, {.seed = seed, .position = 5}, 1 / options.temperature},
                                         candidates, copyspec::detail::value_of_order_key(greatest), team);
      Token const token = TokenSampler().draw(logits, options, 5).value();
      REQUIRE(copyspec::detail::token_of(drawn) == token);
      different += token != copyspec::detail::token_of_order_key(greatest) ? 1U : 0U;
    }
  }
  CHECK(different > 100);
}
