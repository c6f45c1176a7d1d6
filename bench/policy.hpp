// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/draft/first_draft.hpp"
#include "copyspec/draft/proposer.hpp"
#include "copyspec/draft_model/model_proposer.hpp"
#include "copyspec/lookup/copy_proposer.hpp"
#include "copyspec/mix/history.hpp"
#include "copyspec/mix/mixing_proposer.hpp"
#include "simulated_draft_model.hpp"

namespace copyspec::bench {

/// What decides about drafts in a replay. A new policy is an enumerator, a name and a case in `with_proposer`.
enum class Policy { mixing, published, copy, draft, published_draft, plain };

inline constexpr std::array policy_names{
    std::pair<std::string_view, Policy>{"default", Policy::mixing},
    std::pair<std::string_view, Policy>{"published", Policy::published},
    std::pair<std::string_view, Policy>{"copy", Policy::copy},
    std::pair<std::string_view, Policy>{"draft", Policy::draft},
    std::pair<std::string_view, Policy>{"published-draft", Policy::published_draft},
    std::pair<std::string_view, Policy>{"plain", Policy::plain},
};

inline constexpr std::array occurrence_names{
    std::pair<std::string_view, Occurrence>{"oldest", Occurrence::oldest},
    std::pair<std::string_view, Occurrence>{"newest", Occurrence::newest},
};

/// The word for `value` in one of the lists above.
template <class Names, class Value>
[[nodiscard]] constexpr std::string_view word(Names const& names, Value value) noexcept {
  return std::ranges::find(names, value, [](auto const& named) { return named.second; })->first;
}

/// What the user sets; whatever is left out, the policy decides.
struct PolicySettings {
  std::optional<std::size_t> match_length = {};
  std::optional<std::size_t> draft_length = {};
  std::optional<Occurrence> occurrence = {};
  std::size_t history_bytes = 0;               ///< None: nothing is shared between conversations.
  bool checkpoints = false;                    ///< Whether the model cannot be cut back.
  SimulatedDraftModel* draft_model = nullptr;  ///< Needed by the policies that are named for one; of the default, too.
  double draft_cost = 0.15;                    ///< What a pass of it costs, in passes of one row.
  std::size_t draft_tokens = 5;                ///< That those policies have it draft.
  double second_row = 0;                       ///< What the second row of a pass adds besides.
  bool learn_cost = false;                     ///< Whether the default is told no costs, and learns them.

  [[nodiscard]] CopyOptions over(CopyOptions options) const noexcept {
    options.match_length = match_length.value_or(options.match_length);
    options.draft_length = draft_length.value_or(options.draft_length);
    options.occurrence = occurrence.value_or(options.occurrence);
    return options;
  }
};

/// What passes cost if each row after the first adds `marginal_cost`, and the second one `second_row` besides.
[[nodiscard]] inline PassCost modelled_cost(double marginal_cost, double second_row) {
  if (second_row == 0) return PassCost::marginal(marginal_cost);
  double const two = 1 + marginal_cost + second_row;
  return PassCost::table({1, two, two + marginal_cost});
}

/// `action(proposer)` with the proposer that `policy` stands for, told what a row costs if it asks.
template <class Action>
auto with_proposer(Policy policy, PolicySettings const& settings, double marginal_cost, Action&& action) {
  auto const drafting = [&](std::size_t fixed_length = 0) {
    PassCost const cost = PassCost::marginal(marginal_cost);
    return ModelProposerOptions{
        .pass_cost = cost, .draft_pass_cost = cost, .draft_cost = settings.draft_cost, .fixed_length = fixed_length};
  };
  auto const draft_alone = [&] {
    return ModelProposer(*settings.draft_model, NoProposer(), drafting(settings.draft_tokens));
  };
  switch (policy) {
    case Policy::mixing: {
      MixingOptions options{
          .pass_cost = settings.learn_cost ? PassCost() : modelled_cost(marginal_cost, settings.second_row),
          .rollback = settings.checkpoints ? Rollback::checkpoint : Rollback::exact};
      options.draft_length = settings.draft_length.value_or(options.draft_length);
      if (settings.history_bytes > 0) options.history = std::make_shared<History>(settings.history_bytes);
      MixingProposer mixing(std::move(options));
      if (settings.draft_model == nullptr) return action(mixing);
      return action(ModelProposer(*settings.draft_model, std::move(mixing), drafting()));
    }
    case Policy::published:
      return action(CopyProposer(settings.over(published_rule)));
    case Policy::copy:
      return action(CopyProposer(settings.over(CopyOptions())));
    case Policy::draft:
      return action(draft_alone());
    case Policy::published_draft:
      return action(FirstDraft(CopyProposer(settings.over(published_rule)), draft_alone()));
    case Policy::plain:
      break;
  }
  return action(NoProposer());
}

}  // namespace copyspec::bench
