// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "copyspec/draft/first_draft.hpp"
#include "copyspec/draft/proposer.hpp"
#include "copyspec/draft_model/model_proposer.hpp"
#include "copyspec/format.hpp"
#include "copyspec/lookup/copy_proposer.hpp"
#include "copyspec/mix/mixing_proposer.hpp"
#include "policy.hpp"
#include "replay_trace.hpp"

namespace copyspec::bench {

/// In the order in which members are added, for readers.
using Json = nlohmann::ordered_json;

/// The settings a proposer works with, those that were left to the policy included.
[[nodiscard]] inline Json settings(NoProposer const&) {
  return Json::object();
}
[[nodiscard]] inline Json settings(CopyProposer const& proposer) {
  CopyOptions const& options = proposer.options();
  return {{"match_length", options.match_length},
          {"draft_length", options.draft_length},
          {"occurrence", word(occurrence_names, options.occurrence)},
          {"extend_loops", options.extend_loops}};
}

[[nodiscard]] inline Json settings(MixingProposer const& proposer) {
  return {{"draft_length", proposer.draft_length()}};
}

template <class M, class Copying>
[[nodiscard]] Json settings(ModelProposer<M, Copying> const& proposer) {
  return settings(proposer.copying());
}

template <class First, class... Others>
[[nodiscard]] Json settings(FirstDraft<First, Others...> const& proposer) {
  return settings(proposer.template get<0>());
}

/// The replay of one trace, to be shown.
struct Report {
  std::string trace;
  Policy policy = Policy::plain;
  Json settings;
  double marginal_cost = 0;
  double draft_cost = 0;  ///< Of a pass of the draft model.
  double second_row = 0;  ///< What the second row of a pass adds besides.
  std::vector<TurnTally> turns;

  [[nodiscard]] Tally total() const {
    Tally sum;
    for (TurnTally const& turn : turns) sum += turn.tally;
    return sum;
  }

