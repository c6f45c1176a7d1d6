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

/// A draft: the next tokens of a sequence, as a proposer expects them. The tokens themselves were written into the
/// space that the proposer was given; this says how many there are, and what else is known of them. Length zero is no
/// draft.
struct Draft {
  std::size_t length = 0;
  /// The source of each token, in order; valid until the next call of the proposer other than `on_draft_chosen`. The
  /// last one holds for all tokens after it; none is `Source::other`. Sources are counted; nothing is decided by them.
  std::span<Source const> sources = {};
  /// The acceptance probability of each token, given that those before it are accepted; empty where it is not known.
  /// Valid as long.
  std::span<float const> probabilities = {};
  /// The row of a draft model's logits that each token was drawn from. A `TokenSampler` drew it with the sampling
  /// options of the turn and noise of its own (`RandomStream::draft`). Valid as long; only a `RejectionVerifier` needs
  /// it. An empty row, and no row, mean that the token was named, not drawn. Rows are no longer than the vocabulary.
  ///
  /// Whether a draft ends after a drawn token may depend on what comes before it and on that token, not on what
  /// follows. A draft that was looked at before it was cut, or chosen among several, consists of named tokens.
  std::span<std::span<float const> const> drawn_from = {};
};

/// Drafts the next tokens of one sequence.
///
/// | expression                | returns | meaning |
/// |---------------------------|---------|---------|
/// | `propose(context, space)` | `Draft` | writes what may follow `context` to the front of `space` |
/// | `truncate(length)`        | -       | everything after the first `length` tokens was taken back |
///
/// `context` is the whole sequence so far: prompt and output of all turns. `space` may be empty, and may lie anywhere;
/// writing beyond the draft, within `space`, is allowed. Optional calls are in `proposer_traits.hpp`, a concept each.
///
/// Laws:
///  - *follows*: between calls the context only grows at its end, or `truncate` says how much of it is left. A proposer
///    may rely on that, and is not told otherwise which drafts were accepted. What is added was generated, except for
///    prompts, which `on_turn_begin` tells of.
///  - *harmless*: no draft, however wrong, changes what is generated; a verifier decides. A draft token may be any
///    non-negative token of the context's vocabulary.
///  - *bounded*: the work of a call does not grow with the context, beyond what was added since the last call. After
///    `truncate`, `reserve` or `set_references` it may read the context once again, a long one in pieces: a call may
///    read one piece and propose nothing until all is read.
///  - *all or nothing*: a call that throws leaves a proposer that can be used as before, or must read the context
///  again.
///  - *copies*: a copy, made between any two calls, continues after the context that the original has. Neither affects
///    the tokens of the other; they may share what they learn.
///
/// One proposer belongs to one sequence. Threads: one call at a time, and copies on several threads only if it says so
/// (`ExclusiveProposer`). Errors: what it throws passes through.
template <class P>
concept DraftProposer = requires(P& proposer, std::span<Token const> context, std::span<Token> space,
                                 std::size_t length) {
  { proposer.propose(context, space) } -> std::same_as<Draft>;
  {proposer.truncate(length)};
};

/// Proposes nothing: with it, decoding is plain decoding, the reference for everything else.
struct NoProposer {
  [[nodiscard]] static constexpr Draft propose(std::span<Token const>, std::span<Token>) noexcept { return {}; }
  static constexpr void truncate(std::size_t) noexcept {}
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
