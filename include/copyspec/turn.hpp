// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "logprobs.hpp"
#include "sampling_options.hpp"
#include "sequence.hpp"
#include "stop.hpp"
#include "token.hpp"

namespace copyspec::inline v0 {

/// How one turn is generated.
struct TurnOptions {
  std::size_t max_new_tokens = std::numeric_limits<std::size_t>::max();  ///< Budget; the context limit holds anyway.
  StopRules stop = {};
  /// Most tokens drafted a pass, whatever the proposer offers. Zero is plain decoding.
  std::size_t max_draft_length = std::numeric_limits<std::size_t>::max();
  /// How tokens are drawn, for a verifier that samples; without, as it was made to.
  std::optional<SamplingOptions> sampling = std::nullopt;
  /// Texts that the answer will probably resemble, for a proposer that takes them; dropped when the next turn begins.
  std::vector<std::vector<Token>> references = {};
};

/// What a pass made known of one sequence: tokens that may be shown now, and where each came from. The spans are valid
/// during the call. The last emission of a turn has a `status` other than `running`, and may have no tokens.
struct Emission {
  SequenceId sequence{};
  std::span<Token const> tokens;
  std::span<Source const> sources;
  LogprobsView logprobs;  ///< Of each token, if the turn asked for them.
  SequenceStatus status = SequenceStatus::idle;
};

/// A turn under way, as its caller sees it: what was asked for, and how much of what was said has been shown.
class Turn {
 public:
  [[nodiscard]] TurnOptions const& options() const noexcept { return options_; }

  void begin(TurnOptions options) {
    options_ = std::move(options);
    shown_ = 0;
    open_ = true;
  }

  /// Ends it without a last emission.
  void close() noexcept { open_ = false; }

  /// Calls `on_tokens(Emission)` if `sequence` has something to show or has ended, once. What a callback that throws
  /// did not take comes again. `logprobs` are those of all that was generated, or of nothing.
  template <class OnTokens>
  void emit(Sequence const& sequence, LogprobsView logprobs, OnTokens& on_tokens) {
    if (!open_) return;
    std::size_t const end = sequence.released().size();
    if (end <= shown_ && sequence.running()) return;
    std::size_t const first = std::min(shown_, end);
    on_tokens(Emission{.sequence = sequence.id(),
                       .tokens = sequence.released().subspan(first),
                       .sources = sequence.sources().subspan(first, end - first),
                       .logprobs = logprobs.subview(first, end - first),
                       .status = sequence.status()});
    shown_ = std::max(shown_, end);
    open_ = sequence.running();
  }

 private:
  TurnOptions options_;
  std::size_t shown_ = 0;
  bool open_ = false;  // the last emission is still to come
};

}  // namespace copyspec::inline v0
