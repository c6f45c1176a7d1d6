// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/verify_tile.hpp>

#include <doctest/doctest.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <copyspec/verify/greedy_verifier.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <type_traits>
#include <vector>

#include "cuda/support/batch.hpp"
#include "cuda/support/host_verify.hpp"

using copyspec::LogitsView;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;
using copyspec::cuda::BatchVerdict;
using copyspec::cuda::RowSkipping;
using copyspec::cuda::VerifyOptions;
using copyspec::cuda::VerifyStatus;
using copyspec::detail::VerifyJob;
using copyspec::detail::WorkItem;

namespace {

using Random = std::mt19937;

std::uint32_t below(Random& random, std::size_t bound) {
  return static_cast<std::uint32_t>(random() % bound);
}

HostRun random_run(Random& random, std::uint32_t vocabulary) {
  constexpr std::array skippings = {RowSkipping::automatic, RowSkipping::never, RowSkipping::always};
  return {.options = {.tile = below(random, 3) == 0 ? 0 : 1 + below(random, vocabulary + 20),
                      .skipping = skippings[below(random, 3)]},
          .processors = 1 + below(random, 12),
          .team_size = 1 + below(random, 12),
          .order = below(random, 4),
          .threads = 1};
}

// The scalars that the library's own verifier knows.
template <class Scalar>
using OnHost = std::conditional_t<std::is_same_v<Scalar, float>, float,
                                  std::conditional_t<std::is_same_v<Scalar, Half>, Eigen::half, Eigen::bfloat16>>;

template <class Scalar>
Verdict verify_on_host(Batch<Scalar> const& batch, std::size_t request) {
  auto const begin = static_cast<std::size_t>(batch.offsets[request]);
  std::size_t const length = static_cast<std::size_t>(batch.offsets[request + 1]) - begin;
  std::vector<OnHost<Scalar>> logits;
  for (std::size_t row = 0; row <= length; ++row)
    for (Scalar const logit : batch.row(begin + request + row)) {
      OnHost<Scalar> value;
      std::memcpy(static_cast<void*>(&value), &logit, sizeof(logit));
      logits.push_back(value);
    }
  return copyspec::GreedyVerifier{}.verify(LogitsView<OnHost<Scalar>>(logits.data(), length + 1, batch.vocabulary),
                                           std::span(batch.tokens).subspan(begin, length), 0);
}

}  // namespace

#define EVERY_SCALAR float, Half, Brain

TEST_CASE_TEMPLATE("chains are judged as the verifier of the host judges them", Scalar, EVERY_SCALAR) {
  Random random(1);
  std::size_t accepted = 0;
  std::size_t invalid = 0;
  for (int round = 0; round < 300; ++round) {
    auto const batch = random_batch<Scalar>(random, {.vocabulary = 1 + below(random, 60)});
    HostOutcome const outcome = host_verify(batch, random_run(random, batch.vocabulary));
    REQUIRE(outcome.verdicts == expected_verdicts(batch));
    for (std::size_t request = 0; request < static_cast<std::size_t>(batch.request_count); ++request) {
      Verdict const expected = verify_on_host(batch, request);
      BatchVerdict const& verdict = outcome.verdicts.verdicts[request];
      REQUIRE(static_cast<std::size_t>(verdict.accepted) == expected.accepted);
      REQUIRE(verdict.status == (expected.status == VerdictStatus::ok ? VerifyStatus::ok : VerifyStatus::invalid_row));
      if (expected.status == VerdictStatus::ok) REQUIRE(verdict.next == expected.next);
      accepted += expected.accepted;
      invalid += expected.status == VerdictStatus::ok ? 0 : 1;
    }
  }
  CHECK(accepted > 500);
  CHECK(invalid > 20);
}

TEST_CASE_TEMPLATE("trees are walked along the tokens that their rows decide", Scalar, EVERY_SCALAR) {
  Random random(2);
  std::size_t accepted = 0;
  for (int round = 0; round < 300; ++round) {
    auto const batch = random_batch<Scalar>(
        random, {.max_draft_length = 12, .vocabulary = 1 + below(random, 60), .trees = true, .right_in = 3});
    HostOutcome const outcome = host_verify(batch, random_run(random, batch.vocabulary));
    REQUIRE(outcome.verdicts == expected_verdicts(batch));
    for (BatchVerdict const& verdict : outcome.verdicts.verdicts)
      accepted += static_cast<std::size_t>(std::max(verdict.accepted, 0));
  }
  CHECK(accepted > 500);
}

