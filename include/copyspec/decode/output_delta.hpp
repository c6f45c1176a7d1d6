// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../verify/logprobs.hpp"
#include "sequence_status.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The new output of one sequence after a pass: tokens that may be shown now, and the source of each. The spans are
/// valid during the call, until the callback changes this sequence. The last delta of a turn has a `status` other than
/// `running`, and may have no tokens.
struct OutputDelta {
  SequenceId sequence{};
  std::span<Token const> tokens;
  std::span<Source const> sources;
  LogprobsView logprobs;  ///< Of each token, if the turn requested them.
  SequenceStatus status = SequenceStatus::idle;
  bool may_continue = false;      ///< `GenerateOptions::may_continue` of the turn.
  std::exception_ptr error = {};  ///< What was thrown, if the status is `failed`; otherwise null.
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
