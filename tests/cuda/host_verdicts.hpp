// SPDX-License-Identifier: MIT
#pragma once

#include "batch.hpp"

/// What the host decides about `batch`, malformed or not: the rules of the kernels, compiled by the host's compiler.
[[nodiscard]] Verdicts host_verdicts(Batch<float> const& batch);
[[nodiscard]] Verdicts host_verdicts(Batch<Half> const& batch);
[[nodiscard]] Verdicts host_verdicts(Batch<Brain> const& batch);