TEST_CASE_TEMPLATE("no geometry, order or company changes what is decided", Scalar, EVERY_SCALAR) {
  Random random(3);
  for (int round = 0; round < 25; ++round) {
    auto const batch = random_batch<Scalar>(
        random, {.vocabulary = 30 + below(random, 300), .trees = round % 2 == 0, .values = 8, .right_in = 4});
    Verdicts const expected = expected_verdicts(batch);
    for (int variant = 0; variant < 30; ++variant) {
      HostRun run = random_run(random, batch.vocabulary);
      run.order = static_cast<std::uint32_t>(variant);
      run.threads = variant % 10 == 9 ? 3 : 1;
      HostOutcome const outcome = host_verify(batch, run);
      REQUIRE(outcome.verdicts == expected);
      REQUIRE(outcome.workspace_is_zero);
      REQUIRE_FALSE(outcome.misaligned);
    }
  }
}

TEST_CASE("teams that work at the same time decide what one alone decides") {
  Random random(4);
  for (int round = 0; round < 60; ++round) {
    auto const batch = random_batch<float>(random, {.max_requests = 3, .vocabulary = 64, .trees = round % 2 == 0});
    HostOutcome const outcome = host_verify(
        batch, {.options = {.tile = 4, .skipping = round % 3 == 0 ? RowSkipping::never : RowSkipping::always},
                .team_size = 2,
                .order = static_cast<std::uint32_t>(round % 5),
                .threads = 4});
    REQUIRE(outcome.verdicts == expected_verdicts(batch));
    REQUIRE(outcome.workspace_is_zero);
  }
}

TEST_CASE("every row of three logits, behind every draft token, alone and after an accepted one") {
  std::array<float, 6> const values = {special<float>(minus_infinity), -1,
                                       special<float>(minus_zero),     0,
                                       special<float>(infinity),       special<float>(not_a_number)};
  constexpr std::size_t rows = 6 * 6 * 6;
  auto const write_row = [&](std::span<float> row, std::size_t number) {
    for (float& logit : row) {
      logit = values[number % 6];
      number /= 6;
    }
  };
  Batch<float> batch;
  batch.limits = {.max_requests = 3, .max_draft_length = 1};
  batch.request_count = 3;
  batch.vocabulary = 3;
  batch.stride = 3;
  batch.offsets = {0, 1, 2, 3};
  batch.tokens = {0, 1, 2};
  batch.row_count = 6;
  batch.logits.resize(18);
  std::uint32_t run = 0;
  for (std::size_t first = 0; first < rows; ++first) {
    for (std::size_t second = 0; second < rows; ++second) {
      for (std::size_t i = 0; i < 6; ++i) write_row(batch.row(i), i % 2 == 0 ? first : second);
      ++run;
      HostOutcome const outcome =
          host_verify(batch, {.options = {.skipping = run % 2 == 0 ? RowSkipping::always : RowSkipping::never},
                              .team_size = 1 + run % 3,
                              .order = run % 7});
      REQUIRE(outcome.verdicts == expected_verdicts(batch));
    }
  }
}

TEST_CASE_TEMPLATE("the lowest of equal logits wins at any distance", Scalar, EVERY_SCALAR) {
  Random random(5);
  for (int round = 0; round < 200; ++round) {
    Batch<Scalar> batch = random_batch<Scalar>(
        random, {.max_requests = 1, .max_draft_length = 0, .vocabulary = 500, .values = 2, .invalid_in = 1000000});
    if (batch.request_count == 0) continue;
    std::ranges::fill(batch.row(batch.row_count - 1), small_number<Scalar>(-9));
    std::uint32_t const low = below(random, 500);
    std::uint32_t const high = low + below(random, 500 - low);
    auto const row = batch.row(batch.row_count - 1);
    row[high] = special<Scalar>(round % 2 == 0 ? minus_zero : 0);
    row[low] = special<Scalar>(round % 3 == 0 ? minus_zero : 0);
    HostOutcome const outcome = host_verify(batch, random_run(random, 500));
    REQUIRE(outcome.verdicts.verdicts[0].next == static_cast<Token>(low));
  }
}

TEST_CASE("a NaN is seen at every place of a row that begins anywhere") {
  Random random(6);
  for (std::size_t offset = 0; offset < 9; ++offset) {
    Batch<Half> batch;
    batch.limits = {.max_requests = 1, .max_draft_length = 0};
    batch.request_count = 1;
    batch.vocabulary = 67;
    batch.stride = 67;
    batch.offsets = {0, 0};
    batch.row_count = 1;
    batch.first_logit = offset;
    batch.logits.assign(offset + 67, small_number<Half>(3));
    for (std::size_t i = 0; i < 67; ++i) {
      batch.row(0)[i] = special<Half>(not_a_number);
      REQUIRE(host_verify(batch, random_run(random, 67)).verdicts.verdicts[0].status == VerifyStatus::invalid_row);
      batch.row(0)[i] = small_number<Half>(3);
    }
    REQUIRE(host_verify(batch).verdicts.verdicts[0].next == 0);
  }
}

