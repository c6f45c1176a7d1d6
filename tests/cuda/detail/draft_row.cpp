// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/draft_row.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "cuda/support/host_team.hpp"

using copyspec::detail::depth_of;
using copyspec::detail::DraftView;
using copyspec::detail::TiledRow;

TEST_CASE("tiles follow each other to the end of the row") {
  TiledRow const row{.data = nullptr, .vocabulary = 70, .geometry = {.tile = 32, .tiles = 3, .skipping = false}};
  CHECK(row.begin(0) == 0);
  CHECK(row.end(0) == 32);
  CHECK(row.begin(2) == 64);
  CHECK(row.end(2) == 70);
}

TEST_CASE("the depth of a row counts the nodes on the way to the context") {
  std::mt19937 random(1);
  for (std::uint32_t const threads : {1U, 3U, 8U}) {
    HostTeam team(threads, 400);
    DraftView const chain{.tokens = nullptr, .parents = nullptr, .length = 9};
    for (std::uint32_t row = 0; row <= 9; ++row) CHECK(depth_of(chain, row, team) == row);
    for (int round = 0; round < 100; ++round) {
      std::vector<std::int32_t> parents;
      std::vector<std::uint32_t> depths = {0};
      for (std::uint32_t node = 0; node < 30; ++node) {
        parents.push_back(static_cast<std::int32_t>(random() % (node + 1)) - 1);
        depths.push_back(depths[static_cast<std::size_t>(parents.back() + 1)] + 1);
      }
      DraftView const tree{.tokens = nullptr, .parents = parents.data(), .length = 30};
      for (std::uint32_t row = 0; row <= 30; ++row) CHECK(depth_of(tree, row, team) == depths[row]);
    }
  }
}

TEST_CASE("the depth in a malformed tree is a number") {
  std::mt19937 random(2);
  HostTeam team(2, 400);
  for (int round = 0; round < 1000; ++round) {
    std::vector<std::int32_t> parents;
    for (int node = 0; node < 20; ++node)
      parents.push_back(random() % 4 == 0 ? static_cast<std::int32_t>(random())
                                          : static_cast<std::int32_t>(random() % 24) - 2);
    DraftView const tree{.tokens = nullptr, .parents = parents.data(), .length = 20};
    for (std::uint32_t row = 0; row <= 20; ++row) CHECK(depth_of(tree, row, team) <= row);
  }
}
