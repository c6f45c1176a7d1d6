// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/assert.hpp"
#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/logits.hpp"
#include "detail/suppressed_stops.hpp"
#include "detail/token_distribution.hpp"
#include "fresh_seed.hpp"
#include "greedy_token.hpp"
#include "logprobs.hpp"
#include "random_streams.hpp"
#include "sampling_options.hpp"
#include "sampling_turn.hpp"
#include "verifier.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Accepts drafts that were *sampled* from a draft model as often as possible while preserving the model's output
/// distribution. An `AcceptanceVerifier` with weaker laws: it preserves the distribution rather than the exact token
/// stream, and it reads rows as long as the draft is possible. Block verification (Sun et al., "Block verification
/// accelerates speculative decoding", 2024, arXiv 2403.10444). docs/losslessness.md describes the gain, and why it
/// stays exact if the draft's length depends on the drawn tokens.
///
/// P are the probabilities of a row of the target model, Q those of the row that a draft token was drawn from, both
/// under the options of the turn (`TokenDistribution`). A draft token that was not drawn, but given, has Q = 1.
///
///     p[0] = 1,  p[i] = min(1, p[i-1] P[i](x[i]) / Q[i](x[i]))
///     r[i] = sum over x of max(0, p[i] P[i+1](x) - Q[i+1](x)),  where Q[n+1] = 0 after the last token of the draft
///     h[0] = 1,  h[i] = r[i] / (r[i] + 1 - p[i])
///
/// The number of accepted tokens is the greatest i whose random number is below h[i]. The next token is drawn with
/// probabilities in proportion to max(0, p[i] P[i+1] - Q[i+1]).
///
/// Random numbers are a function of the seed and of how many were drawn before, in all turns. So the output depends on
/// the drafts, including their lengths, and is reproducible only with the same drafts.
///
/// A draft ends before a token whose draft row gives no token, is longer than the vocabulary, or could not give that
/// token. It also ends where the target model's row gives no token; if the draft is accepted up to there, the turn
/// ends.
///
/// Bias, penalties, DRY, hooks and log-probabilities are not supported. For these, use a `SamplingVerifier`, whose
/// token stream does not depend on the drafts.
///
/// Cost: two `TokenDistribution`s per draft token. Allocates in `begin_turn`, and when filters keep more candidates
/// than ever before. Threads: as for `SamplingVerifier`.
class RejectionVerifier {
 public:
  /// `options` apply to turns that bring none of their own. Throws `Error` if they are invalid or not supported.
  explicit RejectionVerifier(SamplingOptions options = {})
      : defaults_(std::move(options)), work_(std::make_shared<Work>()) {
    require_valid(defaults_, std::numeric_limits<Token>::max());
    check_supported(defaults_);
  }

  /// Throws `Error`, which names the first of these options that is not supported.
  static void check_supported(SamplingOptions const& options) {
    auto const refuse = [](bool asked, char const* name) {
      if (asked)
        raise_error(ErrorCode::bad_options, std::string("sampling: ") + name +
                                                ": not supported by a RejectionVerifier: use a SamplingVerifier");
    };
    refuse(!options.logit_bias.empty(), "logit_bias");
    refuse(options.penalties.any(), "penalties");
    refuse(options.dry.multiplier != 0, "dry");
    refuse(options.hooks != nullptr, "hooks");
    refuse(options.logprobs.has_value(), "logprobs");
  }

  /// See `SamplingVerifier`.
  void detach_workspace() { work_ = std::make_shared<Work>(); }

  /// See `SamplingVerifier`. Throws as `check_supported` does too.
  void begin_turn(SamplingTurn const& turn) {
    SamplingOptions options = turn.options != nullptr ? *turn.options : defaults_;
    require_valid(options, turn.vocabulary);
    check_supported(options);
    if (!options.seed) options.seed = fresh_seed();
    detail::SuppressedStops stops(turn);
    work_->model.reserve(turn.vocabulary);
    work_->draft.reserve(turn.vocabulary);
    work_->row.reserve(turn.vocabulary);
    options_ = std::move(options);
    stops_ = std::move(stops);
    rows_ = {};
  }

  /// See `SamplingVerifier`.
  void on_fork(std::optional<std::uint64_t> seed) { options_.seed = seed ? *seed : fresh_seed(); }

  /// The options of this turn, which always name a seed.
  [[nodiscard]] SamplingOptions const& options() const noexcept { return options_; }

  /// Sets the rows that the next draft to verify was drawn from: `Draft::drawn_from`, valid until that `verify`. Rows
  /// beyond the draft are ignored.
  void drawn_from(std::span<std::span<float const> const> rows) noexcept { rows_ = rows; }

