// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../cost/pass_report.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// A guess at the next tokens of a sequence. The tokens themselves were written into the space that the proposer was
/// given; this says how many, and what else the proposer knows of them. Length zero is no draft.
struct Draft {
  std::size_t length = 0;
  /// Where they are from, in order, valid until the next call of the proposer. The last one holds for all that follow;
  /// none is `Source::other`. Counted only, never decided by.
  std::span<Source const> sources = {};
  /// The chance of each that it is right if those before it are, or none where that is not known; valid as long.
  std::span<float const> probabilities = {};
  /// The row of a draft model's logits that each token was drawn from, by a `TokenSampler` with the sampling options of
  /// the turn and noise of its own (`RandomStream::draft`); valid as long, and needed by a `RejectionVerifier` alone.
  /// An empty row, and none, stands for a token that was not drawn but named. Rows are no longer than the vocabulary.
  /// Whether the draft ends behind a token may depend on what comes before and on that token, not on those that would
  /// follow or did: a draft that was looked at before it was cut, or chosen among several, is one of named tokens.
  std::span<std::span<float const> const> drawn_from = {};
};

/// Guesses what one sequence will say next.
///
/// | expression                 | returns | meaning |
/// |----------------------------|---------|---------|
/// | `propose(context, space)`  | `Draft` | writes a guess at what follows `context` to the front of `space` |
/// | `truncate(length)`         | -       | everything after the first `length` tokens was taken back |
/// | `reserve(length)`          | -       | optional: after it, no allocation until the context is longer |
/// | `on_pass(report)`     | -       | optional: what a pass took, `PassReport`, so that drafts can be worth it |
/// | `set_references(texts)`          | -       | optional: `GenerateOptions::references` of a turn that begins; instead of those before |
/// | `on_turn_end(context, answer)`| -       | optional: an answer has ended, which begins at `answer` of the context |
/// | `on_draft_chosen(length)`          | -       | optional: the draft that is fed has `length` tokens, whoever proposed it |
/// | `prepare(context, room)`  | -       | optional: `propose` is asked next behind `context`, with `room` at most |
/// | `propose_after(context, space, given)` | `Draft` | optional: what follows `context` and the first `given` tokens of `space`, with probabilities; behind these |
/// | `set_sampling(options, independently)` | - | optional: how the tokens of a turn that begins are drawn; `ModelProposer` |
/// | `require_vocabulary(size)`   | -       | optional: raises an `Error` if it cannot propose for a vocabulary of that size |
///
/// `context` is the whole sequence so far, prompt and output of all turns. `space` may be empty, and may lie anywhere;
/// writing beyond the draft, within `space`, is allowed.
///
/// Laws:
///  - *follows*: between calls the context only grows at its end, or `truncate` says how much of it is left; a
///    proposer may rely on that, and needs no other word of which drafts were accepted.
///  - *harmless*: no draft, however wrong, changes what is generated; a verifier decides. A draft token may be any
///    non-negative token of the context's vocabulary.
///  - *bounded*: the work of a call does not grow with the context, beyond what was added since the last call; after
///    `truncate` or `reserve` it may read the context once again.
///
/// One proposer belongs to one sequence. Threads: one call at a time.
///
/// A `Composer` announces all contexts that drafts are wanted for before it asks for the first draft, so that a
/// proposer of which copies work together can do so.
///
/// A pass belongs to all sequences: a `Composer` calls `on_pass` once a successful pass, on the proposer that it
/// was made with, and the copies that serve its sequences are expected to share what that one learns. Passes that feed
/// a part of a prompt, or feed again what a model lost, are not reported.
///
/// It calls `on_turn_end` on the copy that serves the sequence, once a turn that a pass has ended: by a stop, the
/// budget, a full context or a row that gives no token. `context` ends with the answer, a stop included; where nothing
/// was said, `answer` is its length. Turns that were cut back or removed, or had no budget, are not reported. What
/// `on_turn_end` throws passes through; the turn has ended, and is not reported again.
template <class P>
concept DraftProposer = requires(P& proposer, std::span<Token const> context, std::span<Token> space,
                                 std::size_t length) {
  { proposer.propose(context, space) } -> std::same_as<Draft>;
  {proposer.truncate(length)};
};

/// Proposes nothing: with it, decoding is ordinary decoding. The reference that everything else is held against.
struct NoProposer {
  [[nodiscard]] static constexpr Draft propose(std::span<Token const>, std::span<Token>) noexcept { return {}; }
  static constexpr void truncate(std::size_t) noexcept {}
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
