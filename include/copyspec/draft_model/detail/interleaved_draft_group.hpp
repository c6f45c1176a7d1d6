// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../../core/error.hpp"
#include "../../core/version.hpp"
#include "../../cost/acceptance_tracker.hpp"
#include "../../cost/draft_length.hpp"
#include "../../cost/pass_cost.hpp"
#include "../../detail/stopwatch.hpp"
#include "../../model/model.hpp"
#include "draft_model_gain.hpp"
#include "draft_model_runner.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What `InterleavedDraft`s over one draft model share: its runner, what was learnt, and which of them are drafted for
/// in the next passes of the draft model.
///
/// `Member` is a draft: it has `ask()`, `slot()`, `take(row)` and `end()`. Members are borrowed: each withdraws before
/// it is destroyed. Allocates as members grow in number. Threads: one call at a time, all members together.
template <Model M, class Member, class Clock>
class InterleavedDraftGroup {
 public:
  using Runner = DraftModelRunner<M, Clock>;

  /// Throws `Error` if `fixed_length` is larger than `max_predicted_tokens`.
  InterleavedDraftGroup(M& draft_model, PassCost pass_cost, PassCost draft_pass_cost, std::optional<double> draft_cost,
                        std::size_t fixed_length)
      : runner_(std::make_shared<Runner>(draft_model, std::move(draft_pass_cost))),
        gain_(std::move(pass_cost), runner_->share(), draft_cost),
        fixed_length_(fixed_length) {
    if (fixed_length > max_predicted_tokens)
      raise_error(ErrorCode::bad_options, "a draft model cannot draft " + std::to_string(fixed_length) +
                                              " tokens, only up to " + std::to_string(max_predicted_tokens));
  }

  [[nodiscard]] std::shared_ptr<Runner> const& runner() const noexcept { return runner_; }
  [[nodiscard]] DraftModelGain& gain() noexcept { return gain_; }
  [[nodiscard]] DraftModelGain const& gain() const noexcept { return gain_; }
  /// How many tokens are drafted whatever they cost; zero if that is decided each time.
  [[nodiscard]] std::size_t fixed_length() const noexcept { return fixed_length_; }
  /// Of copies that tell no probabilities.
  [[nodiscard]] AcceptanceTracker& copied() noexcept { return copied_; }

  /// `member` is drafted for in the next passes. The first one after a draft begins a new round.
  void join(Member& member) {
    if (std::exchange(drafted_, false)) {
      for (Member* const other : members_) other->left();
      members_.clear();
      time_ = {};
    }
    members_.push_back(&member);
  }

  /// `member`, which joined, is not drafted for.
  void leave(Member& member) noexcept { std::erase(members_, &member); }

  /// Drafts for all that joined.
  void draft() {
    timed<Clock>(time_, [&] {
      slots_.clear();
      slots_.reserve(members_.size());  // before any of them asks
      for (Member* const member : members_) {
        member->ask();
        slots_.push_back(&member->slot());
      }
      runner_->answer(slots_, [&](std::size_t index, auto row) { members_[index]->take(row); });
      for (Member* const member : members_) member->end();
      drafted_ = true;
    });
  }

  /// The time that the draft model took in this round; then zero.
  [[nodiscard]] typename Clock::duration take_time() noexcept { return std::exchange(time_, {}); }

  /// The gain that the draft model usually has in a turn, or would have.
  [[nodiscard]] double gain_of_turns() const noexcept { return gain_of_turns_; }
  void observe_turn(double gain) noexcept { gain_of_turns_ += (gain - gain_of_turns_) / 8; }

 private:
  std::shared_ptr<Runner> runner_;
  DraftModelGain gain_;
  std::size_t fixed_length_;
  AcceptanceTracker copied_;
  std::vector<Member*> members_;
  std::vector<typename Runner::Slot*> slots_;
  typename Clock::duration time_{};
  bool drafted_ = false;  // for the members there are
  double gain_of_turns_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
