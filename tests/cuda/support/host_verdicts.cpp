// SPDX-License-Identifier: MIT
#include "host_verdicts.hpp"

#include "batch.hpp"
#include "host_sample.hpp"
#include "host_verify.hpp"
#include "sampled_batch.hpp"

Verdicts host_verdicts(Batch<float> const& batch) {
  return host_verify(batch).verdicts;
}

Verdicts host_verdicts(Batch<Half> const& batch) {
  return host_verify(batch).verdicts;
}

Verdicts host_verdicts(Batch<Brain> const& batch) {
  return host_verify(batch).verdicts;
}

SampledVerdicts host_verdicts(SampledBatch<float> const& batch) {
  return host_sample(batch).verdicts;
}

SampledVerdicts host_verdicts(SampledBatch<Half> const& batch) {
  return host_sample(batch).verdicts;
}

SampledVerdicts host_verdicts(SampledBatch<Brain> const& batch) {
  return host_sample(batch).verdicts;
}
