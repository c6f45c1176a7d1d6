// SPDX-License-Identifier: MIT
#include <copyspec/cuda/sample_verify.cuh>

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
#include "cuda/support/sampled_batch.hpp"

using copyspec::DeviceLogitsView;
using copyspec::SamplingOptions;
using copyspec::Token;
using copyspec::cuda::DraftBatchView;
using copyspec::cuda::RowSkipping;
using copyspec::cuda::sample_verify;
using copyspec::cuda::sample_verify_scratch_bytes;
using copyspec::cuda::SamplingParameters;
using copyspec::cuda::SamplingView;
using copyspec::cuda::Scratch;
using copyspec::cuda::VerdictBatchView;
using copyspec::cuda::VerifyOptions;
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

// A batch that is drawn, in device memory.
template <class Scalar>
class DeviceSampledBatch {
 public:
  explicit DeviceSampledBatch(SampledBatch<Scalar> const& batch)
      : batch_(batch),
        parameters_(batch.parameters),
        logprobs_(std::size_t{batch.limits.max_requests} * (batch.limits.max_draft_length + 1)),
        scratch_(sample_verify_scratch_bytes<Scalar>(batch.limits, batch.vocabulary) / 4) {
    poison_outputs();
    check(cudaMemset(scratch_.data(), 0xEE, scratch_.size() * 4));
    check(cudaDeviceSynchronize());
  }

  void change(SampledBatch<Scalar> const& batch) {
    batch_.change(batch);
    parameters_.upload(batch.parameters);
  }

  void poison_outputs() {
    batch_.poison_outputs();
    logprobs_.upload(std::vector<float>(logprobs_.size(), static_cast<float>(poison)));
  }

  [[nodiscard]] cudaError_t launch(cudaStream_t stream, VerifyOptions const& options = {}) const {
    return sample_verify(batch_.rows(), batch_.drafts(), sampling(), batch_.outputs(), batch_.workspace(), scratch(),
                         stream, options);
  }

  [[nodiscard]] DeviceBatch<Scalar> const& batch() const { return batch_; }
  [[nodiscard]] SamplingView sampling() const {
    return {.parameters = parameters_.data(), .logprobs = logprobs_.data()};
  }
  [[nodiscard]] Scratch scratch() const { return {scratch_.data(), scratch_.size() * 4}; }
  [[nodiscard]] SampledVerdicts verdicts() const { return {batch_.verdicts(), logprobs_.download()}; }

 private:
  DeviceBatch<Scalar> batch_;
  DeviceArray<SamplingParameters> parameters_;
  DeviceArray<float> logprobs_;
  DeviceArray<std::uint32_t> scratch_;
};

// Requests of ten draft tokens of a real model's size, each drawn in its own way.
template <class Scalar>
SampledBatch<Scalar> large_batch(std::uint32_t vocabulary, Random& random) {
  std::array<SamplingOptions, 6> const ways = {
      SamplingOptions{.top_k = 50, .top_p = 0.9F},
      SamplingOptions{.temperature = 0.7F},
      SamplingOptions{.top_p = 0.9F, .logprobs = 0},
      SamplingOptions{.temperature = 1.3F, .min_p = 0.05F},
      SamplingOptions{.temperature = 20, .temperature_first = true, .top_p = 0.95F},
      SamplingOptions{.temperature = 0, .logprobs = 0}};
  SampledBatch<Scalar> batch;
  batch.limits = {.max_requests = ways.size(), .max_draft_length = 4};
  batch.request_count = ways.size();
  batch.vocabulary = vocabulary;
  batch.stride = vocabulary;
  batch.row_count = ways.size() * 5;
  batch.logits.resize(batch.row_count * vocabulary);
  for (Scalar& logit : batch.logits)
    logit = small_number<Scalar>(static_cast<int>(below(random, 80)) + static_cast<int>(below(random, 80)) - 80);
  batch.offsets.push_back(0);
  PlainSampler sampler;
  for (std::uint32_t request = 0; request < ways.size(); ++request) {
    batch.options.push_back(ways[request]);
    batch.options.back().seed = random();
    batch.parameters.push_back(SamplingParameters::of(batch.options.back(), below(random, 1000)));
    for (std::uint32_t row = 0; row < 4; ++row) {
      Token const right = draw_token(batch, request, row, row, sampler).value();
      batch.tokens.push_back(row < request ? right
                                           : static_cast<Token>(static_cast<std::uint32_t>(right + 1) % vocabulary));
    }
    batch.offsets.push_back(static_cast<std::int32_t>(batch.tokens.size()));
  }
  return batch;
}

}  // namespace

