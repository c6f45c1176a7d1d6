// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <utility>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../detail/recovery.hpp"
#include "../detail/stopwatch.hpp"
#include "../draft/proposer.hpp"
#include "../model/engine.hpp"
#include "../model/forking_model.hpp"
#include "../model/shifting_model.hpp"
#include "../model/tree_model.hpp"
#include "../verify/batch_verifier.hpp"
#include "../verify/logprobs.hpp"
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
/// Failure: `begin` throws `Error` for a request that cannot be served, and changes nothing. What the stop rule, or the
/// verifier of one sequence, throws ends that sequence with `failed`. Exceptions of the model, a `BatchVerifier`, a
/// proposer or the callback pass through. Each sequence is then as before the pass, or as after it if its verdict was
/// taken, and goes on with the next `step`. If the model refuses a pass with drafts, it is tried again without them, so
/// copying never fails where plain decoding would succeed. Allocation: between passes, and in a pass where an answer
/// outgrows its room or a prompt is scored, given a proposer with `reserve`. Threads: one call at a time. Lifetime: the
/// model is borrowed and must outlive the composer. The destructor removes its sequences from the model.
template <class M, DraftProposer Proposer, class Verifier, class Clock = std::chrono::steady_clock>
class Composer {
  static_assert(detail::require_engine<M>());
  static_assert(SequenceVerifier<Verifier, LogitsOf<M>> || BatchVerifier<Verifier, LogitsOf<M>>);

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
    batch_.for_each_sequence([this](Sequence const& sequence) { model_->truncate(sequence.id(), 0); });
  }

  /// See `BatchSequences::begin`. What the model may still hold under a new id is forgotten, except for
  /// `GenerateOptions::cached_prefix`.
  void begin(SequenceId id, std::span<Token const> prompt, GenerateOptions options = {}) {
    if (!batch_.contains(id)) {
      batch_.require_servable(id, prompt, options);
      options.cached_prefix = std::min(options.cached_prefix, keep_first(id, options.cached_prefix));
    }
    batch_.begin(id, prompt, std::move(options));
  }

  /// See `BatchSequences` for this and the next calls. The model does its part at once, or in the next step.
  void fork(SequenceId from, SequenceId to, std::optional<std::uint64_t> seed = std::nullopt) requires ForkingModel<M> {
    if (!batch_.contains(to)) keep_first(to, 0);
    batch_.fork(from, to, seed);
  }
  void move(SequenceId from, SequenceId to) requires ForkingModel<M> {
    settle(batch_.truncation(from));
    if (!batch_.contains(to)) keep_first(to, 0);
    std::size_t const cached = sequence(from).cached();
    std::size_t const copied = cached == 0 ? 0 : detail::as_count(model_->fork(from, to, cached));
    detail::with_recovery([&] { batch_.move(from, to); }, [&] { keep_first(to, 0); });
    batch_.truncated(to, copied);
    keep_first(from, 0);
  }
  void pause(SequenceId id) { batch_.pause(id); }
  void resume(SequenceId id) { batch_.resume(id); }
  [[nodiscard]] bool paused(SequenceId id) const { return batch_.paused(id); }
  void preempt(SequenceId id) {
    keep_first(id, 0);
    batch_.preempt(id);
  }
  void extend(SequenceId id, std::size_t more) { batch_.extend(id, more); }
  void shift(SequenceId id, std::size_t first, std::size_t count) requires ShiftingModel<M> {
    settle(batch_.truncation(id));
    std::size_t const cached = sequence(id).cached();
    std::size_t const left = cached > first + count ? detail::as_count(model_->shift(id, first, count))
                                                    : keep_first(id, std::min(cached, first));
    detail::with_recovery([&] { batch_.shift(id, first, count); },
                          [&] {
                            keep_first(id, 0);
                            batch_.truncated(id, 0);
                          });
    if (left < sequence(id).cached()) batch_.truncated(id, left);
  }

  /// Runs one pass over all running sequences. Calls `on_tokens(OutputDelta)` for each that has new output or has
  /// ended. Returns whether any is still running and not paused, or has output left. `on_tokens` may make any call but
  /// `step`, `run` and `generate`, for any sequence. `stop` may make none.
  template <class OnTokens, StopPredicate Stop = detail::NeverStop>
  bool step(OnTokens&& on_tokens, Stop&& stop = Stop()) {
    if (std::optional<Rows> const rows = forward()) {
      recovering([&] { batch_.commit(*rows, stop, timing(times_.verify)); });
      settle();
      batch_.report(std::chrono::duration<double>(times_.total() - before_).count());
    }
    bool const output_left = batch_.emit(on_tokens);
    return output_left || batch_.running();
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

  /// The sequence `id`, which was begun and not removed. Valid until it is removed.
  [[nodiscard]] bool contains(SequenceId id) const noexcept { return batch_.contains(id); }
  [[nodiscard]] Sequence const& sequence(SequenceId id) const { return batch_.sequence(id); }

  /// What a hook, the stop predicate or the verifier of this sequence threw, if that ended its turn; otherwise null.
  [[nodiscard]] std::exception_ptr error(SequenceId id) const { return batch_.error(id); }

  /// How the tokens of this turn are drawn, with the seed, fresh or named, that repeats it. Valid until the next turn.
  [[nodiscard]] SamplingOptions const& sampling(SequenceId id) const requires SamplingSequenceVerifier<Verifier> {
    return batch_.sampling(id);
  }

  /// See `BatchSequences` for both.
  [[nodiscard]] LogprobsView prompt_logprobs(SequenceId id) const { return batch_.prompt_logprobs(id); }
  [[nodiscard]] Proposer const& proposer(SequenceId id) const { return batch_.proposer(id); }

  /// Removes all but the first `length` tokens of sequence `id`, for example to edit a prompt, and ends its turn.
  void truncate(SequenceId id, std::size_t length) {
    settle(batch_.truncation(id));
    std::size_t const cached = sequence(id).cached();
    std::size_t const held =
        length < cached ? detail::timed<Clock>(times_.truncate, [&] { return keep_first(id, length); }) : cached;
    // What the model has forgotten counts as lost if the sequence keeps it.
    detail::with_recovery([&] { batch_.truncate(id, length); }, [&] { batch_.truncated(id, held); });
    if (held < cached) batch_.truncated(id, held);
  }

  /// Removes sequence `id`, if it exists, here and in the model.
  void remove(SequenceId id) {
    if (batch_.remove(id)) keep_first(id, 0);
  }

  /// Time spent since the composer was made.
  [[nodiscard]] Times const& times() const noexcept { return times_; }

 private:
  using Rows = LogitsOf<M>;

  static auto timing(typename Clock::duration& total) {
    return [&total](auto&& work) -> decltype(auto) { return detail::timed<Clock>(total, work); };
  }

  // Makes the model forget all but the first `length` tokens of a sequence. Returns how many it holds then.
  std::size_t keep_first(SequenceId id, std::size_t length) { return detail::as_count(model_->truncate(id, length)); }

  void settle(std::optional<Truncation> const& truncation) {
    if (!truncation) return;
    detail::timed<Clock>(times_.truncate, [&] { batch_.truncated(truncation->sequence, held_after(*truncation)); });
  }
  void settle() {
    while (auto const truncation = batch_.next_truncation()) settle(truncation);
    if constexpr (ForkingModel<M>)
      while (auto const copy = batch_.next_copy()) take_over(*copy);
  }

  // If the model throws, the tokens are fed. The time is not that of a pass.
  void take_over(CacheCopy const& copy) requires ForkingModel<M> {
    std::size_t held = 0;
    detail::with_recovery([&] { held = detail::as_count(model_->fork(copy.from, copy.to, copy.length)); },
                          [&] { batch_.copied(copy.to, 0); });
    batch_.copied(copy.to, held);
  }

  [[nodiscard]] std::size_t held_after(Truncation const& truncation) {
    auto const& [sequence, length, path] = truncation;
    if constexpr (TreeModel<M>)
      if (!path.empty()) return detail::as_count(model_->keep(sequence, length, path));
    return keep_first(sequence, length);
  }

  // If `action` throws, truncates the model to what the sequences hold.
  template <class Action>
  void recovering(Action&& action) {
    detail::with_recovery(action, [this] { settle(); });
  }

  // The rows of a pass; nothing if no sequence runs. A pass with drafts that fails is tried again without them.
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
      recovering([&] { plan = batch_.plan(batch_.limits().max_tokens, 0, timing(times_.propose)); });
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
