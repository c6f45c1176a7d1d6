// SPDX-License-Identifier: MIT
#include <copyspec/cuda/device_greedy_verifier.cuh>

#include <doctest/doctest.h>

#include <copyspec/decode/composer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/model/model.hpp>
#include <copyspec/testing/compare_with_greedy.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "cuda/support/batch.hpp"
#include "cuda/support/device_memory.hpp"
#include "examples/cuda/toy_device_model.cuh"
#include "examples/cuda/toy_language.cuh"

using copyspec::BatchVerifier;
using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::DeviceLogitsView;
using copyspec::LogitsView;
using copyspec::NoProposer;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;
using copyspec::VerifyInput;
using copyspec::cuda::DeviceGreedyVerifier;

static_assert(BatchVerifier<DeviceGreedyVerifier, DeviceLogitsView<float>>);
static_assert(BatchVerifier<DeviceGreedyVerifier, DeviceLogitsView<__nv_bfloat16>>);
static_assert(!BatchVerifier<DeviceGreedyVerifier, LogitsView<float>>);

namespace {

using Tokens = std::vector<Token>;

// The model of the example, with its rows on the host.
class ToyHostModel {
 public:
  [[nodiscard]] std::size_t vocabulary_size() const { return ToyLanguage::vocabulary; }
  [[nodiscard]] std::size_t max_tokens() const { return ToyLanguage::max_tokens; }
  [[nodiscard]] std::size_t context_limit() const { return ToyLanguage::context_limit; }

  LogitsView<float> forward(std::span<Segment const> batch) {
    logits_.clear();
    std::span<std::uint64_t const> const states = language_.feed(batch);
    for (std::uint64_t const state : states)
      for (std::uint32_t token = 0; token < ToyLanguage::vocabulary; ++token)
        logits_.push_back(ToyLanguage::logit(state, token));
    return {logits_.data(), states.size(), ToyLanguage::vocabulary};
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) { return language_.truncate(sequence, length); }

 private:
  ToyLanguage language_;
  std::vector<float> logits_;
};

}  // namespace

TEST_CASE("a stream from rows on the device is that of greedy decoding on the host") {
  Stream const stream;
  for (Token first = 0; first < 4; ++first) {
    Tokens const prompt = {first, 1, 2};
    ToyHostModel host;
    ToyDeviceModel device(stream);
    REQUIRE(host.vocabulary_size() == device.vocabulary_size());
    std::size_t accepted = 0;
    auto const copying = [&](std::span<Token const> given) {
      Composer composer(device, CopyProposer(), DeviceGreedyVerifier({.stream = stream}));
      auto const answer = composer.generate(given, {.max_new_tokens = 120});
      accepted = composer.sequence(SequenceId{0}).counters().accepted;
      return Tokens(answer.begin(), answer.end());
    };
    auto const plain = [&](std::span<Token const> given) {
      Composer composer(device, NoProposer(), DeviceGreedyVerifier({.stream = stream}));
      auto const answer = composer.generate(given, {.max_new_tokens = 120});
      return Tokens(answer.begin(), answer.end());
    };
    CHECK(copyspec::testing::compare_with_greedy(host, prompt, copying, {.max_new_tokens = 120}).identical());
    CHECK(copyspec::testing::compare_with_greedy(host, prompt, plain, {.max_new_tokens = 120}).identical());
    CHECK(accepted > 20);
  }
}

TEST_CASE("sequences in one composer say what they say alone, in more memory than was set aside") {
  Stream const stream;
  ToyDeviceModel model(stream);
  Composer together(model, CopyProposer(), DeviceGreedyVerifier({.stream = stream, .sequences = 1, .draft_length = 1}));
  for (Token i = 0; i < 9; ++i) together.begin(SequenceId{i}, Tokens{i, 3}, {.max_new_tokens = 60});
  together.run();
  for (Token i = 0; i < 9; ++i) {
    ToyDeviceModel own(stream);
    Composer alone(own, NoProposer(), DeviceGreedyVerifier({.stream = stream}));
    auto const said = alone.generate(Tokens{i, 3}, {.max_new_tokens = 60});
    auto const same = together.sequence(SequenceId{i}).generated();
    CHECK(Tokens(said.begin(), said.end()) == Tokens(same.begin(), same.end()));
  }
}

TEST_CASE("a row without a token is a verdict, a token that is none is an error") {
  Stream const stream;
  DeviceArray<float> const logits(std::vector<float>{0, 1, special<float>(not_a_number), 0});
  DeviceLogitsView<float> const rows(logits.data(), 2, 2);
  DeviceGreedyVerifier verifier({.stream = stream});
  DeviceGreedyVerifier moved = std::move(verifier);
  std::vector<Verdict> verdicts(1);
  Tokens tokens = {5, 1};
  std::vector<VerifyInput> const trials = {{SequenceId{0}, tokens, 1}};
  moved.verify(rows, trials, verdicts);
  CHECK(verdicts[0].accepted == 1);
  CHECK(verdicts[0].status == VerdictStatus::invalid_row);
  tokens[1] = 2;
  CHECK_THROWS_AS(moved.verify(rows, trials, verdicts), copyspec::Error);
  tokens[1] = 0;
  moved.verify(rows, trials, verdicts);
  CHECK(verdicts[0].accepted == 0);
  CHECK(verdicts[0].next == 1);
  CHECK(verdicts[0].status == VerdictStatus::ok);
}