TEST_CASE("rows behind a wrong draft token are left unread, and only those") {
  Batch<float> batch;
  batch.limits = {.max_requests = 4, .max_draft_length = 3};
  batch.request_count = 4;
  batch.vocabulary = 64;
  batch.stride = 64;
  batch.row_count = 16;
  batch.logits.assign(16 * 64, 0.0F);
  for (std::int32_t request = 0; request <= 4; ++request) batch.offsets.push_back(3 * request);
  batch.tokens.assign(12, 0);
  constexpr std::size_t row_vectors = 16;
  HostRun const skipping{.options = {.tile = 16, .skipping = RowSkipping::always}};
  CHECK(host_verify(batch, skipping).vectors_read == 16 * row_vectors);

  batch.tokens[0] = 1;  // request 0: rows 1 to 3 are dead
  batch.tokens[4] = 1;  // request 1: rows 2 and 3
  batch.tokens[8] = 1;  // request 2: row 3
  CHECK(host_verify(batch, skipping).vectors_read == 10 * row_vectors);
  CHECK(host_verify(batch, {.options = {.tile = 16, .skipping = RowSkipping::never}}).vectors_read == 16 * row_vectors);
  CHECK(host_verify(batch, skipping).verdicts == expected_verdicts(batch));

  // A tree of two branches, of which one is dead: context - 0 - 1, context - 2.
  batch.trees = true;
  batch.parents = {-1, 0, -1, -1, 0, -1, -1, 0, -1, -1, 0, -1};
  batch.tokens = {1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0};
  CHECK(host_verify(batch, skipping).verdicts == expected_verdicts(batch));
  CHECK(host_verify(batch, skipping).vectors_read == (2 + 3 + 3 + 4) * row_vectors);
}

TEST_CASE("what is known of a row is known to the rows behind it, whatever has been read of it") {
  // Two tiles a row, three rows, the first draft token wrong, the second what half of its row says.
  Batch<float> batch;
  batch.limits = {.max_requests = 1, .max_draft_length = 2};
  batch.request_count = 1;
  batch.vocabulary = 32;
  batch.stride = 32;
  batch.row_count = 3;
  batch.logits.assign(3 * 32, 0.0F);
  batch.offsets = {0, 2};
  batch.tokens = {1, 0};
  constexpr std::size_t tile_vectors = 4;
  HostRun run{.options = {.tile = 16, .skipping = RowSkipping::always}};
  // One tile of a dead row is enough to know that the next row is dead.
  run.first = {{0, 0, 0}, {1, 0, 0}, {0, 0, 1}, {0, 0, 2}, {1, 0, 2}};
  CHECK(host_verify(batch, run).vectors_read == 2 * tile_vectors);
  // What was read of a row before it was dead decides nothing.
  run.first = {{0, 0, 1}, {0, 0, 0}, {1, 0, 0}, {1, 0, 1}, {0, 0, 2}, {1, 0, 2}};
  CHECK(host_verify(batch, run).vectors_read == 3 * tile_vectors);
  CHECK(host_verify(batch, run).verdicts == expected_verdicts(batch));
}

TEST_CASE("what dead rows hold does not matter") {
  Random random(7);
  for (int round = 0; round < 100; ++round) {
    auto batch = random_batch<float>(random, {.vocabulary = 33, .trees = round % 2 == 0, .right_in = 2});
    Verdicts const expected = expected_verdicts(batch);
    for (std::size_t request = 0; request < static_cast<std::size_t>(batch.request_count); ++request) {
      std::vector<bool> alive(static_cast<std::size_t>(batch.limits.max_draft_length) + 1, false);
      alive[0] = true;
      for (std::size_t i = 0; i < static_cast<std::size_t>(expected.verdicts[request].accepted); ++i)
        alive[static_cast<std::size_t>(expected.path[request * batch.limits.max_draft_length + i]) + 1] = true;
      auto const begin = static_cast<std::size_t>(batch.offsets[request]);
      std::size_t const length = static_cast<std::size_t>(batch.offsets[request + 1]) - begin;
      for (std::size_t row = 0; row <= length; ++row)
        if (!alive[row]) std::ranges::fill(batch.row(begin + request + row), special<float>(not_a_number));
    }
    REQUIRE(host_verify(batch, random_run(random, 33)).verdicts == expected);
  }
}

