// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/row_candidates.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <set>
#include <vector>

#include "cuda/support/batch.hpp"
#include "cuda/support/host_team.hpp"

using copyspec::Token;
using copyspec::cuda::LogitFormat;
using copyspec::detail::candidate_bytes;
using copyspec::detail::distance_below;
using copyspec::detail::mass_of_row;
using copyspec::detail::order_key_of;
using copyspec::detail::reproducible_weight;
using copyspec::detail::RowCandidates;
using copyspec::detail::RunningBest;
using copyspec::detail::TiledRow;
using copyspec::detail::value_of_order_key;

namespace {

using Random = std::mt19937;

// A row with what a launch has left of it, and its ranks in order.
struct Scanned {
  std::vector<float> logits;
  TiledRow row;
  std::vector<std::uint32_t> maxima;
  std::vector<std::uint64_t> ranks;  // of what is above minus infinity, the greatest first

  Scanned(Random& random, std::uint32_t team_size) {
    auto const vocabulary = static_cast<std::uint32_t>(1 + random() % 300);
    auto const values = 1 + random() % 50;
    for (std::uint32_t i = 0; i < vocabulary; ++i) {
      logits.push_back(static_cast<float>(random() % values) / 4 - 3);
      if (values > 40) logits.back() = std::normal_distribution<float>(0, 6)(random);
      if (i != 0 && random() % 9 == 0) logits.back() = special<float>(minus_infinity);
    }
    auto const tile = static_cast<std::uint32_t>(4 * (1 + random() % 20));
    row = {.data = reinterpret_cast<unsigned char const*>(logits.data()),
           .vocabulary = vocabulary,
           .geometry = {.tile = tile, .tiles = (vocabulary - 1) / tile + 1, .skipping = false}};
    HostTeam const team(team_size, 0);
    for (std::uint32_t t = 0; t < row.geometry.tiles; ++t)
      for (std::uint32_t thread = 0; thread < team_size; ++thread) {
        RunningBest best;
        copyspec::detail::scan_tile<LogitFormat::float32>(
            row, t, thread, [&](float logit, std::uint32_t token) { best.offer(logit, token); }, team);
        maxima.push_back(static_cast<std::uint32_t>(best.word() >> 32U));
      }
    for (std::uint32_t i = 0; i < vocabulary; ++i)
      if (logits[i] > special<float>(minus_infinity)) ranks.push_back(order_key_of(logits[i], static_cast<Token>(i)));
    std::ranges::sort(ranks, std::greater<>());
  }

  [[nodiscard]] std::uint64_t weight(std::uint64_t rank, float scale) const {
    return reproducible_weight(distance_below(value_of_order_key(ranks[0]), value_of_order_key(rank), scale));
  }
};

using Candidates = RowCandidates<LogitFormat::float32, HostTeam>;

std::multiset<std::uint64_t> visited(Candidates& candidates, HostTeam& team, std::uint64_t least) {
  std::multiset<std::uint64_t> ranks;
  team.each([&](std::uint32_t thread) {
    candidates.visit(thread, least, [&](std::uint64_t rank, auto const&) { ranks.insert(rank); });
  });
  return ranks;
}

}  // namespace

TEST_CASE("what is found of a row does not depend on whether it was listed") {
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    auto const team_size = static_cast<std::uint32_t>(1 + random() % 40);
    Scanned const row(random, team_size);
    std::uint32_t const capacity = std::vector<std::uint32_t>{1, 8, 400}[random() % 3];
    float const scale = random() % 2 == 0 ? 1.0F : 0.4F;
    HostTeam team(team_size, candidate_bytes(capacity, team_size), static_cast<std::uint32_t>(random() % team_size));
    Candidates candidates(row.row, row.maxima.data(), row.ranks[0], scale, capacity, team);
    REQUIRE(mass_of_row<LogitFormat::float32>(row.row, value_of_order_key(row.ranks[0]), scale, team) ==
            copyspec::detail::softmax_sum(row.logits, value_of_order_key(row.ranks[0]), scale));

    candidates.take(0);
    REQUIRE(visited(candidates, team, 0) == std::multiset<std::uint64_t>(row.ranks.begin(), row.ranks.end()));
    std::size_t const count = 1 + random() % (row.ranks.size() + 3);
    REQUIRE(candidates.last_of(count) == (count <= row.ranks.size() ? row.ranks[count - 1] : 0));

    candidates.take_greatest(count);
    std::uint64_t const last = candidates.last_of(count);
    REQUIRE(last == (count <= row.ranks.size() ? row.ranks[count - 1] : 0));
    REQUIRE(visited(candidates, team, last) ==
            std::multiset<std::uint64_t>(
                row.ranks.begin(), row.ranks.begin() + static_cast<std::ptrdiff_t>(std::min(count, row.ranks.size()))));
    std::uint64_t mass = 0;
    for (std::size_t i = 0; i < std::min(count, row.ranks.size()); ++i) mass += row.weight(row.ranks[i], scale);
    REQUIRE(candidates.mass(last) == mass);

    std::uint64_t const target = 1 + mass / (1 + random() % 20);
    std::uint64_t expected = 0;
    std::uint64_t sum = 0;
    for (std::uint64_t const rank : row.ranks) {
      sum += row.weight(rank, scale);
      if (sum < target) continue;
      expected = rank;
      break;
    }
    candidates.take(0);
    REQUIRE(candidates.last_of_mass(target) == expected);
    REQUIRE(candidates.last_of_mass(~std::uint64_t{0}) == 0);

    float const distance = static_cast<float>(random() % 8);
    candidates.take_within(distance);
    auto const found = visited(candidates, team, 0);
    for (std::uint64_t const rank : row.ranks)
      if (candidates.distance(value_of_order_key(rank)) <= distance) REQUIRE(found.contains(rank));
    for (std::uint64_t const rank : found) REQUIRE(candidates.distance(value_of_order_key(rank)) <= distance + 0.01F);
  }
}
