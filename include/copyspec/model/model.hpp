// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>

#include "../core/version.hpp"
#include "engine.hpp"
#include "logits.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// A language model with batched logits: one pass feeds many sequences of different lengths and returns only the
/// requested rows.
///
/// | expression             | returns             | meaning |
/// |------------------------|---------------------|---------|
/// | `vocabulary_size()`    | `std::size_t`       | length of a row; token ids are 0 to `vocabulary_size() - 1` |
/// | `max_tokens()`         | `std::size_t` >= 1  | most tokens fed in one pass, over all segments |
/// | `context_limit()`      | `std::size_t` >= 1  | most tokens held for one sequence |
/// | `forward(batch)`       | `LogitsView<Scalar>`| feeds the segments; returns the requested rows, in batch order |
/// | `truncate(s, length)`  | `std::size_t`       | forgets all but the first `length` tokens of `s`; returns how many are still held |
///
/// Preconditions of `forward`: at least one segment, at most one per sequence, none empty, ids and totals within the
/// limits above. A sequence that was never fed holds nothing. `truncate(s, 0)` forgets the sequence, releases what it
/// held and returns 0. `length` may exceed the number of tokens held; then nothing changes.
///
/// Laws (`testing/model_laws.hpp` checks them for any model):
///  - *causal*: the row after a token is a function of the tokens up to it, in this sequence alone.
///  - *chunks*: feeding tokens in several passes gives the rows that one pass gives.
///  - *batching*: a segment's rows do not depend on the other segments, on its place in the batch, or on which rows are
///    requested.
///  - *rewind*: after `truncate`, forgotten tokens do not influence later rows.
///  - *isolation*: feeding or truncating one sequence does not change any other.
///
/// Engines round differently for each batch shape, so for them equal rows means equal up to rounding. See
/// docs/losslessness.md for the consequences.
///
/// `truncate` may hold *fewer* tokens than requested, if the engine can only roll back to a checkpoint; it never holds
/// more. The caller feeds the missing tokens again.
///
/// Failure: `forward` may throw. It may then have appended some of the tokens it was given, but has lost none that it
/// held: `truncate` to the earlier length recovers. `truncate` may throw unless `length` is zero, and then has changed
/// nothing.
///
/// Lifetime: the view is valid until the next call of either function. Tokens are read during the call only.
///
/// Threads: one call at a time.
template <class M>
concept Model = Engine<M> && std::same_as<LogitsOf<M>, LogitsView<typename LogitsOf<M>::Scalar>>;

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
