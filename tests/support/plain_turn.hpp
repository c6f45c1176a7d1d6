// SPDX-License-Identifier: MIT
// A turn by plain decoding, one row after the other, which can be broken off and go on as a composer's can. Written
// without `Sequence`, as what it is compared with.
#pragma once

#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/sequence_status.hpp>
#include <copyspec/decode/stop.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_verifier.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>

#include "tokens.hpp"
#include "toy_language.hpp"

namespace copyspec_test {

struct PlainTurnOptions {
  copyspec::GenerateOptions generate;
  copyspec::SamplingOptions sampling;
  /// The caller's own rule, for a turn of which the first generated token comes after `answer` tokens. May throw.
  std::function<copyspec::StopDecision(std::span<Token const> generated)> stop = nullptr;
};

class PlainTurn {
 public:
  PlainTurn(ToyModelOptions const& model, Tokens context, PlainTurnOptions options)
      : model_(model), context_(std::move(context)), answer_(context_.size()), options_(std::move(options)) {
    model_.max_tokens = std::max(model_.max_tokens, model_.order);
    budget_ = std::min(options_.generate.max_new_tokens, model_.context_limit - answer_);
    if (budget_ == 0) status_ = copyspec::SequenceStatus::length;
    begin();
  }

  /// The context of a turn that goes on with another seed.
  void reseed(std::uint64_t seed) {
    options_.sampling.seed = seed;
    begin();
  }

  /// Generates until `count` tokens are there or the turn has ended.
  void generate(std::size_t count) {
    while (!ended() && generated().size() < count) next();
  }
  void finish() { generate(budget_ + 1); }

  /// After as many tokens as are there.
  void extend(std::size_t more) {
    if (more == 0) return;
    budget_ += std::min(more, model_.context_limit - answer_ - budget_);
    if (status_ == copyspec::SequenceStatus::length && generated().size() < budget_)
      status_ = copyspec::SequenceStatus::running;
  }

  [[nodiscard]] bool ended() const { return status_ != copyspec::SequenceStatus::running; }
  [[nodiscard]] copyspec::SequenceStatus status() const { return status_; }
  [[nodiscard]] std::span<Token const> generated() const { return std::span(context_).subspan(answer_); }
  [[nodiscard]] std::span<Token const> released() const { return generated().first(generated().size() - held_); }
  [[nodiscard]] Tokens const& context() const { return context_; }
  [[nodiscard]] PlainTurnOptions const& options() const { return options_; }
  [[nodiscard]] std::size_t budget() const { return budget_; }

 private:
  using Status = copyspec::SequenceStatus;

  void begin() {
    verifier_ = copyspec::SamplingVerifier();
    verifier_.begin_turn({.options = &options_.sampling,
                          .vocabulary = model_.vocabulary,
                          .budget = budget_,
                          .answer = answer_,
                          .stop_tokens = options_.generate.stop.tokens,
                          .min_new_tokens = options_.generate.min_new_tokens});
  }

  void next() {
    copyspec::Verdict verdict;
    try {
      Toy model(model_);
      copyspec::Segment const segment{.sequence = {}, .tokens = newest(), .rows = 1};
      verdict = verifier_.verify(model.forward(std::span(&segment, 1)), context_, context_.size());
    } catch (...) {
      end(Status::failed);
      return;
    }
    if (verdict.status != copyspec::VerdictStatus::ok) {
      end(verdict.status == copyspec::VerdictStatus::all_excluded ? Status::all_excluded : Status::invalid_row);
      return;
    }
    context_.push_back(verdict.next);
    bool const may_stop = generated().size() > options_.generate.min_new_tokens;
    copyspec::StopDecision decision = options_.generate.stop(generated(), may_stop);
    try {
      if (options_.stop) {
        copyspec::StopDecision own = options_.stop(generated());
        if (own.stop && !may_stop) own = {};
        decision = decision | own;
      }
    } catch (...) {
      status_ = Status::failed;
      ++held_;
      return;
    }
    held_ = std::min(decision.held, held_ + 1);
    if (decision.stop)
      status_ = Status::stopped;
    else if (context_.size() == model_.context_limit)
      end(Status::context_full);
    else if (generated().size() == budget_)
      options_.generate.may_continue ? void(status_ = Status::length) : end(Status::length);
  }

  // A row depends on the newest tokens alone.
  [[nodiscard]] std::span<Token const> newest() const {
    return std::span(context_).last(std::min(context_.size(), model_.order));
  }

  // What was held is shown.
  void end(Status status) {
    status_ = status;
    held_ = 0;
  }

  ToyModelOptions model_;
  Tokens context_;
  std::size_t answer_;
  PlainTurnOptions options_;
  std::size_t budget_ = 0;
  std::size_t held_ = 0;
  Status status_ = Status::running;
  copyspec::SamplingVerifier verifier_;
};

}  // namespace copyspec_test
