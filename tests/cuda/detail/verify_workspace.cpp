// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/verify_workspace.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

using copyspec::cuda::VerifyLimits;
using copyspec::detail::no_token;
using copyspec::detail::RowDecision;
using copyspec::detail::verify_workspace;
using copyspec::detail::verify_workspace_bytes;
using copyspec::detail::VerifyWorkspace;
using copyspec::detail::workspace_rows;

TEST_CASE("the parts of a workspace fill it and do not overlap") {
  for (std::uint32_t requests = 1; requests < 5; ++requests) {
    for (std::uint32_t length = 0; length < 5; ++length) {
      VerifyLimits const limits{.max_requests = requests, .max_draft_length = length};
      std::size_t const rows = workspace_rows(limits);
      CHECK(rows == std::size_t{requests} * (length + 1));
      std::vector<std::uint64_t> memory(verify_workspace_bytes(limits) / 8 + 1);
      VerifyWorkspace const parts = verify_workspace(memory.data(), limits);
      CHECK(static_cast<void*>(parts.words) == memory.data());
      CHECK(reinterpret_cast<unsigned char*>(parts.decisions) == reinterpret_cast<unsigned char*>(parts.words + rows));
      CHECK(parts.row_arrivals == parts.decisions + rows);
      CHECK(parts.request_arrivals == parts.row_arrivals + rows);
      CHECK(reinterpret_cast<unsigned char*>(parts.request_arrivals + requests) ==
            reinterpret_cast<unsigned char*>(memory.data()) + verify_workspace_bytes(limits));
    }
  }
  CHECK(verify_workspace_bytes({.max_requests = 64, .max_draft_length = 10}) == 64 * 11 * 16 + 64 * 4);
}

TEST_CASE("decisions tell tokens, no token and nothing yet apart") {
  CHECK(RowDecision::of(0) != RowDecision::open);
  CHECK(RowDecision::of(0) != RowDecision::dead);
  CHECK(RowDecision::of(7) != RowDecision::of(8));
  CHECK(RowDecision::of(no_token) == RowDecision::dead);
  CHECK(RowDecision::of(0x7FFFFFFF) > RowDecision::of(0x7FFFFFFE));
}
