// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../detail/recovery.hpp"
#include "../detail/stopwatch.hpp"
#include "../draft/proposer.hpp"
#include "../model/engine.hpp"
#include "../model/tree_model.hpp"
#include "../verify/batch_verifier.hpp"
#include "../verify/verifier_traits.hpp"
#include "batch.hpp"
#include "engine_limits.hpp"
#include "generate_options.hpp"
#include "output_delta.hpp"
#include "pass_plan.hpp"
#include "pass_times.hpp"
#include "sequence.hpp"
#include "stop.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Drives a model for one sequence or many: drafts, one pass for all that are running, verdicts, cache truncated. It is
/// a `DecodeBatch` with a model and a clock; an engine that has a loop of its own uses that. With a `BatchVerifier`,
/// which rows in device memory (`DeviceModel`) need, there is one verifier for all. Drafts are trees where the model is
/// a `TreeModel` that has branches, the proposer a `TreeProposer`, and the verifier one of sequences.
///
/// Each pass first serves the sequences that wait for one token, then chunks of prompts, within the model's
/// `max_tokens()`. What is generated does not depend on the drafts, nor on which other sequences run; its distribution
/// does not, with a `RejectionVerifier`.
///
/// Failure: `begin` throws `Error` for a request that cannot be served and leaves everything as it was. What the
/// model, the verifier or a callback throws passes through; every sequence is then as it was before the pass, or after
/// it if its verdict had been taken, and goes on with the next `step`, or ends with `truncate`. A pass with drafts that
/// the model refuses is tried again without them, so copying never fails where plain decoding would not.
/// Allocation: in `begin` only, given a proposer with `reserve`. Threads: one call at a time.
/// Lifetime: the model is borrowed and must outlive the composer, which releases what it fed when it is destroyed.
template <Engine M, DraftProposer Proposer, class Verifier, class Clock = std::chrono::steady_clock>
  requires SequenceVerifier<Verifier, LogitsOf<M>> || BatchVerifier<Verifier, LogitsOf<M>>
class Composer {
 public:
  using Times = PassTimes<Clock>;

  /// Copies of `proposer`, and of a verifier of sequences, serve each sequence; `proposer` itself hears of the passes.
  /// The limits of `model` are read once. Throws `Error` if the proposer cannot propose for a vocabulary like the
  /// model's.
  explicit Composer(M& model, Proposer proposer = Proposer(), Verifier verifier = Verifier())
      : model_(&model), batch_(limits_of(model), std::move(proposer), std::move(verifier)) {}

  Composer(Composer const&) = delete;
  Composer& operator=(Composer const&) = delete;

  ~Composer() {
    while (batch_.size() > 0) remove(batch_.nth_sequence(batch_.size() - 1).id());
  }

  /// Begins a turn of sequence `id`: `prompt` is appended to its context. If `id` is new, that is empty, and what
  /// the model may still hold under this id is forgotten. O(prompt).
  void begin(SequenceId id, std::span<Token const> prompt, GenerateOptions options = {}) {
    if (!batch_.contains(id)) {
      batch_.require_servable(id, prompt, options);
      model_->truncate(id, 0);
    }
    batch_.begin(id, prompt, std::move(options));
    settle(batch_.truncation(id));
  }

  /// Runs one pass over all running sequences. Calls `on_tokens(OutputDelta)` for each that has something to show or
  /// has ended. Returns whether any is still running. Callbacks must not begin, truncate or remove sequences.
  template <class OnTokens, StopPredicate Stop = NeverStop>
  bool step(OnTokens&& on_tokens, Stop&& stop = Stop()) {
    if (std::optional<Rows> const rows = forward()) {
      recovering([&] { batch_.commit(*rows, stop, timing(times_.verify)); });
      settle();
      batch_.report(std::chrono::duration<double>(times_.total() - before_).count());
    }
    batch_.emit(on_tokens);
    return batch_.running();
  }

