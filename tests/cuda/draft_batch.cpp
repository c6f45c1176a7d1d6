// SPDX-License-Identifier: MIT
#include <copyspec/cuda/draft_batch.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <vector>

using copyspec::Token;
using copyspec::cuda::DraftBatchView;
using copyspec::cuda::VerifyStatus;
using copyspec::detail::RequestShape;
using copyspec::detail::shape_of;

namespace {

struct Fixture {
  std::int32_t count = 2;
  std::vector<std::int32_t> offsets = {0, 3, 5, 0};
  std::vector<Token> tokens = {1, 2, 3, 4, 5};
  std::vector<std::int32_t> parents = {-1, 0, 0, -1, -1};
  DraftBatchView batch{.request_count = &count,
                       .offsets = offsets.data(),
                       .tokens = tokens.data(),
                       .parents = parents.data(),
                       .token_capacity = 5,
                       .limits = {.max_requests = 3, .max_draft_length = 4}};
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a request is where its offsets say") {
  RequestShape const shape = shape_of(batch, 1, 7);
  CHECK(shape.present);
  CHECK(shape.status == VerifyStatus::ok);
  CHECK(shape.first_row == 4);
  CHECK(shape.draft.length == 2);
  CHECK(shape.draft.tokens == tokens.data() + 3);
  CHECK(shape.draft.parents == parents.data() + 3);
  CHECK_FALSE(shape_of(batch, 2, 7).present);
  batch.parents = nullptr;
  CHECK(shape_of(batch, 1, 7).draft.parents == nullptr);
}

TEST_CASE_FIXTURE(Fixture, "without a count there are as many as there may be") {
  batch.request_count = nullptr;
  offsets[3] = 5;
  CHECK(shape_of(batch, 2, 8).present);
  CHECK(shape_of(batch, 2, 8).draft.length == 0);
  CHECK(shape_of(batch, 2, 8).first_row == 7);
}

TEST_CASE_FIXTURE(Fixture, "a count that cannot be is said by every request") {
  for (std::int32_t const wrong : {-1, 4, std::numeric_limits<std::int32_t>::min()}) {
    count = wrong;
    for (std::uint32_t request = 0; request < 3; ++request) {
      CHECK(shape_of(batch, request, 7).present);
      CHECK(shape_of(batch, request, 7).status == VerifyStatus::bad_count);
    }
  }
  count = 3;
  offsets[3] = 5;
  CHECK(shape_of(batch, 2, 8).status == VerifyStatus::ok);
}

TEST_CASE_FIXTURE(Fixture, "offsets that cannot be are said by the requests that they are of") {
  auto const status = [&](std::int32_t begin, std::int32_t end, std::uint64_t rows) {
    offsets[1] = begin;
    offsets[2] = end;
    RequestShape const shape = shape_of(batch, 1, rows);
    CHECK(shape.present);
    if (shape.status != VerifyStatus::ok) CHECK(shape.draft.length == 0);
    return shape.status;
  };
  CHECK(status(1, 5, 7) == VerifyStatus::ok);
  CHECK(status(5, 5, 7) == VerifyStatus::ok);
  CHECK(status(0, 5, 7) == VerifyStatus::bad_offsets);   // longer than allowed
  CHECK(status(4, 3, 7) == VerifyStatus::bad_offsets);   // decreasing
  CHECK(status(-1, 2, 7) == VerifyStatus::bad_offsets);  // before the first
  CHECK(status(4, 6, 9) == VerifyStatus::bad_offsets);   // tokens that are not there
  CHECK(status(3, 5, 6) == VerifyStatus::bad_offsets);   // rows that are not there
  CHECK(status(std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max(), 7) ==
        VerifyStatus::bad_offsets);
  CHECK(status(std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min(), 7) ==
        VerifyStatus::bad_offsets);
  CHECK(status(0, 0, 0) == VerifyStatus::bad_offsets);
}
