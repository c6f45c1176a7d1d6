// SPDX-License-Identifier: MIT
#include <copyspec/cuda/sampling_workspace.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "copyspec/cuda/verify_geometry.hpp"

using copyspec::cuda::LogitFormat;
using copyspec::cuda::most_drawn_tiles;
using copyspec::cuda::sampling_workspace;
using copyspec::cuda::sampling_workspace_bytes;
using copyspec::cuda::SamplingWorkspace;
using copyspec::cuda::scalar_bytes;
using copyspec::cuda::shortest_drawn_bytes;
using copyspec::cuda::verify_geometry;
using copyspec::cuda::verify_workspace_bytes;
using copyspec::cuda::VerifyLimits;
using copyspec::cuda::workspace_rows;

TEST_CASE("the parts stand behind the workspace of a verification and fill what is left") {
  for (std::uint32_t requests = 1; requests < 4; ++requests) {
    for (std::uint32_t length = 0; length < 4; ++length) {
      VerifyLimits const limits{.max_requests = requests, .max_draft_length = length};
      std::size_t const bytes = sampling_workspace_bytes(limits, LogitFormat::float32, 5000, 4);
      std::vector<std::uint64_t> memory(bytes / 8 + 1);
      auto* const begin = reinterpret_cast<unsigned char*>(memory.data());
      SamplingWorkspace const parts = sampling_workspace(memory.data(), limits);
      std::size_t const rows = workspace_rows(limits);
      CHECK(reinterpret_cast<unsigned char*>(parts.row_logprobs) == begin + verify_workspace_bytes(limits));
      CHECK(static_cast<void*>(parts.maxima) == parts.row_logprobs + rows);
      CHECK(reinterpret_cast<unsigned char*>(parts.maxima + rows * 3 * 4) == begin + bytes);
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
            CHECK(verify_geometry(format, vocabulary, {.max_requests = requests, .max_draft_length = 10}, processors,
                                  {.tile = raised}, shortest_drawn_bytes)
                      .tiles <= most_drawn_tiles(format, vocabulary));
          }
}
