// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_turn.hpp>

#include <cstddef>
#include <utility>

namespace copyspec_test {

// For hooks without a state: the same for each turn.
inline copyspec::RowHooksFactory each_turn(copyspec::RowHooks hooks) {
  return [hooks = std::move(hooks)](std::size_t) { return hooks; };
}

// A verifier in a turn with these options, after a context of one token.
template <class Verifier>
Verifier in_turn(copyspec::SamplingOptions const& options, std::size_t vocabulary) {
  Verifier verifier;
  verifier.begin_turn({.options = &options, .vocabulary = vocabulary, .answer = 1});
  return verifier;
}

}  // namespace copyspec_test
