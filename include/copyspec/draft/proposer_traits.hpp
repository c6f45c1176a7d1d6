// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../cost/pass_report.hpp"
#include "../detail/hook_names.hpp"
#include "draft_scope.hpp"
#include "offering_proposer.hpp"
#include "proposer.hpp"
#include "tree_proposer.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

struct SamplingOptions;

/// A `DraftProposer` that can make room in advance. Law: after `reserve(length)`, nothing allocates until the context
/// is longer than `length` tokens. A `reserve` that throws has not reserved.
template <class P>
concept ReservingProposer = requires(P& proposer, std::size_t length) {
  {proposer.reserve(length)};
};

/// One that cannot propose for every model. Law: `require_vocabulary(size)` raises an `Error` if it cannot propose for
/// a vocabulary of `size` tokens, and does nothing else.
template <class P>
concept VocabularyProposer = requires(P& proposer, std::size_t size) {
  {proposer.require_vocabulary(size)};
};

/// One that copies from other texts, too. Law: `set_references(texts)` replaces all texts that were set before; it
/// is called when a turn begins, and `texts` are read during the call. Without texts it does not throw.
template <class P>
concept ReferenceProposer = requires(P& proposer, std::span<std::vector<Token> const> texts) {
  {proposer.set_references(texts)};
};

/// One that keeps apart what turns of different scopes copy from and learn from. Law: `set_scope(scope)` is called when
/// a turn begins, before `set_references`; until the next call, everything that is read, learnt and remembered beyond
/// the sequence itself belongs to `scope`, except the cost of passes. Null is what the proposer was made with. An
/// unknown kind of scope is an `Error`, and the proposer is then as before. A scope that was set before is set without
/// failure.
template <class P>
concept ScopedProposer = requires(P& proposer, std::shared_ptr<DraftScope> const& scope) {
  {proposer.set_scope(scope)};
};

/// One whose copies share what only one thread may use. Law: `claim()` is called once on the proposer that a
/// `DecodeBatch` was made with, and of which it makes one copy for each sequence. It raises an `Error` if another
/// proposer that shares with this one is claimed. The claim ends with the claimed proposer, moves with it, and is not
/// copied.
template <class P>
concept ExclusiveProposer = requires(P& proposer) {
  {proposer.claim()};
};

/// One whose drafts depend on how tokens are drawn. Law: after `set_sampling(options, independently)` its drafts follow
/// `options`, which are read during the call; if `independently`, tokens that it draws use noise of their own, and
/// `Draft::drawn_from` has their rows.
template <class P>
concept SamplingProposer = requires(P& proposer, SamplingOptions const& options, bool independently) {
  {proposer.set_sampling(options, independently)};
};

/// One that drafts for several sequences together. Law: `prepare(context, room)` comes before `propose(context, space)`
/// of the same context, for all sequences of a pass before the first of them is asked; `space` has at most `room`
/// tokens. A prepared context may be left unasked.
template <class P>
concept PreparingProposer = requires(P& proposer, std::span<Token const> context, std::size_t room) {
  {proposer.prepare(context, room)};
};

/// One that can go on after tokens that another proposer wrote. Law: `propose_after(context, space, given)` writes what
/// follows `context` and the first `given` tokens of `space` after these, with a probability for each token, and
/// returns how many; which of them are fed, `on_draft_chosen` says.
template <class P>
concept ContinuingProposer = requires(P& proposer, std::span<Token const> context, std::span<Token> space,
                                      std::size_t given) {
  { proposer.propose_after(context, space, given) } -> std::same_as<Draft>;
};

/// One that wants to know which draft is fed. Law: `on_draft_chosen(context, length)` says that the draft fed after
/// `context` has `length` tokens, whichever proposer it is from; of a tree, all nodes count. The newest `propose` or
/// `on_draft_chosen` holds. Without the call, what was proposed is fed whole.
///
/// A composer makes the call where that is not so, once for each sequence of a pass. After `propose`, it tells the
/// length of the part that is fed, where a token outside the vocabulary or the verifier (`allowed_draft`) truncates the
/// draft. It tells zero where it does not ask: there is no room, part of a prompt is fed, or the pass repeats one that
/// failed with drafts. A combinator that chooses between proposers tells all of them, also those that it did not ask.
template <class P>
concept ChoiceObserver = requires(P& proposer, std::span<Token const> context, std::size_t length) {
  {proposer.on_draft_chosen(context, length)};
};

/// One that learns what passes cost. Law: `on_pass(report)` follows each successful pass whose rows can be priced
/// (`PassReport`), on the proposer that the composer was made with; copies of it share what it learns.
template <class P>
concept PassObserver = requires(P& proposer, PassReport const& report) {
  {proposer.on_pass(report)};
};

/// One that wants to know where a prompt begins. Law: `on_turn_begin(context, prompt)` comes once for each turn, before
/// its first draft; the tokens of `context` from `prompt` on are the prompt, all others were told of before. What is
/// added to the context otherwise was generated.
template <class P>
concept TurnBeginObserver = requires(P& proposer, std::span<Token const> context, std::size_t prompt) {
  {proposer.on_turn_begin(context, prompt)};
};

