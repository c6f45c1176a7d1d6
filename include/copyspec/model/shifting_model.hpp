// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "engine.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// An `Engine` that removes tokens from the middle of a sequence (context shift, as llama.cpp and StreamingLLM have
/// it).
///
/// `shift(sequence, first, count)` forgets `count` tokens from position `first` on, all of which it holds, and moves
/// those after them to the positions that became free. Returns how many tokens it holds of the sequence then: all
/// that are left, or fewer, as `truncate` does. If it throws, as one that cannot shift does, it has changed nothing.
///
/// This is not lossless: what was computed for the later tokens still depends on those that were removed. An engine
/// without `shift` does the same without loss if the caller truncates to `first` and feeds the rest again.
template <class M>
concept ShiftingModel = Engine<M> && requires(M& model, SequenceId sequence, std::size_t length) {
  { model.shift(sequence, length, length) } -> std::integral;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
