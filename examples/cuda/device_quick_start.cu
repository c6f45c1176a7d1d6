// SPDX-License-Identifier: MIT
// Decodes with a model whose rows never leave the device, plainly and by copying.
#include <cuda_runtime.h>

#include <algorithm>
#include <copyspec/cuda/device_greedy_verifier.cuh>
#include <copyspec/decode/composer.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <cstdio>
#include <exception>
#include <vector>

#include "toy_device_model.cuh"

namespace {

void print(char const* name, copyspec::SequenceCounters const& counters) {
  std::printf("%-8s %zu tokens in %zu passes, %zu drafted, %zu accepted\n", name, counters.generated,
              counters.decode_passes, counters.drafted, counters.accepted);
}

int run() {
  cudaStream_t const stream = cudaStreamPerThread;
  ToyDeviceModel model(stream);
  std::vector<copyspec::Token> const prompt = {7, 1, 8, 2};

  copyspec::Composer plain(model, copyspec::NoProposer(), copyspec::cuda::DeviceGreedyVerifier({.stream = stream}));
  auto const expected = plain.generate(prompt, {.max_new_tokens = 256});
  std::vector<copyspec::Token> const said(expected.begin(), expected.end());

  copyspec::Composer copying(model, copyspec::CopyProposer(), copyspec::cuda::DeviceGreedyVerifier({.stream = stream}));
  auto const answer = copying.generate(prompt, {.max_new_tokens = 256});

  print("plain:", plain.sequence(copyspec::SequenceId{0}).counters());
  print("copying:", copying.sequence(copyspec::SequenceId{0}).counters());
  bool const identical = std::ranges::equal(said, answer);
  std::printf("identical: %s\n", identical ? "true" : "false");
  return identical ? 0 : 1;
}

}  // namespace

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("this needs a machine with a GPU");
    return 1;
  }
  try {
    return run();
  } catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
