// SPDX-License-Identifier: MIT
#pragma once

/// Verifiers: how much of a draft is accepted, and which token comes next.

// First, so that a compiler error names the wrong hook of a verifier in its first lines.
#include "verify/verifier_traits.hpp"

#include "verify/batch_verifier.hpp"
#include "verify/fresh_seed.hpp"
#include "verify/greedy_token.hpp"
#include "verify/greedy_verifier.hpp"
#include "verify/logprobs.hpp"
#include "verify/random_streams.hpp"
#include "verify/rejection_verifier.hpp"
#include "verify/sampling_options.hpp"
#include "verify/sampling_turn.hpp"
#include "verify/sampling_verifier.hpp"
#include "verify/token_sampler.hpp"
#include "verify/tree_verification.hpp"
#include "verify/verifier.hpp"
