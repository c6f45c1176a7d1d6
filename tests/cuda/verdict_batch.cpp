// SPDX-License-Identifier: MIT
#include <copyspec/cuda/verdict_batch.hpp>

#include <doctest/doctest.h>

#include <type_traits>

using copyspec::cuda::BatchVerdict;
using copyspec::cuda::VerdictBatchView;
using copyspec::cuda::VerifyStatus;

static_assert(sizeof(BatchVerdict) == 12 && std::is_trivially_copyable_v<BatchVerdict>);

TEST_CASE("a verdict accepts nothing unless told") {
  BatchVerdict const verdict;
  CHECK(verdict.accepted == 0);
  CHECK(verdict.next == -1);
  CHECK(verdict.status == VerifyStatus::ok);
  CHECK(static_cast<int>(VerifyStatus::ok) == 0);
}

TEST_CASE("outputs are optional but for the verdicts") {
  VerdictBatchView const view;
  CHECK(view.verdicts == nullptr);
  CHECK(view.emitted == nullptr);
  CHECK(view.path == nullptr);
}
