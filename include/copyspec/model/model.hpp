// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>

#include "../core/version.hpp"
#include "engine.hpp"
#include "logits.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// A language model with batched logits: many sequences of different lengths in one pass, rows only where asked.
///
/// | expression             | returns             | meaning |
/// |------------------------|---------------------|---------|
/// | `vocabulary_size()`    | `std::size_t`       | length of a row; token ids are 0 to this less one |
/// | `max_tokens()`         | `std::size_t` >= 1  | most tokens fed in one pass, all segments together |
/// | `context_limit()`      | `std::size_t` >= 1  | most tokens held for one sequence |
/// | `forward(batch)`       | `LogitsView<Scalar>`| feeds the segments; the rows asked for, in batch order |
/// | `truncate(s, length)`  | `std::size_t`       | forgets all but the first `length` tokens of `s`; returns how many are still held |
///
/// Preconditions of `forward`: at least one segment, at most one a sequence, none empty, ids and totals within the
/// limits above. A sequence that was never fed holds nothing. `truncate(s, 0)` forgets the sequence, returns 0 and
/// releases what it held; `length` may exceed what is held, and then nothing happens.
///
/// Laws (`testing/model_laws.hpp` checks them on any model):
///  - *causal*: the row after a token is a function of the tokens up to it, in this sequence alone.
///  - *chunks*: feeding tokens in several passes gives the rows that one pass gives.
///  - *batching*: a segment's rows do not depend on the other segments, on its place, or on the rows asked for.
///  - *rewind*: after `truncate`, what was forgotten has no influence on later rows.
///  - *isolation*: feeding or truncating one sequence leaves every other as it was.
/// Engines round differently per batch shape, so for them "the rows" means up to rounding; see docs/losslessness.md
/// for what follows from that.
///
/// `truncate` may hold *fewer* tokens than asked, when the engine can only go back to a checkpoint; never more. What
/// it lost is fed again.
///
/// Failure: `forward` may throw. It may then have appended some of the tokens it was given, but has lost none that it
/// held: `truncate` to the earlier length recovers. `truncate` may throw, and has then changed nothing; to zero it does
/// not. Lifetime: the view is valid until the next call of either function. Tokens are read during the call only.
/// Threads: one call at a time.
template <class M>
concept Model = Engine<M> && std::same_as<LogitsOf<M>, LogitsView<typename LogitsOf<M>::Scalar>>;

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
