// SPDX-License-Identifier: MIT
#include <copyspec/cuda/verify_geometry.hpp>

#include <doctest/doctest.h>

#include <cstdint>

using copyspec::cuda::LogitFormat;
using copyspec::cuda::RowSkipping;
using copyspec::cuda::VerifyLimits;
using copyspec::detail::vector_length;
using copyspec::detail::verify_geometry;
using copyspec::detail::VerifyDevice;
using copyspec::detail::VerifyGeometry;

namespace {

constexpr VerifyDevice h100{.processors = 132, .blocks_at_once = 6};

}  // namespace

TEST_CASE("tiles cover the row, are aligned alike, and none is empty") {
  for (LogitFormat const format : {LogitFormat::float32, LogitFormat::float16}) {
    for (std::uint32_t const vocabulary : {1U, 2U, 7U, 8U, 9U, 100U, 32000U, 128256U, 151936U, 0x7FFFFFFFU}) {
      for (std::uint32_t const requests : {1U, 8U, 64U, 65535U}) {
        for (std::uint32_t const tile : {0U, 1U, 5U, 1024U, 0xFFFFFFFFU}) {
          VerifyGeometry const geometry = verify_geometry(
              format, vocabulary, {.max_requests = requests, .max_draft_length = 10}, h100, {.tile = tile});
          CHECK(geometry.tile > 0);
          CHECK(geometry.tile % vector_length(format) == 0);
          CHECK(std::uint64_t{geometry.tile} * geometry.tiles >= vocabulary);
          CHECK(std::uint64_t{geometry.tile} * (geometry.tiles - 1) < vocabulary);
        }
      }
    }
  }
}

TEST_CASE("few rows still fill a device, and many have tiles of a size") {
  VerifyLimits const one{.max_requests = 1, .max_draft_length = 0};
  VerifyLimits const eleven{.max_requests = 1, .max_draft_length = 10};
  VerifyLimits const many{.max_requests = 64, .max_draft_length = 10};
  CHECK(verify_geometry(LogitFormat::bfloat16, 151936, one, h100).tiles >= 132);
  std::uint32_t const tiles = verify_geometry(LogitFormat::bfloat16, 151936, eleven, h100).tiles;
  CHECK(tiles * 11 >= 2 * 132);
  CHECK(tiles * 11 <= 3 * 132);
  CHECK(verify_geometry(LogitFormat::bfloat16, 151936, many, h100).tiles == 10);
  CHECK(verify_geometry(LogitFormat::float32, 151936, many, h100).tiles == 19);
}

TEST_CASE("rows are skipped where some begin after others have ended, or as told") {
  VerifyLimits const eleven{.max_requests = 1, .max_draft_length = 10};
  VerifyLimits const many{.max_requests = 64, .max_draft_length = 10};
  VerifyLimits const eight{.max_requests = 8, .max_draft_length = 10};
  CHECK_FALSE(verify_geometry(LogitFormat::bfloat16, 151936, eleven, h100).skipping);
  // 704 blocks.
  CHECK_FALSE(verify_geometry(LogitFormat::bfloat16, 128256, eight, h100).skipping);
  CHECK(verify_geometry(LogitFormat::bfloat16, 128256, eight, {.processors = 132, .blocks_at_once = 4}).skipping);
  CHECK(verify_geometry(LogitFormat::bfloat16, 151936, many, h100).skipping);
  CHECK_FALSE(verify_geometry(LogitFormat::bfloat16, 151936, many, h100, {.skipping = RowSkipping::never}).skipping);
  CHECK(verify_geometry(LogitFormat::bfloat16, 151936, eleven, h100, {.skipping = RowSkipping::always}).skipping);
}
