// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/decode/sequence.hpp>
#include <copyspec/decode/stop.hpp>
#include <copyspec/verify/logprobs.hpp>

#include <cstddef>
#include <limits>
#include <vector>

#include "tokens.hpp"
#include "toy_language.hpp"

namespace copyspec_test {

using copyspec::SequenceStatus;
using copyspec::StopRules;
using copyspec::TokenLogprob;

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

// What a turn must say.
struct Plain {
  Tokens tokens;
  std::vector<TokenLogprob> logprobs;
  SequenceStatus status = SequenceStatus::length;
  std::size_t shown = 0;  // tokens before the stop
};

// One token a pass: what everything is held against.
Plain decode_plainly(ToyLanguage options, Tokens const& context, std::size_t budget, StopRules const& rules = {});

}  // namespace copyspec_test
