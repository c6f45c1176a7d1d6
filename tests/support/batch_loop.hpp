// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/decode/batch.hpp>
#include <copyspec/decode/engine_limits.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/pass_plan.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "toy_language.hpp"

namespace copyspec_test {

// The shortest loop around a batch that serves all calls of `Composer`, each with the engine's part of it.
template <class Proposer, class Verifier>
class BatchLoop {
 public:
  BatchLoop(Toy& model, Proposer proposer, Verifier verifier)
      : model_(model), batch_(copyspec::limits_of(model), std::move(proposer), std::move(verifier)) {}

  // Of what is to be copied, an engine copies all, or no more than so many tokens.
  std::size_t copies_most = ~std::size_t{0};
  std::size_t copied = 0;  // tokens, in all copies

  void begin(SequenceId id, std::span<Token const> prompt, copyspec::GenerateOptions options = {}) {
    batch_.begin(id, prompt, std::move(options));
  }
  void fork(SequenceId from, SequenceId to, std::optional<std::uint64_t> seed = std::nullopt) {
    batch_.fork(from, to, seed);
  }
  void move(SequenceId from, SequenceId to) {
    settle(batch_.truncation(from));
    std::size_t const cached = sequence(from).cached();
    std::size_t const held = cached == 0 ? 0 : model_.fork(from, to, cached);
    model_.truncate(from, 0);
    batch_.move(from, to);
    batch_.truncated(to, held);
  }
  void pause(SequenceId id) { batch_.pause(id); }
  void resume(SequenceId id) { batch_.resume(id); }
  [[nodiscard]] bool paused(SequenceId id) const { return batch_.paused(id); }
  void preempt(SequenceId id) {
    model_.truncate(id, 0);
    batch_.preempt(id);
  }
  void extend(SequenceId id, std::size_t more) { batch_.extend(id, more); }
  void shift(SequenceId id, std::size_t first, std::size_t count) {
    settle(batch_.truncation(id));
    std::size_t const cached = sequence(id).cached();
    std::size_t const held = cached > 0 && cached >= first + count ? model_.shift(id, first, count)
                                                                   : model_.truncate(id, std::min(cached, first));
    batch_.shift(id, first, count);
    if (held < sequence(id).cached()) batch_.truncated(id, held);
  }
  void truncate(SequenceId id, std::size_t length) { batch_.truncate(id, length); }
  void remove(SequenceId id) {
    if (batch_.remove(id)) model_.truncate(id, 0);
  }
  [[nodiscard]] copyspec::Sequence const& sequence(SequenceId id) const { return batch_.sequence(id); }
  [[nodiscard]] auto& batch() { return batch_; }

  template <class OnTokens>
  bool step(OnTokens&& on_tokens) {
    settle();
    copyspec::PassPlan const plan = batch_.plan();
    if (!plan.segments.empty()) {
      batch_.commit(plan.tree_segments.empty() ? model_.forward(plan.segments) : model_.forward(plan.tree_segments));
      settle();
    }
    batch_.emit(on_tokens);
    return batch_.running();
  }

 private:
  void settle(std::optional<copyspec::Truncation> const& due) {
    if (!due) return;
    batch_.truncated(due->sequence, due->path.empty() ? model_.truncate(due->sequence, due->length)
                                                      : model_.keep(due->sequence, due->length, due->path));
  }
  void settle() {
    while (auto const due = batch_.next_truncation()) settle(due);
    while (auto const copy = batch_.next_copy()) {
      std::size_t const length = std::min(copy->length, copies_most);
      std::size_t const held = length == 0 ? 0 : model_.fork(copy->from, copy->to, length);
      copied += held;
      batch_.copied(copy->to, held);
    }
  }

  Toy& model_;
  copyspec::DecodeBatch<Proposer, Verifier> batch_;
};

}  // namespace copyspec_test
