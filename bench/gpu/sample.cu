// SPDX-License-Identifier: MIT
// Measures verification by drawing on a device beside what it is held against, and prints lines of JSON.
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <copyspec/cuda/greedy_verify.cuh>
#include <copyspec/cuda/sample_verify.cuh>
#include <copyspec/verify/sampling_options.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "device_buffer.hpp"
#include "measure.hpp"
#include "record.hpp"
#include "sampled_workload.cuh"
#if defined(COPYSPEC_FLASHINFER)
#include "flashinfer_sampler.cuh"
#endif

namespace {

using copyspec::SamplingOptions;
using copyspec::Token;
using copyspec::cuda::BatchVerdict;
using copyspec::cuda::DraftBatchView;
using copyspec::cuda::SamplingParameters;
using copyspec::cuda::VerifyStatus;
using copyspec::cuda::Workspace;

struct Way {
  char const* name;
  SamplingOptions options;
};

void expect_right(DeviceBuffer<BatchVerdict> const& verdicts, std::vector<Token> const& drawn, Shape const& shape) {
  std::vector<BatchVerdict> const found = verdicts.download();
  for (std::size_t request = 0; request < found.size(); ++request)
    if (found[request].status != VerifyStatus::ok ||
        found[request].accepted != static_cast<std::int32_t>(shape.accepted) ||
        found[request].next != drawn[request * (shape.drafted + 1) + shape.accepted])
      throw std::runtime_error("wrong verdict on request " + std::to_string(request));
}

#if defined(COPYSPEC_FLASHINFER)
// It draws another sample, so only that it draws tokens can be asked.
void expect_drawn(DeviceBuffer<BatchVerdict> const& verdicts, Shape const& shape) {
  for (BatchVerdict const& verdict : verdicts.download())
    if (verdict.accepted < 0 || verdict.accepted > static_cast<std::int32_t>(shape.drafted) || verdict.next < 0 ||
        verdict.next >= static_cast<Token>(shape.vocabulary))
      throw std::runtime_error("no token was drawn");
}
#endif

template <class Scalar>
void measure_shape(Shape const& shape, char const* scalar) {
  std::size_t const bytes = shape.rows() * shape.vocabulary * sizeof(Scalar);
  std::size_t const copies = copies_of(bytes);
  SampledWorkload<Scalar> const workload(shape, copies);
  DeviceBuffer<BatchVerdict> const verdicts(shape.requests);
  DeviceBuffer<Token> const emitted(shape.rows());
  DeviceBuffer<float> const logprobs(shape.rows());
  std::vector<std::int32_t> begins;
  for (std::uint32_t i = 0; i <= shape.requests; ++i) begins.push_back(static_cast<std::int32_t>(i * shape.drafted));
  DeviceBuffer<std::int32_t> const offsets(begins);
  DraftBatchView drafts;
  drafts.offsets = offsets.data();
  drafts.token_capacity = shape.requests * shape.drafted;
  drafts.limits = {.max_requests = shape.requests, .max_draft_length = shape.drafted};
  DeviceBuffer<unsigned char> const memory(copyspec::cuda::greedy_verify_workspace_bytes(drafts.limits));
  DeviceBuffer<unsigned char> const scratch(
      copyspec::cuda::sample_verify_scratch_bytes<Scalar>(drafts.limits, shape.vocabulary));
  Workspace const workspace{memory.data(), memory.size()};

  auto const measure_both = [&](char const* what, auto const& call) {
    print_record(what, shape, scalar, true, bytes,
                 measure(hot_calls, [&](std::size_t, cudaStream_t stream) { call(0, stream); }));
    print_record(what, shape, scalar, false, bytes, measure(copies < 256 ? copies : 256, call));
  };
  for (Way const& way : {Way{"top-k 50, top-p 0.9", {.top_k = 50, .top_p = 0.9F}}, Way{"no filter", {}},
                         Way{"top-p 0.9", {.top_p = 0.9F}}, Way{"min-p 0.05", {.min_p = 0.05F}},
                         Way{"top-k 50, top-p 0.9, logprobs", {.top_k = 50, .top_p = 0.9F, .logprobs = 0}},
                         Way{"greedy", {.temperature = 0}}}) {
    std::vector<Token> const drawn = workload.drawn(way.options);
    DeviceBuffer<Token> const tokens(workload.drafts(drawn));
    drafts.tokens = tokens.data();
    DeviceBuffer<SamplingParameters> const parameters(workload.parameters(way.options));
    auto const verify = [&](std::size_t copy, cudaStream_t stream) {
      check(copyspec::cuda::sample_verify(workload.rows(copy), drafts,
                                          {.parameters = parameters.data(), .logprobs = logprobs.data()},
                                          {.verdicts = verdicts.data(), .emitted = emitted.data()}, workspace,
                                          {scratch.data(), scratch.size()}, stream));
    };
    check(cudaMemset(verdicts.data(), 0xEE, verdicts.size() * sizeof(BatchVerdict)));
    check(cudaDeviceSynchronize());
    verify(0, nullptr);
    expect_right(verdicts, drawn, shape);
    measure_both(way.name, verify);
    expect_right(verdicts, drawn, shape);
#if defined(COPYSPEC_FLASHINFER)
    if (way.options.top_k == 50 && !way.options.logprobs) {
      // What it cannot do is no reason to measure nothing else.
      try {
        FlashInferSampler peer(shape);
        auto const enqueue = [&](std::size_t copy, cudaStream_t stream) {
          peer.enqueue(workload.rows(copy), tokens.data(), verdicts.data(), 50, 0.9F, stream);
        };
        enqueue(0, nullptr);
        expect_drawn(verdicts, shape);
        measure_both("flashinfer", enqueue);
      } catch (std::exception const& error) {
        std::fprintf(stderr, "flashinfer: %s\n", error.what());
      }
    }
#endif
  }
}

void run() {
  for (auto const& [vocabulary, requests] : {std::pair{151936U, 1U}, {151936U, 8U}, {128256U, 8U}, {128256U, 64U}}) {
    for (std::uint32_t const accepted : {3U, 10U}) {
      Shape const shape{.requests = requests, .drafted = 10, .accepted = accepted, .vocabulary = vocabulary};
      measure_shape<__nv_bfloat16>(shape, "bf16");
      measure_shape<float>(shape, "fp32");
    }
  }
}

}  // namespace

int main() {
  try {
    run();
    return 0;
  } catch (std::exception const& error) {
    std::fprintf(stderr, "copyspec-gpu-sample-bench: %s\n", error.what());
    return 1;
  }
}
