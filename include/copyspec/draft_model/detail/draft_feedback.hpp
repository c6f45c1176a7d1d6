// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../cost/acceptance_tracker.hpp"
#include "asked_tokens.hpp"
#include "copied_draft.hpp"
#include "draft_model_calibration.hpp"
#include "draft_model_gain.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Remembers how one draft was made until the tokens after its context are generated, and learns from these: how often
/// the draft model and copies without probabilities are right, and what a token costs.
///
/// Nothing is learnt from a prompt or from the draft of another proposer: `discard` is called for these. O(1) per token
/// of the draft. No allocation. Threads: one call at a time.
class DraftFeedback {
 public:
  /// The draft as it was verified.
  struct Outline {
    std::size_t length = 0;         ///< Tokens drafted.
    std::size_t fed = 0;            ///< How many of them were fed to the target model.
    bool copying_is_surer = false;  ///< Whether it was at the draft's first place.
  };

  /// Begins a draft. Nothing can be learnt from it until `end`.
  void begin() noexcept {
    discard();
    asked_.clear();
    copied_.clear();
    paid_ = 0;
  }

  /// A pass of the draft model was asked for, at this cost in target model passes of one row.
  void pay(double cost) noexcept { paid_ += cost; }
  /// What the passes for this draft cost so far.
  [[nodiscard]] double paid() const noexcept { return paid_; }

  /// The draft model answered; see `AskedTokens::add`.
  void add(std::size_t place, DraftModelSample const& sample, Token token) noexcept {
    asked_.add(place, sample, token);
  }

  /// Copied tokens without acceptance probabilities.
  [[nodiscard]] CopiedDraft& copied() noexcept { return copied_; }

  /// The draft, after a context of this length, is finished.
  void end(std::size_t length) noexcept { length_ = length; }

  /// Whether the draft after a context of this length is finished, and nothing was learnt from it yet.
  [[nodiscard]] bool expects(std::size_t length) const noexcept { return length == length_; }

  /// Nothing will be learnt from the draft.
  void discard() noexcept { length_ = unknown; }

  /// The context was truncated to `length` tokens. If the context of the draft was longer, the draft is discarded.
  void truncate(std::size_t length) noexcept {
    if (length < length_) discard();
  }

  /// Learns from the tokens that `context` has after the context of the draft, if any. The draft is then discarded.
  void observe(std::span<Token const> context, Outline const& draft, DraftModelGain& gain,
               AcceptanceTracker& tracker) noexcept {
    if (length_ != unknown && context.size() > length_) {
      std::span<Token const> const generated = context.subspan(length_);
      asked_.observe(generated, std::min(generated.size() - 1, draft.length), gain.record());
      copied_.observe(generated, tracker);
      gain.observe_step(draft.copying_is_surer, generated.size(), gain.share()(draft.fed + 1) + paid_);
    }
    discard();
  }

 private:
  static constexpr std::size_t unknown = ~std::size_t{0};

  AskedTokens asked_;
  CopiedDraft copied_;
  std::size_t length_ = unknown;  // of the context; unknown if there is nothing to learn from
  double paid_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
