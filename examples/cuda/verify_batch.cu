// SPDX-License-Identifier: MIT
// Verifies the drafts of two requests as an engine with its own batching loop would, by the greatest logits and by
// drawing, and prints the verdicts.
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <copyspec/cuda/greedy_verify.cuh>
#include <copyspec/cuda/sample_verify.cuh>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace {

using namespace copyspec::cuda;

// Memory that host and device share, so that the example is short. Zero; freed with the process.
template <class T>
T* shared(std::size_t count) {
  void* memory = nullptr;
  if (cudaMallocManaged(&memory, count * sizeof(T)) != cudaSuccess) return nullptr;
  cudaMemset(memory, 0, count * sizeof(T));
  cudaDeviceSynchronize();
  return static_cast<T*>(memory);
}

cudaError_t print(BatchVerdict const* verdicts, cudaStream_t stream) {
  if (cudaError_t const error = cudaStreamSynchronize(stream); error != cudaSuccess) return error;
  for (int request = 0; request < 2; ++request)
    std::printf("request %d: %d accepted, then %d\n", request, verdicts[request].accepted, verdicts[request].next);
  return cudaSuccess;
}

cudaError_t run(cudaStream_t stream) {
  constexpr std::size_t vocabulary = 1000;
  constexpr std::size_t stride = 1024;
  auto* const offsets = shared<std::int32_t>(3);
  auto* const tokens = shared<copyspec::Token>(20);
  auto* const logits = shared<__nv_bfloat16>(22 * stride);
  auto* const verdicts = shared<BatchVerdict>(2);
  auto* const emitted = shared<copyspec::Token>(2 * 11);
  VerifyLimits const limits{.max_requests = 2, .max_draft_length = 10};
  std::size_t const bytes = greedy_verify_workspace_bytes(limits);
  Workspace const workspace{shared<unsigned char>(bytes), bytes};
  if (emitted == nullptr || workspace.data == nullptr) return cudaErrorMemoryAllocation;
  if (cudaError_t const error = initialize(workspace, stream); error != cudaSuccess) return error;

  // Request 0 drafts 5, 6; request 1 drafts 7. The rows say 5, 9, 3 and 7, 8.
  offsets[1] = 2;
  offsets[2] = 3;
  for (int i = 0; i < 3; ++i) tokens[i] = 5 + i;
  copyspec::Token const best[] = {5, 9, 3, 7, 8};
  for (std::size_t row = 0; row < 5; ++row)
    logits[row * stride + static_cast<std::size_t>(best[row])] = __float2bfloat16(1.0F);

  DraftBatchView drafts;  // all pointers name memory that the device can read
  drafts.offsets = offsets;
  drafts.tokens = tokens;
  drafts.token_capacity = 20;
  drafts.limits = limits;
  copyspec::DeviceLogitsView<__nv_bfloat16> const rows(logits, 22, vocabulary, stride);
  VerdictBatchView const outputs{.verdicts = verdicts, .emitted = emitted};
  cudaError_t const launched = greedy_verify(rows, drafts, outputs, workspace, stream);
  if (launched != cudaSuccess) return launched;

  if (cudaError_t const error = print(verdicts, stream); error != cudaSuccess) return error;

  std::size_t const scratch_size = sample_verify_scratch_bytes<__nv_bfloat16>(limits, vocabulary);
  Scratch const scratch{shared<unsigned char>(scratch_size), scratch_size};
  auto* const parameters = shared<SamplingParameters>(2);
  auto* const logprobs = shared<float>(2 * 11);
  if (scratch.data == nullptr || parameters == nullptr || logprobs == nullptr) return cudaErrorMemoryAllocation;
  parameters[0] = SamplingParameters::of({.temperature = 0.7F, .top_k = 50, .top_p = 0.9F, .seed = 7}, 300);
  parameters[1] = SamplingParameters::of({.min_p = 0.1F, .seed = 8, .logprobs = 0}, 45);
  SamplingView const sampling{.parameters = parameters, .logprobs = logprobs};
  cudaError_t const drawn = sample_verify(rows, drafts, sampling, outputs, workspace, scratch, stream);
  if (drawn != cudaSuccess) return drawn;

  return print(verdicts, stream);
}

}  // namespace

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("this needs a machine with a GPU");
    return 1;
  }
  cudaError_t const error = run(cudaStreamPerThread);
  if (error != cudaSuccess) std::fprintf(stderr, "%s\n", cudaGetErrorString(error));
  return error == cudaSuccess ? 0 : 1;
}
