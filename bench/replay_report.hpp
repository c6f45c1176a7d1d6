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

#include "copyspec/copy_proposer.hpp"
#include "copyspec/draft.hpp"
#include "copyspec/format.hpp"
#include "copyspec/mixing_proposer.hpp"
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

/// The replay of one trace, to be shown.
struct Report {
  std::string trace;
  Policy policy = Policy::plain;
  Json settings;
  double marginal_cost = 0;
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
inline void add_numbers(Json& row, Tally const& tally, double marginal_cost) {
  auto const number = [](std::optional<double> value) { return value ? Json(*value) : Json(); };
  row["tokens"] = tally.tokens;
  row["passes"] = tally.passes;
  row["drafted"] = tally.drafted;
  row["accepted"] = tally.accepted;
  row["attempts"] = tally.attempts;
  for (Source const source : draft_sources)
    row["by_source"][name(source)] = {{"drafted", tally.by_source[source].drafted},
                                      {"accepted", tally.by_source[source].accepted}};
  row["cost"] = tally.cost(marginal_cost);
  row["speedup"] = number(tally.speedup(marginal_cost));
  row["propose_ns_per_step"] = number(tally.propose_ns_per_pass());
  row["memory_bytes_per_token"] = tally.memory_bytes_per_token;
}

[[nodiscard]] inline Json to_json(Report const& report) {
  Json turns = Json::array();
  for (TurnTally const& turn : report.turns) {
    Json row{{"id", turn.id}, {"turn", turn.turn}, {"category", turn.category}};
    add_numbers(row, turn.tally, report.marginal_cost);
    turns.push_back(std::move(row));
  }
  Json by_turn = Json::array();
  for (auto const& [number, group] : report.grouped([](TurnTally const& turn) { return turn.turn; })) {
    Json row{{"turn", number}};
    add_numbers(row, group.second, report.marginal_cost);
    by_turn.push_back(std::move(row));
  }
  Json total = Json::object();
  add_numbers(total, report.total(), report.marginal_cost);
  return {{"trace", report.trace},       {"policy", word(policy_names, report.policy)},
          {"settings", report.settings}, {"marginal_cost", report.marginal_cost},
          {"turns", std::move(turns)},   {"by_turn", std::move(by_turn)},
          {"total", std::move(total)}};
}

/// A table for people: a row for each turn number, for each category, and for everything.
[[nodiscard]] inline std::string to_table(Report const& report) {
  struct Row {
    std::string label;
    std::size_t turns;
    Tally tally;
  };
  std::vector<Row> rows;
  for (auto const& [number, group] : report.grouped([](TurnTally const& turn) { return turn.turn; }))
    rows.push_back({fmt::format("turn {}", number), group.first, group.second});
  for (auto const& [category, group] : report.grouped([](TurnTally const& turn) { return turn.category; }))
    rows.push_back({category, group.first, group.second});
  rows.push_back({"total", report.turns.size(), report.total()});

  std::string text = fmt::format("{}: policy {}", report.trace, word(policy_names, report.policy));
  auto const out = std::back_inserter(text);
  for (auto const& [key, value] : report.settings.items()) fmt::format_to(out, ", {} {}", key, value.dump());
  fmt::format_to(out, ", marginal cost {}\n", report.marginal_cost);

  std::size_t width = 0;
  for (Row const& row : rows) width = std::max(width, row.label.size());
  fmt::format_to(out, "{:{}} {:>6} {:>8} {:>8} {:>8} {:>8} {:>8} {:>11} {:>8} {:>10} {:>8} {:>10} {:>11}\n", "", width,
                 "turns", "tokens", "passes", "attempts", "drafted", "accepted", "tokens/pass", "% copied", "cost",
                 "speed-up", "propose ns", "bytes/token");
  auto const shown = [](std::optional<double> value, std::string_view format) {
    return value ? fmt::format(fmt::runtime(format), *value) : std::string("-");
  };
  for (auto const& [label, turns, tally] : rows) {
    auto const share = tally.copied_share();
    fmt::format_to(out, "{:{}} {:>6} {:>8} {:>8} {:>8} {:>8} {:>8} {:>11} {:>8} {:>10.1f} {:>8} {:>10} {:>11.1f}\n",
                   label, width, turns, tally.tokens, tally.passes, tally.attempts, tally.drafted, tally.accepted,
                   shown(tally.tokens_per_pass(), "{:.3f}"),
                   shown(share ? std::optional(100 * *share) : std::nullopt, "{:.1f}"),
                   tally.cost(report.marginal_cost), shown(tally.speedup(report.marginal_cost), "{:.3f}"),
                   shown(tally.propose_ns_per_pass(), "{:.0f}"), tally.memory_bytes_per_token);
  }
  return text;
}

}  // namespace copyspec::bench