#define EVERY_SCALAR float, Half, Brain

TEST_CASE_TEMPLATE("random batches are drawn as on the host", Scalar, EVERY_SCALAR) {
  Random random(1);
  Stream const stream;
  for (int round = 0; round < 60; ++round) {
    auto const batch =
        random_sampled_batch<Scalar>(random, {.max_requests = 1 + below(random, 7),
                                              .max_draft_length = below(random, 10),
                                              .vocabulary = 1 + below(random, round % 4 == 0 ? 9000 : 900),
                                              .trees = round % 2 == 0,
                                              .values = 2 + below(random, 60),
                                              .right_in = 5});
    DeviceSampledBatch<Scalar> const on_device(batch);
    check(on_device.launch(stream, random_options(random, batch.vocabulary)));
    stream.wait();
    REQUIRE(on_device.verdicts() == expected_verdicts(batch));
    REQUIRE(on_device.verdicts() == host_verdicts(batch));
    REQUIRE(std::ranges::all_of(on_device.batch().workspace_words(), [](std::uint64_t word) { return word == 0; }));
  }
}

TEST_CASE_TEMPLATE("vocabularies of real models, in every way to draw", Scalar, EVERY_SCALAR) {
  Random random(2);
  Stream const stream;
  for (std::uint32_t const vocabulary : {32000U, 128256U, 151936U}) {
    auto const batch = large_batch<Scalar>(vocabulary, random);
    DeviceSampledBatch<Scalar> on_device(batch);
    SampledVerdicts const expected = expected_verdicts(batch);
    for (RowSkipping const skipping : {RowSkipping::automatic, RowSkipping::never, RowSkipping::always}) {
      on_device.poison_outputs();
      check(on_device.launch(stream, {.skipping = skipping}));
      stream.wait();
      REQUIRE(on_device.verdicts() == expected);
    }
  }
}

TEST_CASE("a captured launch is replayed with other seeds, positions, filters and drafts") {
  Random random(3);
  Stream const stream;
  auto const draw = [&] {
    for (;;) {
      // As many draft tokens as there is room for, so that every batch fits where the first did.
      auto batch = random_sampled_batch<Brain>(
          random, {.max_requests = 4, .max_draft_length = 5, .vocabulary = 5000, .trees = true, .right_in = 4});
      if (batch.request_count == 4 && batch.tokens.size() <= 12) return batch;
    }
  };
  SampledBatch<Brain> first = draw();
  first.tokens.resize(12);
  first.parents.resize(12);
  first.stride = 5011;
  first.first_logit = 8;
  first.row_count = 16;
  first.logits.resize(8 + 16 * 5011 + 3);
  DeviceSampledBatch<Brain> on_device(first);
  cudaGraph_t graph = nullptr;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  check(on_device.launch(stream));
  check(cudaStreamEndCapture(stream, &graph));
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, graph, 0));
  for (int round = 0; round < 40; ++round) {
    SampledBatch<Brain> const other = draw();
    SampledBatch<Brain> batch = first;
    batch.parameters = other.parameters;
    batch.options = other.options;
    batch.offsets = other.offsets;
    std::ranges::copy(other.tokens, batch.tokens.begin());
    std::ranges::copy(other.parents, batch.parents.begin());
    for (std::size_t row = 0; row < other.row_count; ++row) std::ranges::copy(other.row(row), batch.row(row).begin());
    on_device.change(batch);
    on_device.poison_outputs();
    check(cudaGraphLaunch(executable, stream));
    stream.wait();
    REQUIRE(on_device.verdicts() == expected_verdicts(batch));
  }
  check(cudaGraphExecDestroy(executable));
  check(cudaGraphDestroy(graph));
}

