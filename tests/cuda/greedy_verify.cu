// SPDX-License-Identifier: MIT
#include <copyspec/cuda/greedy_verify.cuh>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "cuda/support/batch.hpp"
#include "cuda/support/device_batch.hpp"
#include "cuda/support/device_memory.hpp"
#include "cuda/support/host_verdicts.hpp"

using copyspec::DeviceLogitsView;
using copyspec::Token;
using copyspec::cuda::DraftBatchView;
using copyspec::cuda::greedy_verify;
using copyspec::cuda::RowSkipping;
using copyspec::cuda::VerdictBatchView;
using copyspec::cuda::VerifyOptions;
using copyspec::cuda::VerifyStatus;
using copyspec::cuda::Workspace;

namespace {

using Random = std::mt19937;

std::uint32_t below(Random& random, std::size_t bound) {
  return static_cast<std::uint32_t>(random() % bound);
}

VerifyOptions random_options(Random& random, std::uint32_t vocabulary) {
  constexpr std::array skippings = {RowSkipping::automatic, RowSkipping::never, RowSkipping::always};
  return {.tile = below(random, 2) == 0 ? 0 : 1 + below(random, vocabulary + 20),
          .skipping = skippings[below(random, 3)]};
}

bool is_zero(std::vector<std::uint64_t> const& words) {
  return std::ranges::all_of(words, [](std::uint64_t word) { return word == 0; });
}

// As many requests of ten draft tokens, the first `accepted` of each right, as a benchmark has.
template <class Scalar>
Batch<Scalar> large_batch(std::uint32_t requests, std::uint32_t vocabulary, std::uint32_t accepted) {
  Random random(7);
  Batch<Scalar> batch;
  batch.limits = {.max_requests = requests, .max_draft_length = 10};
  batch.request_count = static_cast<std::int32_t>(requests);
  batch.vocabulary = vocabulary;
  batch.stride = vocabulary;
  batch.row_count = std::size_t{requests} * 11;
  batch.logits.resize(batch.row_count * vocabulary);
  for (Scalar& logit : batch.logits) logit = small_number<Scalar>(static_cast<int>(below(random, 200)) - 150);
  batch.offsets.push_back(0);
  for (std::uint32_t request = 0; request < requests; ++request) {
    for (std::uint32_t row = 0; row < 11; ++row) {
      std::uint32_t const best = below(random, vocabulary);
      batch.row(std::size_t{request} * 11 + row)[best] = small_number<Scalar>(80);
      if (row < 10) batch.tokens.push_back(static_cast<Token>(row < accepted ? best : (best + 1) % vocabulary));
    }
    batch.offsets.push_back(static_cast<std::int32_t>(batch.tokens.size()));
  }
  return batch;
}

}  // namespace

#define EVERY_SCALAR float, Half, Brain

TEST_CASE_TEMPLATE("random batches are judged as on the host", Scalar, EVERY_SCALAR) {
  Random random(1);
  Stream const stream;
  for (int round = 0; round < 150; ++round) {
    auto const batch = random_batch<Scalar>(random, {.max_requests = 1 + below(random, 9),
                                                     .max_draft_length = below(random, 14),
                                                     .vocabulary = 1 + below(random, 3000),
                                                     .trees = round % 2 == 0,
                                                     .right_in = 5});
    DeviceBatch<Scalar> const on_device(batch);
    check(on_device.launch(stream, random_options(random, batch.vocabulary)));
    stream.wait();
    REQUIRE(on_device.verdicts() == expected_verdicts(batch));
    REQUIRE(on_device.verdicts() == host_verdicts(batch));
    REQUIRE(is_zero(on_device.workspace_words()));
  }
}

TEST_CASE_TEMPLATE("vocabularies of real models", Scalar, EVERY_SCALAR) {
  Stream const stream;
  for (std::uint32_t const vocabulary : {32000U, 128256U, 151936U}) {
    for (std::uint32_t const accepted : {0U, 3U, 10U}) {
      auto const batch = large_batch<Scalar>(4, vocabulary, accepted);
      DeviceBatch<Scalar> on_device(batch);
      for (RowSkipping const skipping : {RowSkipping::automatic, RowSkipping::never, RowSkipping::always}) {
        on_device.poison_outputs();
        check(on_device.launch(stream, {.skipping = skipping}));
        stream.wait();
        REQUIRE(on_device.verdicts() == expected_verdicts(batch));
      }
    }
  }
}

