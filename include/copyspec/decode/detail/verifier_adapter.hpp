// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/recovery.hpp"
#include "../../verify/batch_verifier.hpp"
#include "../../verify/logprobs.hpp"
#include "../../verify/sampling_options.hpp"
#include "../../verify/sampling_turn.hpp"
#include "../../verify/verifier.hpp"
#include "../../verify/verifier_traits.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The verifiers of a batch: a copy for each sequence, called when its verdict is needed.
///
/// `verdict(own, rows, inputs, index, first)` is the verdict on `inputs[index]`, whose rows begin at `first` of `rows`
/// and whose sequence keeps `own`. In each pass, `index` ascends from 0.
///
/// The optional calls are those of `VerifierTraits`.
template <class Verifier, class Rows>
class VerifierAdapter {
  using Traits = VerifierTraits<Verifier>;

 public:
  /// State of one sequence.
  using Own = Verifier;

  /// Whether one verifier serves all sequences, so that what it throws concerns all.
  static constexpr bool shared = false;
  static constexpr bool samples = Traits::samples;
  static constexpr bool needs_drawn = Traits::needs_drawn;

  /// Sequences of other batches may use copies of `verifier` on other threads.
  explicit VerifierAdapter(Verifier verifier) : verifier_(std::move(verifier)) { Traits::detach_workspace(verifier_); }

  [[nodiscard]] Own begin_sequence() const { return verifier_; }

  static void check_supported(SamplingOptions const& options) { Traits::check_supported(options); }

  static void begin_turn(Own& own, SamplingTurn const& turn) { Traits::begin_turn(own, turn); }

  static void on_fork(Own& own, std::optional<std::uint64_t> seed) { Traits::on_fork(own, seed); }

  [[nodiscard]] static LogprobsView logprobs(Own const& own) noexcept { return Traits::logprobs(own); }

  [[nodiscard]] static std::size_t allowed_draft(Own const& own, std::span<Token const> context,
                                                 std::span<Token const> draft) {
    return Traits::allowed_draft(own, context, draft);
  }

  static void drawn_from(Own& own, std::span<std::span<float const> const> rows) { Traits::drawn_from(own, rows); }

  static void on_turn_begin(Own& own, SequenceId sequence, std::span<Token const> context, std::size_t prompt) {
    Traits::on_turn_begin(own, sequence, context, prompt);
  }

  static void on_turn_end(Own& own, SequenceId sequence, std::span<Token const> context, std::size_t answer) {
    Traits::on_turn_end(own, sequence, context, answer);
  }

  /// After this call, passes with up to `inputs` verdicts allocate nothing here.
  static void reserve(std::size_t /*inputs*/) noexcept {}

  [[nodiscard]] static Verdict verdict(Own& own, Rows rows, std::span<VerifyInput const> inputs, std::size_t index,
                                       std::size_t first) {
    VerifyInput const& input = inputs[index];
    return own.verify(rows.subview(first, input.rows()), input.tokens, input.length);
  }

  /// The verdict on `input`, whose rows begin at `first`, up to the row at which the verifier throws; none of them if
  /// it does not give the same token again. Its next token is meaningless if a row threw.
  [[nodiscard]] static Verdict verdict_before_throw(Own& own, Rows rows, VerifyInput const& input, std::size_t first) {
    Verdict verdict{.status = VerdictStatus::invalid_row};
    if (needs_drawn) return verdict;
    auto const step = [&] {
      std::size_t const length = input.length + verdict.accepted;
      Verdict const one = own.verify(rows.subview(first + verdict.accepted, 1), input.tokens.first(length), length);
      bool const accepted =
          one.status == VerdictStatus::ok && length < input.tokens.size() && input.tokens[length] == one.next;
      if (accepted)
        ++verdict.accepted;
      else
        verdict = {.accepted = verdict.accepted, .next = one.next, .status = one.status};
      return accepted;
    };
    static_cast<void>(exception_of([&] {
      while (step()) {
      }
    }));
    return verdict;
  }

 private:
  Verifier verifier_;
};

/// One verifier for all sequences, called once in a pass, when its first verdict is needed. It does not sample, so it
/// is not given the sampling options of a turn.
template <class Verifier, class Rows>
  requires BatchVerifier<Verifier, Rows>
class VerifierAdapter<Verifier, Rows> {
  using Traits = VerifierTraits<Verifier>;

 public:
  struct Own {};

  static constexpr bool shared = true;
  static constexpr bool samples = false;
  static constexpr bool needs_drawn = false;

  explicit VerifierAdapter(Verifier verifier) : verifier_(std::move(verifier)) {}

  [[nodiscard]] static Own begin_sequence() noexcept { return {}; }

  static void check_supported(SamplingOptions const&) noexcept {}

  static void begin_turn(Own&, SamplingTurn const&) noexcept {}

  static void on_fork(Own&, std::optional<std::uint64_t>) noexcept {}

  [[nodiscard]] static LogprobsView logprobs(Own const&) noexcept { return {}; }

  [[nodiscard]] static std::size_t allowed_draft(Own const&, std::span<Token const>,
                                                 std::span<Token const> draft) noexcept {
    return draft.size();
  }

  static void drawn_from(Own&, std::span<std::span<float const> const>) noexcept {}

  void on_turn_begin(Own&, SequenceId sequence, std::span<Token const> context, std::size_t prompt) {
    Traits::on_turn_begin(verifier_, sequence, context, prompt);
  }

  void on_turn_end(Own&, SequenceId sequence, std::span<Token const> context, std::size_t answer) {
    Traits::on_turn_end(verifier_, sequence, context, answer);
  }

  void reserve(std::size_t inputs) { verdicts_.reserve(inputs); }

  [[nodiscard]] Verdict verdict(Own&, Rows rows, std::span<VerifyInput const> inputs, std::size_t index, std::size_t) {
    if (index == 0) {
      verdicts_.assign(inputs.size(), Verdict{});
      verifier_.verify(rows, inputs, std::span<Verdict>(verdicts_));
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
