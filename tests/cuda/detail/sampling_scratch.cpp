// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/sampling_scratch.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "copyspec/cuda/verify_geometry.hpp"

using copyspec::cuda::LogitFormat;
using copyspec::cuda::VerifyLimits;
using copyspec::detail::most_drawn_tiles;
using copyspec::detail::sampling_scratch;
using copyspec::detail::sampling_scratch_bytes;
using copyspec::detail::SamplingScratch;
using copyspec::detail::scalar_bytes;
using copyspec::detail::shortest_drawn_bytes;
using copyspec::detail::verify_geometry;
using copyspec::detail::workspace_rows;

TEST_CASE("the parts fill the memory and do not overlap") {
  for (std::uint32_t requests = 1; requests < 4; ++requests) {
    for (std::uint32_t length = 0; length < 4; ++length) {
      VerifyLimits const limits{.max_requests = requests, .max_draft_length = length};
      std::size_t const bytes = sampling_scratch_bytes(limits, LogitFormat::float32, 5000, 4);
      std::vector<std::uint32_t> memory(bytes / 4);
      SamplingScratch const parts = sampling_scratch(memory.data(), limits);
      CHECK(static_cast<void*>(parts.row_logprobs) == memory.data());
      CHECK(static_cast<void*>(parts.maxima) == memory.data() + workspace_rows(limits));
      CHECK(parts.maxima + workspace_rows(limits) * 3 * 4 == memory.data() + memory.size());
    }
  }
}

TEST_CASE("no division has more tiles than there is room for") {
  for (LogitFormat const format : {LogitFormat::float32, LogitFormat::float16})
    for (std::uint32_t const vocabulary : {1U, 100U, 4096U, 4097U, 32000U, 128256U, 151936U, 10000000U})
      for (std::uint32_t const requests : {1U, 8U, 64U, 65535U})
        for (std::uint32_t const processors : {1U, 108U, 132U, 1000U})
          for (std::uint32_t const tile : {0U, 1U, 5000U, 0xFFFFFFFFU}) {
            std::uint32_t const raised = tile == 0 ? 0 : std::max(tile, shortest_drawn_bytes / scalar_bytes(format));
            CHECK(verify_geometry(format, vocabulary, {.max_requests = requests, .max_draft_length = 10},
                                  {processors, 1}, {.tile = raised}, shortest_drawn_bytes)
                      .tiles <= most_drawn_tiles(format, vocabulary));
          }
}
