// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/greedy_rule.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <type_traits>
#include <vector>

#include "cuda/support/batch.hpp"
#include "cuda/support/host_team.hpp"

using copyspec::Token;
using copyspec::cuda::LogitFormat;
using copyspec::detail::best_logit;
using copyspec::detail::GreedyRule;
using copyspec::detail::nan_seen;
using copyspec::detail::nothing_seen;
using copyspec::detail::TiledRow;
using copyspec::detail::token_of;

static_assert(std::is_trivially_copyable_v<GreedyRule> && std::is_empty_v<GreedyRule>);

TEST_CASE("the greatest logit of a tile is found, the lowest token among equals, and a NaN") {
  std::vector<float> row = {0, 5, 7, 7, 9, 2, 1, 2, 2};
  TiledRow const tiled{.data = reinterpret_cast<unsigned char const*>(row.data()),
                       .vocabulary = 9,
                       .geometry = {.tile = 4, .tiles = 3, .skipping = false}};
  for (std::uint32_t const threads : {1U, 2U, 5U}) {
    HostTeam team(threads, 0);
    auto const best = [&](std::uint32_t tile) { return best_logit<LogitFormat::float32>(tiled, tile, team); };
    CHECK(token_of(best(0)) == 2);
    CHECK(token_of(best(1)) == 4);
    CHECK(token_of(best(2)) == 8);
    row[6] = special<float>(not_a_number);
    CHECK(best(1) == nan_seen);
    row[6] = 1;
    row[8] = special<float>(minus_infinity);
    CHECK(best(2) == nothing_seen);
    row[8] = 2;
  }
}