  /// Sums of the turns for which `key(turn)` is equal, by key.
  template <class Key>
  [[nodiscard]] auto grouped(Key const& key) const {
    std::map<std::decay_t<decltype(key(turns.front()))>, std::pair<std::size_t, Tally>> groups;
    for (TurnTally const& turn : turns) {
      auto& [count, sum] = groups[key(turn)];
      ++count;
      sum += turn.tally;
    }
    return groups;
  }
};

/// Adds the numbers of `tally` to `row`. What is divided by the passes is null where there are none.
inline void add_numbers(Json& row, Tally const& tally, Report const& report) {
  auto const number = [](std::optional<double> value) { return value ? Json(*value) : Json(); };
  row["tokens"] = tally.tokens;
  row["passes"] = tally.passes;
  row["drafted"] = tally.drafted;
  row["accepted"] = tally.accepted;
  row["attempts"] = tally.attempts;
  for (Source const source : draft_sources)
    row["by_source"][name_of(source)] = {{"drafted", tally.by_source[source].drafted},
                                         {"accepted", tally.by_source[source].accepted}};
  row["checkpoints"] = {{"made", tally.checkpoints.made},
                        {"split_passes", tally.checkpoints.splits},
                        {"replaying_passes", tally.checkpoints.replays},
                        {"replayed", tally.checkpoints.replayed}};
  row["draft_model"] = {{"passes", tally.draft_model.passes},
                        {"caught_up", tally.draft_model.caught_up},
                        {"prompts", tally.draft_model.prompts}};
  row["cost"] = tally.cost(report.marginal_cost, report.draft_cost, report.second_row);
  row["speedup"] = number(tally.speedup(report.marginal_cost, report.draft_cost, report.second_row));
  row["propose_ns_per_step"] = number(tally.propose_ns_per_pass());
  row["memory_bytes_per_token"] = tally.memory_bytes_per_token;
}

[[nodiscard]] inline Json to_json(Report const& report) {
  Json turns = Json::array();
  for (TurnTally const& turn : report.turns) {
    Json row{{"id", turn.id}, {"turn", turn.turn}, {"category", turn.category}};
    add_numbers(row, turn.tally, report);
    turns.push_back(std::move(row));
  }
  Json by_turn = Json::array();
  for (auto const& [number, group] : report.grouped([](TurnTally const& turn) { return turn.turn; })) {
    Json row{{"turn", number}};
    add_numbers(row, group.second, report);
    by_turn.push_back(std::move(row));
  }
  Json total = Json::object();
  add_numbers(total, report.total(), report);
  return {{"trace", report.trace},           {"policy", word(policy_names, report.policy)},
          {"settings", report.settings},     {"marginal_cost", report.marginal_cost},
          {"draft_cost", report.draft_cost}, {"second_row", report.second_row},
          {"turns", std::move(turns)},       {"by_turn", std::move(by_turn)},
          {"total", std::move(total)}};
}

/// A table for people: a row for each turn number, for each category, and for everything.
[[nodiscard]] inline std::string to_table(Report const& report) {
  Tally const total = report.total();
  bool const made_checkpoints = total.checkpoints.made > 0;
  bool const asked_draft_model = total.draft_model.passes > 0;
  std::vector<std::vector<std::string>> rows{
      {"", "turns", "tokens", "passes", "attempts", "drafted", "accepted", "tokens/pass", "% copied"}};
  if (made_checkpoints)
    for (auto const* const heading : {"checkpoints", "split", "replays", "replayed"}) rows[0].emplace_back(heading);
  if (asked_draft_model)
    for (auto const* const heading : {"draft passes", "caught up", "prompts"}) rows[0].emplace_back(heading);
  for (auto const* const heading : {"cost", "speed-up", "propose ns", "bytes/token"}) rows[0].emplace_back(heading);

  auto const shown = [](std::optional<double> value, std::string_view format) {
    return value ? fmt::format(fmt::runtime(format), *value) : std::string("-");
  };
  auto const add = [&](std::string label, std::size_t turns, Tally const& tally) {
    auto& row = rows.emplace_back();
    auto const add_counts = [&](auto... counts) { (row.push_back(std::to_string(counts)), ...); };
    row.push_back(std::move(label));
    add_counts(turns, tally.tokens, tally.passes, tally.attempts, tally.drafted, tally.accepted);
    row.push_back(shown(tally.tokens_per_pass(), "{:.3f}"));
    auto const share = tally.copied_share();
    row.push_back(shown(share ? std::optional(100 * *share) : std::nullopt, "{:.1f}"));
    if (made_checkpoints)
      add_counts(tally.checkpoints.made, tally.checkpoints.splits, tally.checkpoints.replays,
                 tally.checkpoints.replayed);
    if (asked_draft_model) add_counts(tally.draft_model.passes, tally.draft_model.caught_up, tally.draft_model.prompts);
    row.push_back(shown(tally.cost(report.marginal_cost, report.draft_cost, report.second_row), "{:.1f}"));
    row.push_back(shown(tally.speedup(report.marginal_cost, report.draft_cost, report.second_row), "{:.3f}"));
    row.push_back(shown(tally.propose_ns_per_pass(), "{:.0f}"));
    row.push_back(shown(tally.memory_bytes_per_token, "{:.1f}"));
  };
  for (auto const& [number, group] : report.grouped([](TurnTally const& turn) { return turn.turn; }))
    add(fmt::format("turn {}", number), group.first, group.second);
  for (auto const& [category, group] : report.grouped([](TurnTally const& turn) { return turn.category; }))
    add(category, group.first, group.second);
  add("total", report.turns.size(), total);

  std::string text = fmt::format("{}: policy {}", report.trace, word(policy_names, report.policy));
  auto const out = std::back_inserter(text);
  for (auto const& [key, value] : report.settings.items()) fmt::format_to(out, ", {} {}", key, value.dump());
  fmt::format_to(out, ", marginal cost {}\n", report.marginal_cost);
  for (auto const& row : rows) {
    for (std::size_t column = 0; column < row.size(); ++column) {
      std::size_t width = 0;
      for (auto const& other : rows) width = std::max(width, other[column].size());
      if (column == 0)
        fmt::format_to(out, "{:{}}", row[column], width);
      else
        fmt::format_to(out, "  {:>{}}", row[column], width);
    }
    text += '\n';
  }
  return text;
}

}  // namespace copyspec::bench
