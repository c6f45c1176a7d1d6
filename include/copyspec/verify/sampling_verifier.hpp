// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../core/assert.hpp"
#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/logits.hpp"
#include "detail/accept_chain.hpp"
#include "detail/penalties.hpp"
#include "detail/row_logprobs.hpp"
#include "detail/suppressed_stops.hpp"
#include "detail/token_counts.hpp"
#include "fresh_seed.hpp"
#include "greedy_token.hpp"
#include "logprobs.hpp"
#include "sampling_options.hpp"
#include "sampling_turn.hpp"
#include "token_sampler.hpp"
#include "verifier.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Accepts a draft as long as each token is the one drawn from its row: sampling with temperature, filters, penalties,
/// hooks and log-probabilities, all seeded. An `AcceptanceVerifier`.
///
/// The token of a row is a function of the row, the tokens before it, the options with their seed, and the position. So
/// at any temperature, speculative decoding generates the same tokens as plain decoding. A copied token is accepted
/// with the probability that the model gives it, the most that any rule can reach.
///
/// A row for which bias, hooks and suppressed stop tokens leave nothing ends the turn with `all_excluded`.
///
/// Cost per row read: that of `TokenSampler`; with bias, penalties or hooks a copy of the row; with logprobs one
/// exponential per token. A sequence with penalties keeps a `TokenCounts`. Allocates in `begin_turn` and `on_fork`, for
/// more candidates than ever before, and for more log-probabilities than fit into 64 KiB.
///
/// Threads: copies share working memory of the size of a row, so one call at a time, over all copies. A copy on which
/// `detach_workspace` was called shares nothing with the others.
class SamplingVerifier {
 public:
  /// `options` apply to turns that bring none of their own. Throws `Error` if they are invalid.
  explicit SamplingVerifier(SamplingOptions options = {})
      : defaults_(std::move(options)), work_(std::make_shared<Work>()) {
    require_valid(defaults_, std::numeric_limits<Token>::max());
  }

  /// Gives this verifier working memory of its own, which later copies of it share. Allocates.
  void detach_workspace() { work_ = std::make_shared<Work>(); }

  /// Begins a turn; must be called before the first `verify`, and after tokens were taken back. A composer does. Throws
  /// `Error` if the options of the turn, or those of the constructor, are invalid for its vocabulary. If it throws, the
  /// verifier is as before. Allocates.
  void begin_turn(SamplingTurn const& turn) {
    Turn next;
    next.options = turn.options != nullptr ? *turn.options : defaults_;
    require_valid(next.options, turn.vocabulary);
    if (!next.options.seed) next.options.seed = fresh_seed();
    next.answer = turn.answer;
    next.hooks = hooks_of(next);
    next.stops = detail::SuppressedStops(turn);
    if (next.options.penalties.any()) next.counts.reset(turn.vocabulary, next.options.penalties.window);
    if (next.options.logprobs)
      next.records.reserve(std::min(turn.budget, reserved_records / next.per_token()) * next.per_token());
    work_->row.reserve(turn.vocabulary);
    // A window without a bound grows with the context.
    if (next.options.dry.multiplier != 0) work_->dry.reserve(std::min<std::size_t>(next.options.dry.window, 1U << 16U));
    turn_ = std::move(next);
  }

  /// Turns a copy of a verifier within a turn into that of a fork: it draws with this seed, or a fresh one, and with
  /// hooks of its own. If it throws, the verifier is as before. Allocates.
  void on_fork(std::optional<std::uint64_t> seed) {
    std::uint64_t const chosen = seed ? *seed : fresh_seed();
    turn_.hooks = hooks_of(turn_);
    turn_.options.seed = chosen;
  }

  /// The options of this turn, which always name a seed.
  [[nodiscard]] SamplingOptions const& options() const noexcept { return turn_.options; }

  /// See `AcceptanceVerifier`.
  template <class Scalar>
  [[nodiscard]] Verdict verify(LogitsView<Scalar> rows, std::span<Token const> tokens, std::size_t length) {
    COPYSPEC_ASSERT(turn_.options.seed, "a verifier that samples needs a `begin_turn`");
    return detail::accept_chain(
        rows, tokens, length,
        [this](std::span<Scalar const> row, std::span<Token const> before) { return draw(row, before); });
  }

  /// How many of the first tokens of `draft` the hook `allowed_draft` allows after `context`; all of them without
  /// the hook.
  [[nodiscard]] std::size_t allowed_draft(std::span<Token const> context, std::span<Token const> draft) const {
    if (!turn_.hooks.allowed_draft) return draft.size();
    return std::min(turn_.hooks.allowed_draft(context, draft), draft.size());
  }