TEST_CASE("every pair of values is ordered as on the host") {
  // All halves but NaN, each with the next greater one, the next smaller one and its negative.
  Stream const stream;
  Batch<Half> batch;
  batch.limits = {.max_requests = 3 * 4096, .max_draft_length = 0};
  batch.request_count = 3 * 4096;
  batch.vocabulary = 2;
  batch.stride = 2;
  batch.row_count = 3 * 4096;
  batch.offsets.assign(3 * 4096 + 1, 0);
  batch.logits.resize(2 * 3 * 4096);
  for (std::uint32_t first = 0; first < 65536; first += 4096) {
    for (std::uint32_t i = 0; i < 4096; ++i) {
      std::uint32_t const bits = first + i;
      std::array<std::uint32_t, 3> const others = {(bits + 1) & 0xFFFFU, (bits - 1) & 0xFFFFU, bits ^ 0x8000U};
      for (std::uint32_t k = 0; k < 3; ++k) {
        batch.row(3 * i + k)[0] = {static_cast<std::uint16_t>(bits)};
        batch.row(3 * i + k)[1] = {static_cast<std::uint16_t>(others[k])};
      }
    }
    DeviceBatch<Half> const on_device(batch);
    check(on_device.launch(stream));
    stream.wait();
    REQUIRE(on_device.verdicts() == expected_verdicts(batch));
  }
}

TEST_CASE("a captured graph gives the verdicts on what it finds when it is replayed") {
  Random random(3);
  Stream const stream;
  for (RowSkipping const skipping : {RowSkipping::never, RowSkipping::always}) {
    auto const draw = [&] {
      auto batch =
          random_batch<float>(random, {.max_requests = 6, .max_draft_length = 8, .vocabulary = 700, .trees = true});
      // The sizes that a graph fixes are the same for all.
      batch.use_count = true;
      batch.tokens.resize(80, 0);
      batch.parents.resize(80, -1);
      std::vector<float> logits(100 * 720, special<float>(not_a_number));
      for (std::size_t row = 0; row < batch.row_count; ++row)
        std::ranges::copy(batch.row(row), logits.begin() + static_cast<std::ptrdiff_t>(row * 720));
      batch.logits = std::move(logits);
      batch.stride = 720;
      batch.first_logit = 0;
      batch.row_count = 100;
      return batch;
    };
    Batch<float> batch = draw();
    DeviceBatch<float> on_device(batch);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    check(on_device.launch(stream, {.tile = 64, .skipping = skipping}));
    check(cudaStreamEndCapture(stream, &graph));
    std::size_t nodes = 0;
    check(cudaGraphGetNodes(graph, nullptr, &nodes));
    CHECK(nodes == 1);
    check(cudaGraphInstantiate(&executable, graph, 0));
    for (int round = 0; round < 100; ++round) {
      batch = draw();
      on_device.change(batch);
      on_device.poison_outputs();
      check(cudaGraphLaunch(executable, stream));
      stream.wait();
      REQUIRE(on_device.verdicts() == expected_verdicts(batch));
      REQUIRE(is_zero(on_device.workspace_words()));
    }
    check(cudaGraphExecDestroy(executable));
    check(cudaGraphDestroy(graph));
  }
}

TEST_CASE("stress: ten thousand launches with poisoned outputs give the same bits") {
  Random random(4);
  Stream const stream;
  auto const draw = [&] {
    return random_batch<Brain>(
        random, {.max_requests = 24, .max_draft_length = 10, .vocabulary = 9000, .trees = true, .right_in = 6});
  };
  Batch<Brain> batch = draw();
  while (batch.request_count < 20) batch = draw();
  Verdicts const expected = expected_verdicts(batch);
  DeviceBatch<Brain> on_device(batch);
  for (int round = 0; round < 10000; ++round) {
    on_device.poison_outputs();
    // Many small tiles: many blocks that may be the last.
    check(on_device.launch(stream, {.tile = 256 + 128 * (static_cast<std::uint32_t>(round) % 8),
                                    .skipping = round % 2 == 0 ? RowSkipping::always : RowSkipping::never}));
    stream.wait();
    REQUIRE(on_device.verdicts() == expected);
  }
  REQUIRE(is_zero(on_device.workspace_words()));
}

