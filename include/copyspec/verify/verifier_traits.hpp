// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../detail/hook_names.hpp"
#include "../model/logits.hpp"
#include "batch_verifier.hpp"
#include "logprobs.hpp"
#include "sampling_options.hpp"
#include "sampling_turn.hpp"
#include "verifier.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// A verifier of one sequence at a time, for rows in host memory.
template <class V, class Rows>
concept SequenceVerifier =
    std::same_as<Rows, LogitsView<typename Rows::Scalar>> && AcceptanceVerifier<V, typename Rows::Scalar>;

/// A verifier that samples. It has all five members; one with only some of them does not compile.
///
/// | expression                      | returns                  | meaning |
/// |---------------------------------|--------------------------|---------|
/// | `begin_turn(turn)`              | -                        | begins this `SamplingTurn` |
/// | `on_fork(seed)`                 | -                        | called on a copy within a turn: continues it with this seed, or a fresh one, and with hooks of its own |
/// | `options()`                     | `SamplingOptions const&` | the options of this turn, with the seed that it draws with |
/// | `logprobs()`                    | `LogprobsView`           | log-probabilities of the tokens generated in this turn, if requested |
/// | `allowed_draft(context, draft)` | `std::size_t`            | how many of the first tokens of `draft` may be accepted after `context` |
///
/// Laws: the tokens of a turn are drawn with its options. If `begin_turn` or `on_fork` throws, the verifier is as
/// before. `begin_turn` throws an `Error` for options that it cannot serve, those of the constructor included.
template <class V>
concept SamplingSequenceVerifier = requires(V& verifier, V const& const_verifier, SamplingTurn const& turn,
                                            std::optional<std::uint64_t> seed, std::span<Token const> tokens) {
  {verifier.begin_turn(turn)};
  {verifier.on_fork(seed)};
  { const_verifier.options() } -> std::same_as<SamplingOptions const&>;
  { const_verifier.logprobs() } -> std::same_as<LogprobsView>;
  { const_verifier.allowed_draft(tokens, tokens) } -> std::same_as<std::size_t>;
};

/// A verifier that does not support all options. Law: for valid options, `V::check_supported(options)` throws an
/// `Error` that names what it does not support, and does nothing else.
template <class V>
concept OptionCheckingVerifier = requires(SamplingOptions const& options) {
  {V::check_supported(options)};
};

/// A verifier that needs the rows that draft tokens were drawn from. Law: `drawn_from(rows)` comes before `verify` of
/// the same draft, with `Draft::drawn_from`; the rows stay valid until then.
template <class V>
concept DraftRowVerifier = requires(V& verifier, std::span<std::span<float const> const> rows) {
  {verifier.drawn_from(rows)};
};

/// A verifier whose copies share working memory. Law: after `detach_workspace()`, the verifier and copies made of it
/// from then on share nothing with other objects, so that they may be used on another thread.
template <class V>
concept WorkspaceSharingVerifier = requires(V& verifier) {
  {verifier.detach_workspace()};
};

/// A verifier that is told where a prompt begins. Law: as for `TurnBeginObserver` of proposers. A `BatchVerifier` is
/// also told the sequence.
template <class V>
concept TurnBeginVerifier = requires(V& verifier, std::span<Token const> context, std::size_t prompt) {
  {verifier.on_turn_begin(context, prompt)};
}
|| requires(V& verifier, SequenceId sequence, std::span<Token const> context, std::size_t prompt) {
  {verifier.on_turn_begin(sequence, context, prompt)};
};

/// A verifier that is told where an answer ends. Law: as for `TurnEndObserver` of proposers. A `BatchVerifier` is also
/// told the sequence.
template <class V>
concept TurnEndVerifier = requires(V& verifier, std::span<Token const> context, std::size_t answer) {
  {verifier.on_turn_end(context, answer)};
}
|| requires(V& verifier, SequenceId sequence, std::span<Token const> context, std::size_t answer) {
  {verifier.on_turn_end(sequence, context, answer)};
};