  /// Log-probabilities of the tokens drawn in this turn, if requested. Valid until the next call.
  [[nodiscard]] LogprobsView logprobs() const noexcept {
    return turn_.options.logprobs ? LogprobsView(turn_.records, turn_.per_token()) : LogprobsView();
  }

 private:
  // Reserved for a turn, as its budget may be large and its answer short. More are added as the answer grows.
  static constexpr std::size_t reserved_records = (std::size_t{1} << 16U) / sizeof(TokenLogprob);

  // What copies share: nothing in it outlives a call.
  struct Work {
    TokenSampler sampler;
    detail::DryPenalty dry;
    detail::RowLogprobs logprobs;
    std::vector<float> row;
  };

  struct Turn {
    SamplingOptions options;
    std::size_t answer = 0;
    RowHooks hooks;
    detail::SuppressedStops stops;
    detail::TokenCounts counts;
    std::vector<TokenLogprob> records;

    // Log-probabilities of a token; one if none are requested.
    [[nodiscard]] std::size_t per_token() const noexcept { return options.logprobs.value_or(0) + 1; }
  };

  [[nodiscard]] static RowHooks hooks_of(Turn const& turn) {
    RowHooks hooks = turn.options.hooks ? turn.options.hooks(turn.answer) : RowHooks();
    if (hooks.mask && !hooks.allows)
      raise_error(ErrorCode::bad_options, "sampling: a mask without `allows` is never called: use `edit`");
    return hooks;
  }

  [[nodiscard]] bool edits(std::size_t position) const noexcept {
    SamplingOptions const& options = turn_.options;
    return !options.logit_bias.empty() || options.penalties.any() || options.dry.multiplier != 0 || turn_.hooks.edit ||
           turn_.stops.at(position);
  }

  template <class Scalar>
  [[nodiscard]] detail::RowToken draw(std::span<Scalar const> row, std::span<Token const> before) {
    RowHooks const& hooks = turn_.hooks;
    std::span<float const> logits = detail::as_floats(row, work_->row);
    if (edits(before.size())) {
      std::span<float> const copy = copy_of(logits);
      edit(copy, before);
      logits = copy;
    }
    std::optional<Token> token = work_->sampler.draw(logits, turn_.options, before.size());
    for (bool masked = false; hooks.allows && token && !masked && !hooks.allows(before, *token);) {
      std::span<float> const copy = copy_of(logits);
      if (hooks.mask) {
        hooks.mask(before, copy);
        masked = true;
      } else {
        copy[static_cast<std::size_t>(*token)] = -std::numeric_limits<float>::infinity();
      }
      logits = copy;
      token = work_->sampler.draw(logits, turn_.options, before.size());
    }
    if (!token) return {.status = greedy_token(row) ? VerdictStatus::all_excluded : VerdictStatus::invalid_row};
    // A hook may have made something of an invalid row, but it has no probabilities.
    if (turn_.options.logprobs && !record(detail::as_floats(row, work_->row), *token, before.size()))
      return {.status = VerdictStatus::invalid_row};
    return {.token = *token};
  }

  // A copy of the row that may be written to.
  [[nodiscard]] std::span<float> copy_of(std::span<float const> row) {
    if (row.data() != work_->row.data()) work_->row.assign(row.begin(), row.end());
    return work_->row;
  }

  void edit(std::span<float> row, std::span<Token const> before) {
    SamplingOptions const& options = turn_.options;
    for (LogitBias const& bias : options.logit_bias)
      if (static_cast<std::size_t>(bias.token) < row.size()) row[static_cast<std::size_t>(bias.token)] += bias.bias;
    if (options.penalties.any()) {
      bool const all = options.penalties.scope == PenaltyScope::context;
      turn_.counts.follow(before.subspan(all ? 0 : turn_.answer));
      detail::apply_penalties(row, turn_.counts, options.penalties);
    }
    if (options.dry.multiplier != 0) work_->dry.apply(row, before, options.dry);
    if (turn_.hooks.edit) turn_.hooks.edit(before, row);
    if (turn_.stops.at(before.size())) turn_.stops.exclude(row);
  }

  [[nodiscard]] bool record(std::span<float const> row, Token token, std::size_t position) {
    COPYSPEC_ASSERT(position >= turn_.answer, "tokens were taken back without a `begin_turn`");
    // Records after this position belong to tokens that were not accepted.
    turn_.records.resize((position - turn_.answer) * turn_.per_token());
    return work_->logprobs.append(row, token, *turn_.options.logprobs, turn_.records);
  }

  SamplingOptions defaults_;
  Turn turn_;
  std::shared_ptr<Work> work_;
};

static_assert(AcceptanceVerifier<SamplingVerifier, float>);

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
