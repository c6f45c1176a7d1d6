// SPDX-License-Identifier: MIT
#pragma once

#include "batch.hpp"
#include "sampled_batch.hpp"

/// What the host decides about `batch`, malformed or not: the rules of the kernels, compiled by the host's compiler.
[[nodiscard]] Verdicts host_verdicts(Batch<float> const& batch);
[[nodiscard]] Verdicts host_verdicts(Batch<Half> const& batch);
[[nodiscard]] Verdicts host_verdicts(Batch<Brain> const& batch);

/// The same of what is drawn.
[[nodiscard]] SampledVerdicts host_verdicts(SampledBatch<float> const& batch);
[[nodiscard]] SampledVerdicts host_verdicts(SampledBatch<Half> const& batch);
[[nodiscard]] SampledVerdicts host_verdicts(SampledBatch<Brain> const& batch);
