// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../draft/proposer.hpp"
#include "../../model/logits.hpp"
#include "../../verify/batch_verifier.hpp"
#include "../../verify/logprobs.hpp"
#include "../../verify/sampling_options.hpp"
#include "../../verify/verifier.hpp"
#include "../../verify/verifier_traits.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The verifiers of a composer: a copy for each sequence, asked when its verdict is wanted.
///
/// `verdict(own, rows, trials, index, first)` is the verdict on `trials[index]`, whose rows begin at `first` of `rows`
/// and whose sequence keeps `own`. It is asked for in ascending order, from 0 on for each pass.
template <class Verifier, class Rows>
class VerifierAdapter {
 public:
  /// What a sequence keeps.
  using Own = Verifier;

  /// Whether it samples: `begin_turn` tells it how, and `logprobs` and `allowed_draft` answer.
  static constexpr bool samples = SamplingSequenceVerifier<Verifier>;

  /// Whether it asks what a draft was drawn from.
  static constexpr bool needs_drawn = requires(Verifier & verifier, Draft const& draft) {
    verifier.drawn_from(draft.drawn_from);
  };

  explicit VerifierAdapter(Verifier verifier) : verifier_(std::move(verifier)) {}

  [[nodiscard]] Own begin_sequence() const { return verifier_; }

  /// Raises an `Error` that names what is wrong, unless the verifier can draw with these options, which are valid.
  static void check_supported(SamplingOptions const& options) {
    if constexpr (requires { Verifier::check_supported(options); }) Verifier::check_supported(options);
  }

  /// A turn begins, `SamplingVerifier::begin_turn`.
  static void begin_turn(Own& own, std::optional<SamplingOptions> const& options, std::size_t vocabulary,
                         std::size_t budget) {
    if constexpr (samples) own.begin_turn(options, vocabulary, budget);
  }

  /// Of what was generated in this turn.
  [[nodiscard]] static LogprobsView logprobs(Own const& own) noexcept {
    if constexpr (samples) return own.logprobs();
    return {};
  }

  /// How many of the first tokens of `draft` may stand behind `context`.
  [[nodiscard]] static std::size_t allowed_draft(Own const& own, std::span<Token const> context,
                                                 std::span<Token const> draft) {
    if constexpr (samples) return own.allowed_draft(context, draft);
    return draft.size();
  }

  /// What the draft that is judged next was drawn from, `Draft::drawn_from`.
  static void drawn_from(Own& own, std::span<std::span<float const> const> rows) {
    if constexpr (requires { own.drawn_from(rows); }) own.drawn_from(rows);
  }

  /// After it, passes with up to `trials` trials allocate nothing here.
  static void reserve(std::size_t /*trials*/) noexcept {}

  [[nodiscard]] static Verdict verdict(Own& own, Rows rows, std::span<VerifyInput const> trials, std::size_t index,
                                       std::size_t first) {
    VerifyInput const& trial = trials[index];
    return own.verify(rows.subview(first, trial.rows()), trial.tokens, trial.length);
  }

 private:
  Verifier verifier_;
};

/// One verifier for all sequences, asked once a pass, when its first verdict is wanted.
template <class Verifier, class Rows>
  requires BatchVerifier<Verifier, Rows>
class VerifierAdapter<Verifier, Rows> {
 public:
  struct Own {};

  static constexpr bool samples = false;

  explicit VerifierAdapter(Verifier verifier) : verifier_(std::move(verifier)) {}

  [[nodiscard]] static Own begin_sequence() noexcept { return {}; }

  static void check_supported(SamplingOptions const&) noexcept {}

  static void begin_turn(Own&, std::optional<SamplingOptions> const&, std::size_t, std::size_t) noexcept {}

  [[nodiscard]] static LogprobsView logprobs(Own const&) noexcept { return {}; }

  [[nodiscard]] static std::size_t allowed_draft(Own const&, std::span<Token const>,
                                                 std::span<Token const> draft) noexcept {
    return draft.size();
  }

  static void drawn_from(Own&, std::span<std::span<float const> const>) noexcept {}

  void reserve(std::size_t trials) { verdicts_.reserve(trials); }

  [[nodiscard]] Verdict verdict(Own&, Rows rows, std::span<VerifyInput const> trials, std::size_t index, std::size_t) {
    if (index == 0) {
      verdicts_.assign(trials.size(), Verdict{});
      verifier_.verify(rows, trials, std::span<Verdict>(verdicts_));
    }
    return verdicts_[index];
  }

 private:
  Verifier verifier_;
  std::vector<Verdict> verdicts_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
