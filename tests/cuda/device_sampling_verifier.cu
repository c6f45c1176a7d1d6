// SPDX-License-Identifier: MIT
#include <copyspec/cuda/device_sampling_verifier.cuh>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/decode/composer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "cuda/support/device_memory.hpp"
#include "cuda/support/sampled_batch.hpp"
#include "examples/cuda/toy_device_model.cuh"

using copyspec::BatchVerifier;
using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::DeviceLogitsView;
using copyspec::NoProposer;
using copyspec::SamplingOptions;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerifyInput;
using copyspec::cuda::DeviceSamplingVerifier;

static_assert(BatchVerifier<DeviceSamplingVerifier, DeviceLogitsView<float>>);
static_assert(BatchVerifier<DeviceSamplingVerifier, DeviceLogitsView<__nv_bfloat16>>);

namespace {

using Tokens = std::vector<Token>;

template <class Proposer>
Tokens stream_of(Proposer proposer, SamplingOptions const& options, Token first, Stream const& stream) {
  ToyDeviceModel model(stream);
  Composer composer(model, std::move(proposer), DeviceSamplingVerifier(options, {.stream = stream}));
  auto const answer = composer.generate(Tokens{first, 1, 2}, {.max_new_tokens = 120});
  return {answer.begin(), answer.end()};
}

}  // namespace

TEST_CASE("the stream that is drawn with copying is that without, and the seed's") {
  Stream const stream;
  for (Token first = 0; first < 4; ++first) {
    for (SamplingOptions options : {SamplingOptions{.temperature = 0.5F, .seed = 3},
                                    SamplingOptions{.temperature = 2, .top_k = 5, .top_p = 0.9F, .seed = 4}}) {
      Tokens const plain = stream_of(NoProposer(), options, first, stream);
      CHECK(stream_of(CopyProposer(), options, first, stream) == plain);
      options.seed = *options.seed + 100;
      if (options.temperature > 1) CHECK(stream_of(CopyProposer(), options, first, stream) != plain);
    }
  }
}

TEST_CASE("verdicts are those of the rows, at the positions of the sequences") {
  Stream const stream;
  std::mt19937 random(1);
  SamplingOptions const options{.temperature = 1.5F, .top_k = 20, .seed = 11};
  DeviceSamplingVerifier verifier(options, {.stream = stream, .sequences = 1, .draft_length = 1});
  for (std::size_t round = 1; round < 30; ++round) {
    std::size_t const vocabulary = 50 * round;
    std::vector<float> host(3 * vocabulary);
    for (float& logit : host) logit = std::normal_distribution<float>(0, 3)(random);
    DeviceArray<float> const logits(host);
    Tokens const tokens(round + 2, 1);
    std::vector<VerifyInput> const trials = {{SequenceId{0}, tokens, round + 1}, {SequenceId{1}, tokens, round + 2}};
    std::vector<Verdict> verdicts(2);
    verifier.verify(DeviceLogitsView<float>(logits.data(), 3, vocabulary), trials, verdicts);
    auto const drawn = [&](std::size_t row, std::size_t position) {
      return PlainSampler::draw(std::span<float const>(host).subspan(row * vocabulary, vocabulary), options,
                                copyspec::cuda::SamplingParameters::of(options, position), position)
          .value();
    };
    Token const first = drawn(0, round + 1);
    CHECK(verdicts[0].accepted == (first == 1 ? 1 : 0));
    CHECK(verdicts[0].next == (first == 1 ? drawn(1, round + 2) : first));
    CHECK(verdicts[1].next == drawn(2, round + 2));
  }
}

TEST_CASE("where no seed is named, turns are drawn independently") {
  Stream const stream;
  DeviceSamplingVerifier verifier({}, {.stream = stream, .sequences = 2, .draft_length = 1});
  DeviceArray<float> const logits(std::vector<float>(2 * 16, 1.0F));
  Tokens const tokens{1, 2};
  std::vector<VerifyInput> const inputs = {{SequenceId{0}, tokens, 2}, {SequenceId{1}, tokens, 2}};
  std::vector<Verdict> verdicts(2);
  std::set<Token> drawn;
  std::size_t alike = 0;
  for (int turn = 0; turn < 24; ++turn) {
    for (VerifyInput const& input : inputs) verifier.on_turn_begin(input.sequence, tokens, 0);
    verifier.verify(DeviceLogitsView<float>(logits.data(), 2, 16), inputs, verdicts);
    Token const first = verdicts[0].next;
    drawn.insert(first);
    alike += first == verdicts[1].next ? 1U : 0U;
    if (turn == 0) verifier.verify(DeviceLogitsView<float>(logits.data(), 2, 16), inputs, verdicts);
    CHECK(verdicts[0].next == first);
    for (VerifyInput const& input : inputs) verifier.on_turn_end(input.sequence, tokens, 2);
  }
  CHECK(drawn.size() > 4);
  CHECK(alike < 12);
}

TEST_CASE("what only the host can do is refused") {
  CHECK_THROWS_AS(DeviceSamplingVerifier({.typical_p = 0.5F}), copyspec::Error);
  CHECK_THROWS_AS(DeviceSamplingVerifier({.penalties = {.repetition = 1.1F}}), copyspec::Error);
  CHECK_THROWS_AS(DeviceSamplingVerifier({.logit_bias = {{3, 1.0F}}}), copyspec::Error);
  CHECK_THROWS_AS(DeviceSamplingVerifier({.logprobs = 0}), copyspec::Error);
  CHECK_THROWS_AS(DeviceSamplingVerifier({.hooks = [](std::size_t) { return copyspec::RowHooks(); }}), copyspec::Error);
  CHECK_THROWS_AS(DeviceSamplingVerifier({.temperature = -1}), copyspec::Error);
}