TEST_CASE("whatever a batch holds, a launch ends, stays in bounds and leaves the workspace as it was") {
  Random random(5);
  Stream const stream;
  for (int round = 0; round < 100; ++round) {
    auto const batch =
        random_batch<Half>(random, {.max_requests = 5, .vocabulary = 200, .trees = round % 2 == 0, .right_in = 3});
    Batch<Half> wrong = batch;
    for (std::int32_t& parent : wrong.parents)
      if (below(random, 8) == 0) parent = static_cast<std::int32_t>(random());
    for (Token& token : wrong.tokens)
      if (below(random, 12) == 0) token = static_cast<Token>(random());
    for (std::int32_t& offset : wrong.offsets)
      if (below(random, 5) == 0)
        offset =
            below(random, 3) == 0 ? static_cast<std::int32_t>(random()) : static_cast<std::int32_t>(below(random, 12));
    if (below(random, 6) == 0) wrong.request_count = static_cast<std::int32_t>(random());
    DeviceBatch<Half> on_device(batch);
    on_device.change(wrong);
    check(on_device.launch(stream, random_options(random, 200)));
    stream.wait();
    REQUIRE(on_device.verdicts() == host_verdicts(wrong));
    REQUIRE(is_zero(on_device.workspace_words()));
    on_device.change(batch);
    on_device.poison_outputs();
    check(on_device.launch(stream, random_options(random, 200)));
    stream.wait();
    REQUIRE(on_device.verdicts() == expected_verdicts(batch));
  }
}

TEST_CASE("one workspace serves batches with other limits one after the other") {
  Random random(6);
  Stream const stream;
  DeviceArray<std::uint64_t> const memory(100000);
  Workspace const workspace{memory.data(), 800000};
  check(copyspec::cuda::initialize(workspace, stream));
  for (int round = 0; round < 50; ++round) {
    auto const batch = random_batch<float>(
        random, {.max_requests = 1 + below(random, 20), .max_draft_length = below(random, 20), .vocabulary = 500});
    DeviceBatch<float> const on_device(batch);
    check(greedy_verify(on_device.rows(), on_device.drafts(), on_device.outputs(), workspace, stream,
                        random_options(random, 500)));
    stream.wait();
    REQUIRE(on_device.verdicts() == expected_verdicts(batch));
  }
}

TEST_CASE("what a launch cannot do is refused before it begins") {
  Random random(8);
  auto batch = random_batch<float>(random, {});
  DeviceBatch<float> const good(batch);
  auto const refused = [&](auto const& spoil) {
    DeviceLogitsView<float> rows = good.rows();
    DraftBatchView drafts = good.drafts();
    VerdictBatchView outputs = good.outputs();
    Workspace workspace = good.workspace();
    spoil(rows, drafts, outputs, workspace);
    return greedy_verify(rows, drafts, outputs, workspace, nullptr) == cudaErrorInvalidValue;
  };
  CHECK_FALSE(refused([](auto&, auto&, auto&, auto&) {}));
  CHECK(refused([](auto& rows, auto&, auto&, auto&) { rows = {}; }));
  CHECK(refused([](auto&, auto& drafts, auto&, auto&) { drafts.offsets = nullptr; }));
  CHECK(refused([](auto&, auto& drafts, auto&, auto&) { drafts.limits.max_requests = 65536; }));
  CHECK(refused([](auto&, auto& drafts, auto&, auto&) { drafts.limits.max_draft_length = 2049; }));
  CHECK(refused([](auto&, auto&, auto& outputs, auto&) { outputs.verdicts = nullptr; }));
  CHECK(refused([](auto&, auto&, auto&, auto& workspace) { workspace.bytes -= 1; }));
  CHECK(refused([](auto&, auto&, auto&, auto& workspace) { workspace.data = nullptr; }));
  check(cudaDeviceSynchronize());
}