/// One that wants to know where an answer ends. Law: `on_turn_end(context, answer)` comes once for each turn that a
/// pass has ended; the tokens of `context` from `answer` on are the answer, a stop included. A turn that is extended
/// after its end comes as one more, of an empty prompt, whose answer is the rest. A turn that failed has no end.
template <class P>
concept TurnEndObserver = requires(P& proposer, std::span<Token const> context, std::size_t answer) {
  {proposer.on_turn_end(context, answer)};
};

namespace detail {

// One class a hook, so that the first lines of a compiler name it.
// clang-format off
template <class P> struct hook_reserve { static_assert(!names_reserve<P> || ReservingProposer<P>, "expected: reserve(std::size_t length)"); };
template <class P> struct hook_require_vocabulary { static_assert(!names_require_vocabulary<P> || VocabularyProposer<P>, "expected: require_vocabulary(std::size_t size)"); };
template <class P> struct hook_set_references { static_assert(!names_set_references<P> || ReferenceProposer<P>, "expected: set_references(std::span<std::vector<Token> const> texts)"); };
template <class P> struct hook_set_scope { static_assert(!names_set_scope<P> || ScopedProposer<P>, "expected: set_scope(std::shared_ptr<DraftScope> const& scope)"); };
template <class P> struct hook_claim { static_assert(!names_claim<P> || ExclusiveProposer<P>, "expected: claim()"); };
template <class P> struct hook_set_sampling { static_assert(!names_set_sampling<P> || SamplingProposer<P>, "expected: set_sampling(SamplingOptions const& options, bool independently)"); };
template <class P> struct hook_prepare { static_assert(!names_prepare<P> || PreparingProposer<P>, "expected: prepare(std::span<Token const> context, std::size_t room)"); };
template <class P> struct hook_offer { static_assert(!names_offer<P> || OfferingProposer<P>, "expected: DraftOffer offer(std::span<Token const> context, std::span<Token> space), share_rows and draft_offered"); };
template <class P> struct hook_share_rows { static_assert(!names_share_rows<P> || OfferingProposer<P>, "expected: share_rows(std::span<DraftOffer> offers, PassWithoutDrafts const& pass), offer and draft_offered"); };
template <class P> struct hook_draft_offered { static_assert(!names_draft_offered<P> || OfferingProposer<P>, "expected: Draft draft_offered(std::span<Token const> context, std::size_t length), offer and share_rows"); };
template <class P> struct hook_propose_tree { static_assert(!names_propose_tree<P> || TreeProposer<P>, "expected: Draft propose_tree(std::span<Token const> context, TreeSpace space)"); };
template <class P> struct hook_propose_after { static_assert(!names_propose_after<P> || ContinuingProposer<P>, "expected: Draft propose_after(std::span<Token const> context, std::span<Token> space, std::size_t given)"); };
template <class P> struct hook_on_draft_chosen { static_assert(!names_on_draft_chosen<P> || ChoiceObserver<P>, "expected: on_draft_chosen(std::span<Token const> context, std::size_t length)"); };
template <class P> struct hook_on_pass { static_assert(!names_on_pass<P> || PassObserver<P>, "expected: on_pass(PassReport const& report)"); };
template <class P> struct hook_on_turn_begin { static_assert(!names_on_turn_begin<P> || TurnBeginObserver<P>, "expected: on_turn_begin(std::span<Token const> context, std::size_t prompt)"); };
template <class P> struct hook_on_turn_end { static_assert(!names_on_turn_end<P> || TurnEndObserver<P>, "expected: on_turn_end(std::span<Token const> context, std::size_t answer)"); };

// Names that are nearly those of hooks.
template <class P> struct no_hook_check_vocabulary { static_assert(!names_check_vocabulary<P>, "a proposer has no hook check_vocabulary: require_vocabulary is meant"); };
template <class P> struct no_hook_set_reference { static_assert(!names_set_reference<P>, "a proposer has no hook set_reference: set_references is meant"); };
template <class P> struct no_hook_set_sampling_options { static_assert(!names_set_sampling_options<P>, "a proposer has no hook set_sampling_options: set_sampling is meant"); };
template <class P> struct no_hook_prepare_draft { static_assert(!names_prepare_draft<P>, "a proposer has no hook prepare_draft: prepare is meant"); };
template <class P> struct no_hook_propose_trees { static_assert(!names_propose_trees<P>, "a proposer has no hook propose_trees: propose_tree is meant"); };
template <class P> struct no_hook_propose_behind { static_assert(!names_propose_behind<P>, "a proposer has no hook propose_behind: propose_after is meant"); };
template <class P> struct no_hook_on_draft { static_assert(!names_on_draft<P>, "a proposer has no hook on_draft: on_draft_chosen is meant"); };
template <class P> struct no_hook_observe_pass { static_assert(!names_observe_pass<P>, "a proposer has no hook observe_pass: on_pass is meant"); };
template <class P> struct no_hook_begin_turn { static_assert(!names_begin_turn<P>, "a proposer has no hook begin_turn: on_turn_begin is meant"); };
template <class P> struct no_hook_on_begin_turn { static_assert(!names_on_begin_turn<P>, "a proposer has no hook on_begin_turn: on_turn_begin is meant"); };
template <class P> struct no_hook_end_turn { static_assert(!names_end_turn<P>, "a proposer has no hook end_turn: on_turn_end is meant"); };
template <class P> struct no_hook_on_end_turn { static_assert(!names_on_end_turn<P>, "a proposer has no hook on_end_turn: on_turn_end is meant"); };
// clang-format on

template <class P>
struct ProposerHooks : hook_reserve<P>,
                       hook_require_vocabulary<P>,
                       hook_set_references<P>,
                       hook_set_scope<P>,
                       hook_claim<P>,
                       hook_set_sampling<P>,
                       hook_prepare<P>,
                       hook_offer<P>,
                       hook_share_rows<P>,
                       hook_draft_offered<P>,
                       hook_propose_tree<P>,
                       hook_propose_after<P>,
                       hook_on_draft_chosen<P>,
                       hook_on_pass<P>,
                       hook_on_turn_begin<P>,
                       hook_on_turn_end<P>,
                       no_hook_check_vocabulary<P>,
                       no_hook_set_reference<P>,
                       no_hook_set_sampling_options<P>,
                       no_hook_prepare_draft<P>,
                       no_hook_propose_trees<P>,
                       no_hook_propose_behind<P>,
                       no_hook_on_draft<P>,
                       no_hook_observe_pass<P>,
                       no_hook_begin_turn<P>,
                       no_hook_on_begin_turn<P>,
                       no_hook_end_turn<P>,
                       no_hook_on_end_turn<P> {};

}  // namespace detail

