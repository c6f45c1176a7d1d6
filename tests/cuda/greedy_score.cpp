// SPDX-License-Identifier: MIT
#include <copyspec/cuda/greedy_score.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <type_traits>

using copyspec::cuda::GreedyScore;

static_assert(std::is_trivially_copyable_v<GreedyScore> && std::is_empty_v<GreedyScore>);

TEST_CASE("the score of a greedy choice is the logit, whoever it belongs to") {
  CHECK(GreedyScore{}(1.5F, 3, 4, 5) == 1.5F);
  CHECK(GreedyScore{}(-std::numeric_limits<float>::infinity(), 0, 0, 0) == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(GreedyScore{}(std::numeric_limits<float>::quiet_NaN(), 0, 0, 0)));
}
