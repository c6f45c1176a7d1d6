// SPDX-License-Identifier: MIT
#include <copyspec/cuda/scan_tile.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "batch.hpp"
#include "host_team.hpp"

using copyspec::cuda::LogitFormat;
using copyspec::cuda::nothing_seen;
using copyspec::cuda::RunningBest;
using copyspec::cuda::scan_tile;

TEST_CASE("every logit of a tile is offered once, with its token, and none beside it") {
  // Longer than what the threads of the largest team read in one go, so that each loop runs.
  std::vector<Brain> const memory(700, small_number<Brain>(8));
  for (std::uint32_t const threads : {1U, 3U, 8U}) {
    HostTeam const team(threads, 0);
    for (std::size_t offset = 0; offset < 9; ++offset) {
      for (std::uint32_t const begin : {0U, 8U, 64U}) {
        for (std::uint32_t const length : {1U, 2U, 7U, 8U, 9U, 31U, 64U, 300U, 531U}) {
          std::vector<int> offered(700);
          auto const* const row = reinterpret_cast<unsigned char const*>(memory.data() + offset);
          for (std::uint32_t thread = 0; thread < threads; ++thread) {
            std::uint32_t before = 0;
            static_cast<void>(scan_tile<LogitFormat::bfloat16>(
                row, begin, begin + length, thread,
                [&](float logit, std::uint32_t token) {
                  CHECK(logit == 1.0F);
                  CHECK(token >= before);
                  before = token;
                  ++offered[token];
                  return logit;
                },
                team));
          }
          for (std::uint32_t token = 0; token < 600; ++token)
            REQUIRE(offered[token] == (token >= begin && token < begin + length ? 1 : 0));
          REQUIRE_FALSE(team.misaligned);
        }
      }
    }
  }
}

TEST_CASE("the score decides, not the logit") {
  std::vector<float> const row = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  HostTeam const team(1, 0);
  auto const* const bytes = reinterpret_cast<unsigned char const*>(row.data());
  auto const scan = [&](auto const& score) { return scan_tile<LogitFormat::float32>(bytes, 0, 9, 0, score, team); };
  CHECK(copyspec::cuda::token_of(scan([](float logit, std::uint32_t) { return -logit; })) == 0);
  CHECK(copyspec::cuda::token_of(scan([](float, std::uint32_t token) { return token == 4 ? 1.0F : 0.0F; })) == 4);
  CHECK(scan([](float, std::uint32_t) { return special<float>(minus_infinity); }) == nothing_seen);
}
