// SPDX-License-Identifier: MIT
#include <copyspec/cuda/device_verifier.cuh>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/cuda/greedy_verify.cuh>
#include <copyspec/model/engine.hpp>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "cuda/support/device_memory.hpp"

using copyspec::DeviceLogitsView;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerifyInput;
using copyspec::cuda::DeviceVerifier;
using copyspec::cuda::DraftBatchView;
using copyspec::cuda::Scratch;
using copyspec::cuda::VerdictBatchView;
using copyspec::cuda::VerifyLimits;
using copyspec::cuda::Workspace;

namespace {

using Tokens = std::vector<Token>;

// What a verifier gave its method at the last launch, and what the launch is to return unless it succeeds.
struct Launch {
  VerifyLimits limits;
  Workspace workspace;
  Scratch scratch;
  cudaError_t error = cudaSuccess;
};

struct RecordingMethod {
  static constexpr std::size_t request_bytes = 8;

  static void stage(std::span<VerifyInput const> trials, unsigned char* memory) {
    std::memset(memory, 0xEE, trials.size() * request_bytes);
  }

  template <class Scalar>
  [[nodiscard]] static std::size_t scratch_bytes(VerifyLimits const& limits, std::size_t vocabulary) {
    return limits.max_requests * vocabulary;
  }

  template <class Scalar>
  [[nodiscard]] cudaError_t launch(DeviceLogitsView<Scalar> rows, DraftBatchView const& drafts,
                                   unsigned char const* /*staged*/, VerdictBatchView const& verdicts,
                                   Workspace workspace, Scratch scratch, cudaStream_t stream) const {
    last->limits = drafts.limits;
    last->workspace = workspace;
    last->scratch = scratch;
    if (last->error != cudaSuccess) return last->error;
    return copyspec::cuda::greedy_verify(rows, drafts, verdicts, workspace, stream);
  }

  Launch* last;
};

}  // namespace

TEST_CASE("a verifier allocates for a pass larger than any before, and for no other") {
  Stream const stream;
  std::vector<float> host;
  for (int row = 0; row < 8; ++row) host.insert(host.end(), {0, 1});
  DeviceArray<float> const logits(host);
  Tokens const tokens = {0, 1};
  Launch last;
  DeviceVerifier<RecordingMethod> verifier({.stream = stream, .sequences = 2, .draft_length = 1}, {&last});
  auto const verify = [&](std::uint32_t sequences) {
    std::vector<VerifyInput> trials;
    for (std::uint32_t i = 0; i < sequences; ++i) trials.push_back({SequenceId{static_cast<Token>(i)}, tokens, 1});
    std::vector<Verdict> verdicts(sequences);
    verifier.verify(DeviceLogitsView<float>(logits.data(), 2 * std::size_t{sequences}, 2), trials, verdicts);
    for (Verdict const& verdict : verdicts) {
      CHECK(verdict.accepted == 1);
      CHECK(verdict.next == 1);
    }
    CHECK(last.limits.max_requests == sequences);
    CHECK(last.limits.max_draft_length == 1);
    CHECK(last.scratch.bytes >= 2 * std::size_t{sequences});
    return last;
  };
  Launch const two = verify(2);
  Launch const one = verify(1);
  CHECK(one.workspace.data == two.workspace.data);
  CHECK(one.scratch.data == two.scratch.data);
  Launch const four = verify(4);
  CHECK(four.workspace.bytes == 2 * two.workspace.bytes);
  CHECK(four.scratch.bytes == 2 * two.scratch.bytes);
  Launch const three = verify(3);
  CHECK(three.workspace.data == four.workspace.data);
  CHECK(three.scratch.data == four.scratch.data);
}

TEST_CASE("a draft too long for a launch, and what CUDA refuses, are errors") {
  Stream const stream;
  DeviceArray<float> const logits(std::vector<float>{0, 1, 0, 1});
  DeviceLogitsView<float> const rows(logits.data(), 2, 2);
  Launch last;
  DeviceVerifier<RecordingMethod> verifier({.stream = stream}, {&last});
  std::vector<Verdict> verdicts(1);
  Tokens const longer(copyspec::detail::longest_draft + 2, 1);
  std::vector<VerifyInput> const too_long = {{SequenceId{0}, longer, 1}};
  CHECK_THROWS_AS(verifier.verify(rows, too_long, verdicts), copyspec::Error);
  Tokens const tokens = {0, 1};
  std::vector<VerifyInput> const trials = {{SequenceId{0}, tokens, 1}};
  last.error = cudaErrorInvalidValue;
  CHECK_THROWS_AS(verifier.verify(rows, trials, verdicts), copyspec::Error);
  last.error = cudaSuccess;
  verifier.verify(rows, trials, verdicts);
  CHECK(verdicts[0].accepted == 1);
}
