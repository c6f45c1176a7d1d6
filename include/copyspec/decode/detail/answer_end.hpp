// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../verify/verifier.hpp"
#include "../sequence_status.hpp"
#include "../stop.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// How many of the tokens that a verdict adds to an answer are kept, and how the answer stands then.
struct AnswerEnd {
  std::size_t kept = 0;
  std::size_t held = 0;  ///< Newest tokens of the answer that are not shown.
  SequenceStatus status = SequenceStatus::running;

  /// Of what an answer may still have.
  struct Limits {
    std::size_t budget = 0;     ///< Most tokens of the answer.
    std::size_t room = 0;       ///< Most tokens of the answer that the context has room for, at least `budget`.
    bool may_continue = false;  ///< Tokens stay held when the budget ends.
  };

  /// `answer` ends with the tokens that `verdict` adds; before them, its `before` tokens had `held` held ones. They are
  /// kept up to the first one at which `stop(tokens)`, the budget or the context ends the answer. O(tokens added).
  template <class Stop>
  [[nodiscard]] static AnswerEnd of(std::span<Token const> answer, std::size_t before, std::size_t held,
                                    Limits const& limits, VerdictStatus verdict, Stop& stop) {
    AnswerEnd end{.held = held};
    while (before + end.kept < answer.size() && end.status == SequenceStatus::running) {
      std::size_t const size = before + ++end.kept;
      StopDecision const decision = stop(answer.first(size));
      // Whether tokens come one by one or together must not decide what is shown.
      end.held = std::min({decision.held, size, end.held + 1});
      if (decision.stop)
        end.status = SequenceStatus::stopped;
      else if (size == limits.room)
        end.status = SequenceStatus::context_full;
      else if (size == limits.budget)
        end.status = SequenceStatus::length;
    }
    if (end.status == SequenceStatus::running && verdict == VerdictStatus::invalid_row)
      end.status = SequenceStatus::invalid_row;
    if (end.status == SequenceStatus::running && verdict == VerdictStatus::all_excluded)
      end.status = SequenceStatus::all_excluded;
    // An answer that ended otherwise has no stop, so tokens held for one are shown, unless it will be extended.
    bool const holds = end.status == SequenceStatus::running || end.status == SequenceStatus::stopped ||
                       (end.status == SequenceStatus::length && limits.may_continue);
    if (!holds) end.held = 0;
    return end;
  }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