  /// Runs passes until no sequence is running.
  template <class OnTokens = void (*)(OutputDelta const&), StopPredicate Stop = NeverStop>
  void run(
      OnTokens&& on_tokens = [](OutputDelta const&) {}, Stop&& stop = Stop()) {
    while (step(on_tokens, stop)) {
    }
  }

  /// One turn of a single conversation, sequence 0: begins it, runs it to its end and returns what was generated, a
  /// stop included. Called again, it goes on with the conversation. The span is valid until the next `begin`.
  template <class OnTokens = void (*)(OutputDelta const&), StopPredicate Stop = NeverStop>
  std::span<Token const> generate(
      std::span<Token const> prompt, GenerateOptions options = {}, OnTokens&& on_tokens = [](OutputDelta const&) {},
      Stop&& stop = Stop()) {
    begin(SequenceId{0}, prompt, std::move(options));
    run(on_tokens, stop);
    return sequence(SequenceId{0}).generated();
  }

  /// The sequence called `id`, which was begun and not removed. Valid until the next `begin` or `remove`.
  [[nodiscard]] Sequence const& sequence(SequenceId id) const { return batch_.sequence(id); }

  /// The proposer that serves sequence `id`; as above.
  [[nodiscard]] Proposer const& proposer(SequenceId id) const { return batch_.proposer(id); }

  /// Takes back everything after the first `length` tokens of sequence `id`, e.g. to edit a prompt, and ends its turn.
  void truncate(SequenceId id, std::size_t length) {
    batch_.truncate(id, length);
    settle(batch_.truncation(id));
  }

  /// Forgets sequence `id`, if there is one, here and in the model.
  void remove(SequenceId id) {
    if (batch_.remove(id)) model_->truncate(id, 0);
  }

  /// Time spent since the composer was made.
  [[nodiscard]] Times const& times() const noexcept { return times_; }

 private:
  using Rows = LogitsOf<M>;

  static auto timing(typename Clock::duration& total) {
    return [&total](auto&& work) -> decltype(auto) { return detail::timed<Clock>(total, work); };
  }

  void settle(std::optional<Truncation> const& truncation) {
    if (!truncation) return;
    detail::timed<Clock>(times_.truncate, [&] { batch_.truncated(truncation->sequence, held_after(*truncation)); });
  }
  void settle() {
    while (auto const truncation = batch_.next_truncation()) settle(truncation);
  }

  [[nodiscard]] std::size_t held_after(Truncation const& truncation) {
    if constexpr (TreeModel<M>)
      if (!truncation.path.empty()) return model_->keep(truncation.sequence, truncation.length, truncation.path);
    return model_->truncate(truncation.sequence, truncation.length);
  }

  // What throws leaves the model as the sequences say.
  template <class Action>
  void recovering(Action&& action) {
    detail::with_recovery(action, [this] { settle(); });
  }

  // The rows of a pass, or nothing if none is running. A pass with drafts that fails is tried again without.
  [[nodiscard]] std::optional<Rows> forward() {
    std::optional<Rows> rows;
    PassPlan plan;
    auto const recover = [this] {
      batch_.fail();
      settle();
    };
    do {
      before_ = times_.total();
      settle();
      recovering([&] { plan = batch_.plan(batch_.limits().max_tokens, timing(times_.propose)); });
      if (plan.segments.empty()) return std::nullopt;
    } while (!detail::with_recovery([&] { rows = feed(plan); }, recover, !plan.has_drafts));
    return rows;
  }

  [[nodiscard]] Rows feed(PassPlan const& plan) {
    return detail::timed<Clock>(times_.forward, [&] {
      if constexpr (TreeModel<M>)
        if (!plan.tree_segments.empty()) return Rows(model_->forward(plan.tree_segments));
      return Rows(model_->forward(plan.segments));
    });
  }

  M* model_;
  DecodeBatch<Proposer, Verifier, Rows> batch_;
  Times times_;
  typename Clock::duration before_{};  // of times_, when the pass under way was planned
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