TEST_CASE("stress: thousands of launches with poisoned outputs draw the same") {
  Random random(4);
  Stream const stream;
  auto const draw = [&] {
    return random_sampled_batch<Brain>(
        random, {.max_requests = 24, .max_draft_length = 10, .vocabulary = 20000, .trees = true, .right_in = 6});
  };
  SampledBatch<Brain> batch = draw();
  while (batch.request_count < 20) batch = draw();
  SampledVerdicts const expected = expected_verdicts(batch);
  DeviceSampledBatch<Brain> on_device(batch);
  for (int round = 0; round < 3000; ++round) {
    on_device.poison_outputs();
    check(on_device.launch(stream, {.tile = 4096 + 512 * (static_cast<std::uint32_t>(round) % 8),
                                    .skipping = round % 2 == 0 ? RowSkipping::always : RowSkipping::never}));
    stream.wait();
    REQUIRE(on_device.verdicts() == expected);
  }
}

TEST_CASE("whatever a batch holds, a launch that draws ends and stays in bounds") {
  Random random(5);
  Stream const stream;
  for (int round = 0; round < 100; ++round) {
    auto const batch = random_sampled_batch<Half>(
        random, {.max_requests = 5, .vocabulary = 200, .trees = round % 2 == 0, .right_in = 3});
    SampledBatch<Half> wrong = batch;
    for (std::int32_t& parent : wrong.parents)
      if (below(random, 8) == 0) parent = static_cast<std::int32_t>(random());
    for (Token& token : wrong.tokens)
      if (below(random, 12) == 0) token = static_cast<Token>(random());
    for (std::int32_t& offset : wrong.offsets)
      if (below(random, 5) == 0) offset = static_cast<std::int32_t>(below(random, 12));
    for (SamplingParameters& parameters : wrong.parameters) {
      if (below(random, 3) == 0) parameters.filters.top_k = random();
      if (below(random, 3) == 0) parameters.filters.top_share = (std::uint64_t{random()} << 4U);
      if (below(random, 3) == 0)
        parameters.inverse_temperature = copyspec::detail::float_from_bits(static_cast<std::uint32_t>(random()));
    }
    DeviceSampledBatch<Half> on_device(batch);
    on_device.change(wrong);
    check(on_device.launch(stream, random_options(random, 200)));
    stream.wait();
    REQUIRE(on_device.verdicts() == host_verdicts(wrong));
    on_device.change(batch);
    on_device.poison_outputs();
    check(on_device.launch(stream, random_options(random, 200)));
    stream.wait();
    REQUIRE(on_device.verdicts() == expected_verdicts(batch));
  }
}

TEST_CASE("what a launch that draws cannot do is refused before it begins") {
  Random random(6);
  auto batch = random_sampled_batch<float>(random, {});
  DeviceSampledBatch<float> const good(batch);
  auto const refused = [&](auto const& spoil) {
    DraftBatchView drafts = good.batch().drafts();
    SamplingView sampling = good.sampling();
    Workspace workspace = good.batch().workspace();
    Scratch scratch = good.scratch();
    spoil(drafts, sampling, workspace, scratch);
    return sample_verify(good.batch().rows(), drafts, sampling, good.batch().outputs(), workspace, scratch, nullptr) ==
           cudaErrorInvalidValue;
  };
  CHECK_FALSE(refused([](auto&, auto&, auto&, auto&) {}));
  CHECK_FALSE(refused([](auto&, auto& sampling, auto&, auto&) { sampling.logprobs = nullptr; }));
  CHECK(refused([](auto&, auto& sampling, auto&, auto&) { sampling.parameters = nullptr; }));
  CHECK(refused([](auto& drafts, auto&, auto&, auto&) { drafts.limits.max_draft_length = 2049; }));
  CHECK(refused([](auto&, auto&, auto& workspace, auto&) { workspace.bytes -= 1; }));
  CHECK(refused([](auto&, auto&, auto& workspace, auto&) { workspace.data = nullptr; }));
  CHECK(refused([](auto&, auto&, auto&, auto& scratch) { scratch.bytes -= 1; }));
  CHECK(refused([](auto&, auto&, auto&, auto& scratch) { scratch.data = nullptr; }));
  check(cudaDeviceSynchronize());
}
