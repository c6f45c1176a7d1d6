// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/scan_tile.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/support/batch.hpp"
#include "cuda/support/host_team.hpp"

using copyspec::cuda::LogitFormat;
using copyspec::detail::LogitVector;
using copyspec::detail::scan_tile;
using copyspec::detail::TiledRow;

namespace {

// What is visited, one by one or in vectors.
struct Visits {
  std::vector<int> offered = std::vector<int>(800);
  std::uint32_t next = 0;  // none before it again

  void operator()(float logit, std::uint32_t token) {
    CHECK(logit == 1.0F);
    CHECK(token >= next);
    next = token + 1;
    ++offered[token];
  }
};
struct VectorVisits : Visits {
  template <LogitFormat format>
  void vector(LogitVector const& vector, std::uint32_t first) {
    for (std::uint32_t i = 0; i < 8; ++i) (*this)(copyspec::detail::logit_at<format>(vector, i), first + i);
  }
};

template <class Visitor>
void check_tiles() {
  // Longer than what the threads of the largest team read in one go, so that each loop runs.
  std::vector<Brain> const memory(800, small_number<Brain>(8));
  for (std::uint32_t const threads : {1U, 3U, 8U}) {
    HostTeam const team(threads, 0);
    for (std::size_t offset = 0; offset < 9; ++offset) {
      for (std::uint32_t const tile : {0U, 1U, 2U}) {
        for (std::uint32_t const length : {8U, 16U, 64U, 304U}) {
          for (std::uint32_t const left : {1U, 2U, 7U, 8U, 9U, 31U, 64U, 160U}) {
            TiledRow const row{.data = reinterpret_cast<unsigned char const*>(memory.data() + offset),
                               .vocabulary = tile * length + left,
                               .geometry = {.tile = length, .tiles = tile + 1, .skipping = false}};
            Visitor visits;
            for (std::uint32_t thread = 0; thread < threads; ++thread) {
              visits.next = 0;
              scan_tile<LogitFormat::bfloat16>(row, tile, thread, visits, team);
            }
            std::uint32_t const end = tile * length + (left < length ? left : length);
            for (std::uint32_t token = 0; token < 800; ++token)
              REQUIRE(visits.offered[token] == (token >= tile * length && token < end ? 1 : 0));
            REQUIRE_FALSE(team.misaligned);
          }
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("every logit of a tile is visited once, with its token, and none beside it") {
  check_tiles<Visits>();
  check_tiles<VectorVisits>();
}
