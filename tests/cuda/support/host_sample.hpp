// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "copyspec/cuda/detail/sampling_rule.hpp"
#include "host_verify.hpp"
#include "sampled_batch.hpp"

/// How a sampled verification is run on the host.
struct SampledRun : HostRun {
  std::uint32_t list_capacity = 16;
};

/// What it leaves behind.
struct SampledOutcome {
  HostOutcome host;
  SampledVerdicts verdicts;
};

/// Runs `verify_tile` with a `SamplingRule` for every work item of `batch` on the host.
template <class Scalar>
[[nodiscard]] SampledOutcome host_sample(SampledBatch<Scalar> const& batch, SampledRun const& run = {}) {
  using namespace copyspec::cuda;
  using namespace copyspec::detail;
  SampledOutcome outcome;
  std::size_t const rows = workspace_rows(batch.limits);
  outcome.verdicts.logprobs.assign(rows, static_cast<float>(poison));
  std::vector<float> row_logprobs(rows, static_cast<float>(poison));
  std::vector<std::uint32_t> maxima;
  outcome.host = host_verify(
      batch, run,
      [&](VerifyGeometry const& geometry) {
        maxima.assign(rows * geometry.tiles * run.team_size, 0xDDDDDDDDU);
        return SamplingRule{
            .sampling = {.parameters = batch.parameters.data(), .logprobs = outcome.verdicts.logprobs.data()},
            .maxima = maxima.data(),
            .row_logprobs = row_logprobs.data(),
            .list_capacity = run.list_capacity};
      },
      candidate_bytes(run.list_capacity, run.team_size));
  outcome.verdicts.verdicts = outcome.host.verdicts;
  return outcome;
}
