// SPDX-License-Identifier: MIT
#include <copyspec/cuda/greedy_verify.cuh>

// What is refused before anything is launched needs no device.
int main() {
  copyspec::cuda::VerifyLimits const limits{.max_requests = 1, .max_draft_length = 10};
  copyspec::cuda::Workspace const workspace{nullptr, copyspec::cuda::greedy_verify_workspace_bytes(limits)};
  cudaError_t const error = copyspec::cuda::greedy_verify(copyspec::DeviceLogitsView<__nv_bfloat16>(),
                                                          {.limits = limits}, {}, workspace, nullptr);
  return error == cudaErrorInvalidValue && workspace.bytes == 11 * 16 + 4 ? 0 : 1;
}