  /// See `AcceptanceVerifier`.
  template <class Scalar>
  [[nodiscard]] Verdict verify(LogitsView<Scalar> rows, std::span<Token const> tokens, std::size_t length) {
    std::span<Token const> const draft = tokens.subspan(length);
    COPYSPEC_ASSERT(options_.seed, "a verifier that samples needs a `begin_turn`");
    COPYSPEC_ASSERT(rows.rows() == draft.size() + 1, "a row after the context and one after each draft token");
    auto const drawn = std::exchange(rows_, {});
    Verdict verdict;
    double p = 1;
    for (std::size_t i = 0;; ++i) {
      bool const valid = take_model(rows.row(i), length + i);
      std::span<float const> const drawn_from = i < drawn.size() ? drawn[i] : std::span<float const>();
      bool const goes_on = valid && i < draft.size() && take_draft(drawn_from, draft[i], rows.vocabulary());
      if (!goes_on) work_->draft.clear();
      // No draft contains what an invalid row gives instead of a token.
      double const residual = valid ? residual_mass(p) : p;
      if (i == 0 || uniform() * (residual + 1 - p) < residual) {
        verdict.accepted = i;
        verdict.status = valid                       ? VerdictStatus::ok
                         : greedy_token(rows.row(i)) ? VerdictStatus::all_excluded
                                                     : VerdictStatus::invalid_row;
        // Where the draft has exactly the target model's probabilities, the residual is empty and the draft token is
        // kept.
        if (valid) verdict.next = residual > 0 ? draw_residual(p, residual) : draft[i];
      }
      if (!goes_on) return verdict;
      p = std::min(1.0, p * work_->model.of(draft[i]) / work_->draft.of(draft[i]));
      if (p == 0) return verdict;
    }
  }

  /// See `SamplingVerifier`. There are no log-probabilities, and a draft is never shortened.
  [[nodiscard]] static LogprobsView logprobs() noexcept { return {}; }
  [[nodiscard]] static std::size_t allowed_draft(std::span<Token const> /*context*/,
                                                 std::span<Token const> draft) noexcept {
    return draft.size();
  }

 private:
  // What copies share: nothing in it outlives a call.
  struct Work {
    detail::TokenDistribution model;  // P
    detail::TokenDistribution draft;  // Q
    std::vector<float> row;
  };

  // Computes the probabilities of the token at `position`. Returns false if there is none to draw.
  template <class Scalar>
  [[nodiscard]] bool take_model(std::span<Scalar const> row, std::size_t position) {
    std::span<float const> logits = detail::as_floats(row, work_->row);
    if (stops_.at(position)) {
      if (logits.data() != work_->row.data()) work_->row.assign(logits.begin(), logits.end());
      stops_.exclude(work_->row);
      logits = work_->row;
    }
    return work_->model.take(logits, options_);
  }

  // Computes the probabilities that a token was drafted with. Returns false if it cannot have been drafted with them.
  [[nodiscard]] bool take_draft(std::span<float const> row, Token token, std::size_t vocabulary) {
    if (static_cast<std::size_t>(token) >= vocabulary || row.size() > vocabulary) return false;
    if (row.empty()) {
      work_->draft.take(token);
      return true;
    }
    return work_->draft.take(row, options_) && work_->draft.of(token) > 0;
  }

  [[nodiscard]] double residual(Token token, double p) const noexcept {
    return std::max(0.0, p * work_->model.of(token) - work_->draft.of(token));
  }

  [[nodiscard]] double residual_mass(double p) const noexcept {
    double mass = 0;
    for (Token const token : work_->model.tokens()) mass += residual(token, p);
    return mass;
  }

  // `mass`, above zero, is the total of the residual.
  [[nodiscard]] Token draw_residual(double p, double mass) noexcept {
    double left = uniform() * mass;
    Token drawn = 0;
    for (Token const token : work_->model.tokens()) {
      double const share = residual(token, p);
      if (share == 0) continue;
      drawn = token;
      left -= share;
      if (left < 0) break;
    }
    return drawn;
  }

  [[nodiscard]] double uniform() noexcept {
    return detail::uniform_number({.seed = seed_for(RandomStream::verdict, *options_.seed), .position = numbers_++});
  }

  SamplingOptions defaults_;
  SamplingOptions options_;  // of this turn
  detail::SuppressedStops stops_;
  std::shared_ptr<Work> work_;
  std::span<std::span<float const> const> rows_;
  std::uint64_t numbers_ = 0;  // drawn in all turns, so that none is used twice
};

static_assert(AcceptanceVerifier<RejectionVerifier, float>);

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
