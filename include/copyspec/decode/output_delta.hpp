// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../verify/logprobs.hpp"
#include "sequence.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The new output of one sequence after a pass: tokens that may be shown now, and the source of each. The spans are
/// valid during the call. The last delta of a turn has a `status` other than `running`, and may have no tokens.
struct OutputDelta {
  SequenceId sequence{};
  std::span<Token const> tokens;
  std::span<Source const> sources;
  LogprobsView logprobs;  ///< Of each token, if the turn requested them.
  SequenceStatus status = SequenceStatus::idle;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
