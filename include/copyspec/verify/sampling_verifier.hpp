// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/logits.hpp"
#include "detail/accept_chain.hpp"
#include "detail/penalties.hpp"
#include "detail/row_logprobs.hpp"
#include "detail/token_counts.hpp"
#include "logprobs.hpp"
#include "sampling_options.hpp"
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
/// A row for which the hooks leave no token ends the turn, as an invalid row does.
///
/// Cost per row read: that of `TokenSampler`; with bias, penalties or hooks a copy of the row; with logprobs one
/// exponential per token. Copies share working memory of the size of a row; a sequence with penalties also keeps a
/// `TokenCounts`. Allocates in `begin_turn`, and for more candidates than ever before. Threads: one call at a time,
/// over all copies.
class SamplingVerifier {
 public:
  /// `options` apply to turns that bring none of their own. Throws `Error` if they are invalid.
  explicit SamplingVerifier(SamplingOptions options = {})
      : defaults_(std::move(options)), work_(std::make_shared<Work>()) {
    require_valid(defaults_, std::numeric_limits<Token>::max());
    begin(defaults_);
  }

  /// Begins a turn of up to `budget` generated tokens. Its tokens are drawn with `options`, already validated for
  /// `vocabulary`, or else with those of the constructor. A composer calls it; other callers must call it for each
  /// turn, and after tokens were taken back. Allocates.
  void begin_turn(std::optional<SamplingOptions> const& options, std::size_t vocabulary, std::size_t budget) {
    begin(options ? *options : defaults_);
    if (edits() || options_.hooks.allows) work_->row.reserve(vocabulary);
    if (options_.penalties.any()) begin_counting(vocabulary);
    // A window without a bound grows with the context.
    if (options_.dry.multiplier != 0) work_->dry.reserve(std::min<std::size_t>(options_.dry.window, 1U << 16U));
    records_.reserve(budget * per_token());
  }

  /// The options of this turn.
  [[nodiscard]] SamplingOptions const& options() const noexcept { return options_; }

  /// See `AcceptanceVerifier`.
  template <class Scalar>
  [[nodiscard]] Verdict verify(LogitsView<Scalar> rows, std::span<Token const> tokens, std::size_t length) {
    return detail::accept_chain(
        rows, tokens, length,
        [this](std::span<Scalar const> row, std::span<Token const> before) { return draw(row, before); });
  }

  /// How many of the first tokens of `draft` the hook `allowed_draft` allows after `context`; all of them without
  /// the hook.
  [[nodiscard]] std::size_t allowed_draft(std::span<Token const> context, std::span<Token const> draft) const {
    if (!options_.hooks.allowed_draft) return draft.size();
    return std::min(options_.hooks.allowed_draft(context, draft), draft.size());
  }

  /// Log-probabilities of the tokens drawn in this turn, if requested. Valid until the next call.
  [[nodiscard]] LogprobsView logprobs() const noexcept { return {records_, per_token()}; }

 private:
  // What copies share: nothing in it outlives a call.
  struct Work {
    TokenSampler sampler;
    detail::DryPenalty dry;
    detail::RowLogprobs logprobs;
    std::vector<float> row;
  };

  void begin(SamplingOptions const& options) {
    options_ = options;
    counting_ = false;
    first_.reset();
    records_.clear();
  }

  void begin_counting(std::size_t vocabulary) {
    counts_.reset(vocabulary, options_.penalties.window);
    counting_ = true;
  }

  [[nodiscard]] std::size_t per_token() const noexcept { return options_.logprobs ? *options_.logprobs + 1 : 0; }

  [[nodiscard]] bool edits() const noexcept {
    return !options_.logit_bias.empty() || options_.penalties.any() || options_.dry.multiplier != 0 ||
           options_.hooks.edit;
  }

  template <class Scalar>
  [[nodiscard]] std::optional<Token> draw(std::span<Scalar const> row, std::span<Token const> before) {
    RowHooks const& hooks = options_.hooks;
    std::span<float const> logits = detail::as_floats(row, work_->row);
    if (edits()) {
      std::span<float> const copy = copy_of(logits);
      edit(copy, before);
      logits = copy;
    }
    std::optional<Token> token = work_->sampler.draw(logits, options_, before.size());
    for (bool masked = false; hooks.allows && token && !masked && !hooks.allows(before, *token);) {
      std::span<float> const copy = copy_of(logits);
      if (hooks.mask) {
        hooks.mask(before, copy);
        masked = true;
      } else {
        copy[static_cast<std::size_t>(*token)] = -std::numeric_limits<float>::infinity();
      }
      logits = copy;
      token = work_->sampler.draw(logits, options_, before.size());
    }
    if (token && options_.logprobs) record(detail::as_floats(row, work_->row), *token, before.size());
    return token;
  }

  // A copy of the row that may be written to.
  [[nodiscard]] std::span<float> copy_of(std::span<float const> row) {
    if (row.data() != work_->row.data()) work_->row.assign(row.begin(), row.end());
    return work_->row;
  }

  void edit(std::span<float> row, std::span<Token const> before) {
    for (LogitBias const& bias : options_.logit_bias)
      if (static_cast<std::size_t>(bias.token) < row.size()) row[static_cast<std::size_t>(bias.token)] += bias.bias;
    if (options_.penalties.any()) {
      if (!counting_) begin_counting(row.size());
      counts_.follow(before);
      detail::apply_penalties(row, counts_, options_.penalties);
    }
    if (options_.dry.multiplier != 0) work_->dry.apply(row, before, options_.dry);
    if (options_.hooks.edit) options_.hooks.edit(before, row);
  }

  void record(std::span<float const> row, Token token, std::size_t position) {
    if (!first_) first_ = position;
    COPYSPEC_ASSERT(position >= *first_, "tokens were taken back without a `begin_turn`");
    // Records after this position belong to tokens that were not accepted.
    records_.resize((position - *first_) * per_token());
    work_->logprobs.append(row, token, *options_.logprobs, records_);
  }

  SamplingOptions defaults_;
  SamplingOptions options_;  // of this turn
  std::shared_ptr<Work> work_;
  detail::TokenCounts counts_;
  bool counting_ = false;             // whether `counts_` follow this turn
  std::optional<std::size_t> first_;  // position of the first token recorded
  std::vector<TokenLogprob> records_;
};

static_assert(AcceptanceVerifier<SamplingVerifier, float>);

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
