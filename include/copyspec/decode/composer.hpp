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

/// Drives a model for one sequence or many: drafts, one pass for all running sequences, verdicts, truncation of the KV
/// cache. It is a `DecodeBatch` with a model and a clock; an engine with its own loop uses `DecodeBatch`. A
/// `BatchVerifier` serves all sequences, and rows in device memory (`DeviceModel`) need one. Drafts are trees if the
/// model is a `TreeModel` with branches, the proposer is a `TreeProposer`, and the verifier serves one sequence.
///
/// Each pass first serves the sequences that wait for one token, then chunks of prompts, within the model's
/// `max_tokens()`. The generated tokens depend neither on the drafts nor on which other sequences run. With a
/// `RejectionVerifier` this holds for their distribution.
///
/// Failure: `begin` throws `Error` for a request that cannot be served; everything is then as before. Exceptions of the
/// model, the verifier or a callback pass through. Each sequence is then as before the pass, or as after it if its
/// verdict was taken. It continues with the next `step`, or ends with `truncate`. If the model refuses a pass with
/// drafts, the pass is tried again without them, so copying never fails where plain decoding would succeed.
/// Allocation: in `begin` only, given a proposer with `reserve`. Threads: one call at a time.
/// Lifetime: the model is borrowed and must outlive the composer. The destructor removes its sequences from the model.
template <Engine M, DraftProposer Proposer, class Verifier, class Clock = std::chrono::steady_clock>
  requires SequenceVerifier<Verifier, LogitsOf<M>> || BatchVerifier<Verifier, LogitsOf<M>>
class Composer {
 public:
  using Times = PassTimes<Clock>;

  /// Copies `proposer`, and a verifier that serves one sequence, for each sequence. `proposer` itself receives the pass
  /// reports. The limits of `model` are read once. Throws `Error` if the proposer cannot propose for the model's
  /// vocabulary size.
  explicit Composer(M& model, Proposer proposer = Proposer(), Verifier verifier = Verifier())
      : model_(&model), batch_(limits_of(model), std::move(proposer), std::move(verifier)) {}

  Composer(Composer const&) = delete;
  Composer& operator=(Composer const&) = delete;

  ~Composer() {
    while (batch_.size() > 0) remove(batch_.nth_sequence(batch_.size() - 1).id());
  }

  /// Begins a turn of sequence `id` and appends `prompt` to its context. If `id` is new, its context is empty, and what
  /// the model may still hold under this id is forgotten. O(prompt).
  void begin(SequenceId id, std::span<Token const> prompt, GenerateOptions options = {}) {
    if (!batch_.contains(id)) {
      batch_.require_servable(id, prompt, options);
      model_->truncate(id, 0);
    }
    batch_.begin(id, prompt, std::move(options));
    settle(batch_.truncation(id));
  }

  /// Runs one pass over all running sequences. Calls `on_tokens(OutputDelta)` for each that has new output or has
  /// ended. Returns whether any is still running. Callbacks must not begin, truncate or remove sequences.
  template <class OnTokens, StopPredicate Stop = detail::NeverStop>
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
  template <class OnTokens = void (*)(OutputDelta const&), StopPredicate Stop = detail::NeverStop>
  void run(
      OnTokens&& on_tokens = [](OutputDelta const&) {}, Stop&& stop = Stop()) {
    while (step(on_tokens, stop)) {
    }
  }

  /// Runs one turn of a single conversation, sequence 0, to its end. Returns the generated tokens, a stop included. A
  /// further call continues the conversation. The span is valid until the next `begin`.
  template <class OnTokens = void (*)(OutputDelta const&), StopPredicate Stop = detail::NeverStop>
  std::span<Token const> generate(
      std::span<Token const> prompt, GenerateOptions options = {}, OnTokens&& on_tokens = [](OutputDelta const&) {},
      Stop&& stop = Stop()) {
    begin(SequenceId{0}, prompt, std::move(options));
    run(on_tokens, stop);
    return sequence(SequenceId{0}).generated();
  }

  /// The sequence `id`, which was begun and not removed. Valid until the next `begin` or `remove`.
  [[nodiscard]] Sequence const& sequence(SequenceId id) const { return batch_.sequence(id); }

  /// The proposer of sequence `id`. Valid as above.
  [[nodiscard]] Proposer const& proposer(SequenceId id) const { return batch_.proposer(id); }

  /// Removes everything after the first `length` tokens of sequence `id`, for example to edit a prompt, and ends its
  /// turn.
  void truncate(SequenceId id, std::size_t length) {
    batch_.truncate(id, length);
    settle(batch_.truncation(id));
  }

  /// Removes sequence `id`, if it exists, here and in the model.
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

  // If `action` throws, truncates the model to what the sequences hold.
  template <class Action>
  void recovering(Action&& action) {
    detail::with_recovery(action, [this] { settle(); });
  }

  // The rows of a pass, or nothing if no sequence is running. A pass with drafts that fails is tried again without
  // them.
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
  typename Clock::duration before_{};  // total of times_ when the current pass was planned
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