namespace detail {

template <class V>
inline constexpr bool names_sampling_hook =
    names_begin_turn<V> || names_on_fork<V> || names_options<V> || names_logprobs<V> || names_allowed_draft<V>;

// One class per hook, so that the first lines of a compiler error name it.
// clang-format off
template <class V> struct hook_begin_turn { static_assert(!names_sampling_hook<V> || requires(V& verifier, SamplingTurn const& turn) { {verifier.begin_turn(turn)}; }, "a verifier that samples needs: begin_turn(SamplingTurn const& turn)"); };
template <class V> struct hook_on_fork { static_assert(!names_sampling_hook<V> || requires(V& verifier, std::optional<std::uint64_t> seed) { {verifier.on_fork(seed)}; }, "a verifier that samples needs: on_fork(std::optional<std::uint64_t> seed)"); };
template <class V> struct hook_options { static_assert(!names_sampling_hook<V> || requires(V const& verifier) { { verifier.options() } -> std::same_as<SamplingOptions const&>; }, "a verifier that samples needs: SamplingOptions const& options() const"); };
template <class V> struct hook_logprobs { static_assert(!names_sampling_hook<V> || requires(V const& verifier) { { verifier.logprobs() } -> std::same_as<LogprobsView>; }, "a verifier that samples needs: LogprobsView logprobs() const"); };
template <class V> struct hook_allowed_draft { static_assert(!names_sampling_hook<V> || requires(V const& verifier, std::span<Token const> tokens) { { verifier.allowed_draft(tokens, tokens) } -> std::same_as<std::size_t>; }, "a verifier that samples needs: std::size_t allowed_draft(std::span<Token const> context, std::span<Token const> draft) const"); };
template <class V> struct hook_check_supported { static_assert(!names_check_supported<V> || OptionCheckingVerifier<V>, "expected: static void check_supported(SamplingOptions const& options)"); };
template <class V> struct hook_drawn_from { static_assert(!names_drawn_from<V> || DraftRowVerifier<V>, "expected: drawn_from(std::span<std::span<float const> const> rows)"); };
template <class V> struct hook_detach_workspace { static_assert(!names_detach_workspace<V> || WorkspaceSharingVerifier<V>, "expected: detach_workspace()"); };
template <class V> struct hook_verifier_on_turn_begin { static_assert(!names_on_turn_begin<V> || TurnBeginVerifier<V>, "expected: on_turn_begin(std::span<Token const> context, std::size_t prompt), with the SequenceId before it where one verifier serves all"); };
template <class V> struct hook_verifier_on_turn_end { static_assert(!names_on_turn_end<V> || TurnEndVerifier<V>, "expected: on_turn_end(std::span<Token const> context, std::size_t answer), with the SequenceId before it where one verifier serves all"); };
// Names that are easily mistaken for those of hooks.
template <class V> struct verifier_hook_on_begin_turn { static_assert(!names_on_begin_turn<V>, "a verifier has no hook on_begin_turn: begin_turn is meant"); };
template <class V> struct verifier_hook_on_end_turn { static_assert(!names_on_end_turn<V>, "a verifier has no hook on_end_turn: on_turn_end is meant"); };
template <class V> struct verifier_hook_end_turn { static_assert(!names_end_turn<V>, "a verifier has no hook end_turn: on_turn_end is meant"); };
template <class V> struct verifier_hook_log_probs { static_assert(!names_log_probs<V>, "a verifier has no hook log_probs: logprobs is meant"); };
template <class V> struct verifier_hook_allow_draft { static_assert(!names_allow_draft<V>, "a verifier has no hook allow_draft: allowed_draft is meant"); };
template <class V> struct verifier_hook_draw_from { static_assert(!names_draw_from<V>, "a verifier has no hook draw_from: drawn_from is meant"); };
// clang-format on

template <class V>
struct VerifierHooks : hook_begin_turn<V>,
                       hook_on_fork<V>,
                       hook_options<V>,
                       hook_logprobs<V>,
                       hook_allowed_draft<V>,
                       hook_check_supported<V>,
                       hook_drawn_from<V>,
                       hook_detach_workspace<V>,
                       hook_verifier_on_turn_begin<V>,
                       hook_verifier_on_turn_end<V>,
                       verifier_hook_on_begin_turn<V>,
                       verifier_hook_on_end_turn<V>,
                       verifier_hook_end_turn<V>,
                       verifier_hook_log_probs<V>,
                       verifier_hook_allow_draft<V>,
                       verifier_hook_draw_from<V> {};

}  // namespace detail

/// Every optional call of a verifier, each with its fallback for a verifier that lacks it. All code that holds a
/// verifier calls it through this class. What does not compile, and why, is as with `ProposerTraits`.
///
/// O(1) besides the call. Threads and errors: those of the verifier.
template <class V>
struct VerifierTraits {
  static_assert(sizeof(detail::VerifierHooks<V>) > 0);

  /// Whether turns may request sampling.
  static constexpr bool samples = SamplingSequenceVerifier<V>;
  /// Whether it needs the rows that drafts were drawn from.
  static constexpr bool needs_drawn = DraftRowVerifier<V>;

  /// Without the hook: a verifier that samples supports every valid option.
  static void check_supported(SamplingOptions const& options) {
    if constexpr (OptionCheckingVerifier<V>) V::check_supported(options);
  }
  static void begin_turn(V& verifier, SamplingTurn const& turn) {
    if constexpr (samples) verifier.begin_turn(turn);
  }
  static void on_fork(V& verifier, std::optional<std::uint64_t> seed) {
    if constexpr (samples) verifier.on_fork(seed);
  }
  /// Without the hook: empty.
  [[nodiscard]] static LogprobsView logprobs(V const& verifier) noexcept {
    if constexpr (samples) return verifier.logprobs();
    return {};
  }
  /// Without the hook: the whole draft.
  [[nodiscard]] static std::size_t allowed_draft(V const& verifier, std::span<Token const> context,
                                                 std::span<Token const> draft) {
    if constexpr (samples) return verifier.allowed_draft(context, draft);
    return draft.size();
  }
  static void drawn_from(V& verifier, std::span<std::span<float const> const> rows) {
    if constexpr (needs_drawn) verifier.drawn_from(rows);
  }
  /// Without the hook: copies share nothing that a thread may change.
  static void detach_workspace(V& verifier) {
    if constexpr (WorkspaceSharingVerifier<V>) verifier.detach_workspace();
  }
  static void on_turn_begin(V& verifier, SequenceId sequence, std::span<Token const> context, std::size_t prompt) {
    if constexpr (requires { verifier.on_turn_begin(context, prompt); })
      verifier.on_turn_begin(context, prompt);
    else if constexpr (TurnBeginVerifier<V>)
      verifier.on_turn_begin(sequence, context, prompt);
  }
  static void on_turn_end(V& verifier, SequenceId sequence, std::span<Token const> context, std::size_t answer) {
    if constexpr (requires { verifier.on_turn_end(context, answer); })
      verifier.on_turn_end(context, answer);
    else if constexpr (TurnEndVerifier<V>)
      verifier.on_turn_end(sequence, context, answer);
  }
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