TEST_CASE("malformed requests are answered with what is wrong, and harm no other") {
  Random random(8);
  std::size_t trees = 0;
  std::size_t tokens = 0;
  std::size_t offsets = 0;
  for (int round = 0; round < 400; ++round) {
    auto batch = random_batch<float>(random, {.max_requests = 4, .vocabulary = 20, .trees = round % 2 == 0});
    Verdicts expected = expected_verdicts(batch);
    std::size_t const room = batch.limits.max_draft_length;
    for (std::size_t request = 0; request < static_cast<std::size_t>(batch.request_count); ++request) {
      auto const begin = static_cast<std::size_t>(batch.offsets[request]);
      std::size_t const length = static_cast<std::size_t>(batch.offsets[request + 1]) - begin;
      if (length == 0 || below(random, 2) == 0) continue;
      std::uint32_t const node = below(random, length);
      VerifyStatus status = VerifyStatus::bad_token;
      if (batch.trees && below(random, 2) == 0) {
        constexpr std::array<std::int32_t, 4> far = {-2, std::numeric_limits<std::int32_t>::min(),
                                                     std::numeric_limits<std::int32_t>::max(), 1000};
        std::uint32_t const kind = below(random, 6);
        batch.parents[begin + node] = kind < 4 ? far[kind] : static_cast<std::int32_t>(node + below(random, 3));
        status = VerifyStatus::bad_tree;
        ++trees;
      } else {
        constexpr std::array<Token, 5> unknown = {-1, -2, 20, std::numeric_limits<Token>::max(),
                                                  std::numeric_limits<Token>::min()};
        batch.tokens[begin + node] = unknown[below(random, unknown.size())];
        ++tokens;
      }
      expected.verdicts[request] = {0, -1, status};
      std::fill_n(expected.emitted.begin() + static_cast<std::ptrdiff_t>(request * (room + 1)), room + 1, -1);
      std::fill_n(expected.path.begin() + static_cast<std::ptrdiff_t>(request * room), room, -1);
    }
    HostOutcome const outcome = host_verify(batch, random_run(random, batch.vocabulary));
    REQUIRE(outcome.verdicts == expected);
    REQUIRE(outcome.workspace_is_zero);

    // Offsets at random: no crash, no loop, an answer for each, and nothing left behind.
    for (std::size_t i = 0; i <= static_cast<std::size_t>(batch.request_count); ++i)
      if (below(random, 2) == 0)
        batch.offsets[i] = below(random, 3) == 0
                               ? static_cast<std::int32_t>(random())
                               : static_cast<std::int32_t>(below(random, batch.tokens.size() + 3)) - 1;
    HostOutcome const garbled = host_verify(batch, random_run(random, batch.vocabulary));
    REQUIRE(garbled.workspace_is_zero);
    for (std::size_t request = 0; request < batch.limits.max_requests; ++request) {
      BatchVerdict const& verdict = garbled.verdicts.verdicts[request];
      if (request >= static_cast<std::size_t>(batch.request_count)) {
        REQUIRE(verdict.accepted == poison);
        continue;
      }
      REQUIRE(verdict.accepted >= 0);
      offsets += verdict.status == VerifyStatus::bad_offsets ? 1 : 0;
      std::int64_t const length = std::int64_t{batch.offsets[request + 1]} - batch.offsets[request];
      bool const possible = batch.offsets[request] >= 0 && length >= 0 && length <= static_cast<std::int64_t>(room) &&
                            batch.offsets[request + 1] <= static_cast<std::int64_t>(batch.tokens.size()) &&
                            static_cast<std::size_t>(batch.offsets[request + 1]) + request < batch.row_count;
      REQUIRE((verdict.status == VerifyStatus::bad_offsets) == !possible);
    }
  }
  CHECK(trees > 50);
  CHECK(tokens > 100);
  CHECK(offsets > 100);
}

TEST_CASE("an impossible number of requests is answered by each") {
  Random random(9);
  auto batch = random_batch<float>(random, {.max_requests = 3});
  batch.use_count = true;
  for (std::int32_t const count :
       {-1, 4, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()}) {
    batch.request_count = count;
    HostOutcome const outcome = host_verify(batch);
    for (BatchVerdict const& verdict : outcome.verdicts.verdicts) CHECK(verdict.status == VerifyStatus::bad_count);
    CHECK(std::ranges::all_of(outcome.verdicts.emitted, [](Token token) { return token == -1; }));
    CHECK(outcome.workspace_is_zero);
  }
}

TEST_CASE("outputs that nobody wants are not written") {
  Random random(10);
  auto batch = random_batch<float>(random, {.max_requests = 2, .max_draft_length = 3});
  batch.request_count = 0;
  batch.use_count = true;
  HostOutcome const nothing = host_verify(batch);
  CHECK(nothing.verdicts == poisoned(batch.limits));
}

static_assert(std::is_trivially_copyable_v<VerifyJob<copyspec::detail::GreedyRule>>);
static_assert(std::is_trivially_copyable_v<WorkItem>);
