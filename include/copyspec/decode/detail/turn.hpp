// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <utility>

#include "../../core/version.hpp"
#include "../../detail/recovery.hpp"
#include "../../verify/logprobs.hpp"
#include "../generate_options.hpp"
#include "../output_delta.hpp"
#include "../sequence.hpp"
#include "prompt_logprobs.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A turn from its caller's view: its options, how much of the generated text was shown, and why it failed.
class Turn {
 public:
  [[nodiscard]] GenerateOptions const& options() const noexcept { return options_; }
  /// What a hook, predicate or verifier threw, if that ended the turn; otherwise null.
  [[nodiscard]] std::exception_ptr const& error() const noexcept { return error_; }

  /// `prompt` takes log-probabilities of the prompt; null if none are asked for.
  void begin(GenerateOptions options, std::shared_ptr<PromptLogprobs> prompt = nullptr) noexcept {
    options_ = std::move(options);
    prompt_ = std::move(prompt);
    shown_ = reported_ = 0;
    error_ = nullptr;
    open_ = true;
    ++changes_;
  }

  /// What takes log-probabilities of the prompt, or null. A copy of the turn shares it, as it reads the same prompt.
  [[nodiscard]] PromptLogprobs* prompt() const noexcept { return prompt_.get(); }

  /// The turn goes on after its last delta.
  void reopen() noexcept { open_ = true; }

  /// Ends the turn without a last delta.
  void close() noexcept {
    open_ = false;
    ++changes_;
  }

  /// How many of the generated tokens an earlier end of this turn, before it was extended, has reported to observers.
  [[nodiscard]] std::size_t reported() const noexcept { return reported_; }
  void report(std::size_t generated) noexcept { reported_ = generated; }

  /// The turn has failed. Its last delta brings `error`.
  void fail(std::exception_ptr error) noexcept { error_ = std::move(error); }

  /// Whether `sequence` has output that was not emitted, or has ended without a last delta.
  [[nodiscard]] bool has_output(Sequence const& sequence) const noexcept {
    return open_ && (!sequence.running() || sequence.released().size() > shown_);
  }

  /// Calls `on_tokens(OutputDelta)` once if `sequence` has new output or has ended. If the callback throws, the next
  /// call repeats the same output. The callback may end this turn, extend it, or begin another. `logprobs` are those of
  /// all generated tokens, or empty.
  template <class OnTokens>
  void emit(Sequence const& sequence, LogprobsView logprobs, OnTokens& on_tokens) {
    if (!has_output(sequence)) return;
    std::size_t const end = sequence.released().size();
    std::size_t const first = std::min(shown_, end);
    OutputDelta const delta{.sequence = sequence.id(),
                            .tokens = sequence.released().subspan(first),
                            .sources = sequence.sources().subspan(first, end - first),
                            .logprobs = logprobs.subview(first, end - first),
                            .status = sequence.status(),
                            .may_continue = options_.may_continue,
                            .error = error_};
    std::size_t const before = std::exchange(shown_, std::max(shown_, end));
    open_ = sequence.running();
    std::size_t const changes = changes_;
    auto const repeat = [&] {
      if (changes_ != changes) return;
      shown_ = before;
      open_ = true;
    };
    with_recovery([&] { on_tokens(delta); }, repeat);
  }

 private:
  GenerateOptions options_;
  std::shared_ptr<PromptLogprobs> prompt_;
  std::size_t shown_ = 0;
  std::size_t reported_ = 0;
  std::exception_ptr error_;
  std::size_t changes_ = 0;  // how often a turn has begun or was closed
  bool open_ = false;        // the last delta is still to come
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
