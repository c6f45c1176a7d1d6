// SPDX-License-Identifier: MIT
#include "host_verdicts.hpp"

#include "batch.hpp"
#include "host_verify.hpp"

Verdicts host_verdicts(Batch<float> const& batch) {
  return host_verify(batch).verdicts;
}

Verdicts host_verdicts(Batch<Half> const& batch) {
  return host_verify(batch).verdicts;
}

Verdicts host_verdicts(Batch<Brain> const& batch) {
  return host_verify(batch).verdicts;
}
