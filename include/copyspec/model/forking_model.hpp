// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "engine.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// An `Engine` that copies what it holds of one sequence to another id.
///
/// `fork(from, to, length)` copies the first `length` tokens of `from`, of which it holds at least as many, to `to`, of
/// which it holds nothing. Returns how many tokens it holds of `to` then. Between a tree and its `keep`, `length`
/// covers no node.
///
/// Laws (`testing/model_laws.hpp` checks them):
///  - *copy*: afterwards `to` holds what it would hold if it had been fed these tokens.
///  - *isolation*: neither sequence changes the other from then on.
///
/// It may hold *fewer* tokens of `to` than requested, never more; the others are fed. If it throws, it has changed
/// nothing.
template <class M>
concept ForkingModel = Engine<M> && requires(M& model, SequenceId sequence, std::size_t length) {
  { model.fork(sequence, sequence, length) } -> std::integral;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