/// Every optional call of a proposer, each with what happens where a proposer does not have it: nothing, unless it says
/// otherwise. All that hold a proposer call it through these.
///
/// A member with the name of a hook and another signature does not compile, and the error names it; nor does a member
/// whose name is nearly that of a hook. Of other names nothing is known, so an author does well to assert the concepts
/// above: `static_assert(copyspec::PassObserver<MyProposer>)`.
///
/// O(1) besides the call. Threads and errors: those of the proposer.
template <DraftProposer P>
struct ProposerTraits {
  static_assert(sizeof(detail::ProposerHooks<P>) > 0);

  /// Whether a composer prepares all contexts of a pass before it asks for the first draft.
  static constexpr bool prepares = PreparingProposer<P>;
  /// Whether it can go on after another's tokens.
  static constexpr bool continues = ContinuingProposer<P>;
  /// Whether it takes scopes. If not, a turn that brings one cannot be served.
  static constexpr bool scoped = ScopedProposer<P>;

  static void reserve(P& proposer, std::size_t length) {
    if constexpr (ReservingProposer<P>) proposer.reserve(length);
  }
  static void require_vocabulary(P& proposer, std::size_t size) {
    if constexpr (VocabularyProposer<P>) proposer.require_vocabulary(size);
  }
  static void set_references(P& proposer, std::span<std::vector<Token> const> texts) {
    if constexpr (ReferenceProposer<P>) proposer.set_references(texts);
  }
  /// Without the call: raises an `Error` unless `scope` is null.
  static void set_scope(P& proposer, std::shared_ptr<DraftScope> const& scope) {
    if constexpr (ScopedProposer<P>)
      proposer.set_scope(scope);
    else if (scope != nullptr)
      raise_error(ErrorCode::bad_options, "a scope was given, and the proposer takes none");
  }
  static void claim(P& proposer) {
    if constexpr (ExclusiveProposer<P>) proposer.claim();
  }
  static void set_sampling(P& proposer, SamplingOptions const& options, bool independently) {
    if constexpr (SamplingProposer<P>) proposer.set_sampling(options, independently);
  }
  static void prepare(P& proposer, std::span<Token const> context, std::size_t room) {
    if constexpr (PreparingProposer<P>) proposer.prepare(context, room);
  }
  /// Without the call: no draft.
  [[nodiscard]] static Draft propose_after(P& proposer, std::span<Token const> context, std::span<Token> space,
                                           std::size_t given) {
    if constexpr (ContinuingProposer<P>) return proposer.propose_after(context, space, given);
    return {};
  }
  static void on_draft_chosen(P& proposer, std::span<Token const> context, std::size_t length) {
    if constexpr (ChoiceObserver<P>) proposer.on_draft_chosen(context, length);
  }
  static void on_pass(P& proposer, PassReport const& report) {
    if constexpr (PassObserver<P>) proposer.on_pass(report);
  }
  static void on_turn_begin(P& proposer, std::span<Token const> context, std::size_t prompt) {
    if constexpr (TurnBeginObserver<P>) proposer.on_turn_begin(context, prompt);
  }
  static void on_turn_end(P& proposer, std::span<Token const> context, std::size_t answer) {
    if constexpr (TurnEndObserver<P>) proposer.on_turn_end(context, answer);
  }
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
